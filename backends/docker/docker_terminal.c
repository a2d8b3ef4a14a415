#include <errno.h>
#include <stdlib.h>

#include "backends/docker/box.h"
#include "kernel/base/cleanup.h"

struct terminal {
	struct corral_terminal base;
	struct corral_docker *docker;
	struct corral_docker_box *box;
	struct corral_docker_process *process;
};

static struct terminal *to_terminal(const struct corral_terminal *t)
{
	return (struct terminal *)(uintptr_t)t;
}

static int terminal_fd(const struct corral_terminal *t)
{
	return corral_docker_process_tty(to_terminal(t)->process);
}

static int terminal_event_fd(const struct corral_terminal *t)
{
	return corral_docker_process_event_fd(to_terminal(t)->process);
}

static int terminal_resize(struct corral_terminal *t, uint16_t rows, uint16_t cols,
                           struct corral_error *err)
{
	int r = corral_docker_process_resize(to_terminal(t)->process, rows, cols);

	return r < 0 ? corral_error_sys(err, -r, "resize the terminal") : 0;
}

static int terminal_signal(struct corral_terminal *t, int signo, struct corral_error *err)
{
	int r = corral_docker_process_signal(to_terminal(t)->process, signo);

	return r < 0 ? corral_error_sys(err, -r, "signal %d", signo) : 0;
}

static int terminal_wait(struct corral_terminal *t, int timeout_ms, int *ret_status,
                         struct corral_error *err)
{
	struct corral_docker_process *p = to_terminal(t)->process;
	const struct corral_receipt *receipt;
	int r = corral_docker_process_wait(p, timeout_ms, err);

	if (r < 0)
		return r;
	receipt = corral_docker_process_receipt(p);
	*ret_status = receipt->signal ? 128 + receipt->signal : receipt->exit_code;
	return 0;
}

static void terminal_close(struct corral_terminal *base)
{
	struct terminal *t = to_terminal(base);

	corral_docker_process_close(t->process);
	corral_docker_release(t->docker, t->box);
	free(t);
}

int corral_docker_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
                                struct corral_terminal **ret, struct corral_error *err)
{
	static const struct corral_terminal_ops ops = {
		.fd = terminal_fd,
		.event_fd = terminal_event_fd,
		.resize = terminal_resize,
		.signal = terminal_signal,
		.wait = terminal_wait,
		.close = terminal_close,
	};
	static char *const shell[] = { (char *)"/bin/sh", NULL };
	const struct corral_docker_start start = { .argv = o->argv ? o->argv : shell,
		                                   .env = o->env,
		                                   .guest_dir = o->guest_dir,
		                                   .stdin_fd = -1,
		                                   .stdout_fd = -1,
		                                   .stderr_fd = -1,
		                                   .tty = true,
		                                   .rows = o->rows,
		                                   .cols = o->cols };
	struct terminal *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return corral_error_set(err, ENOMEM, "terminal: out of memory");
	t->base.ops = &ops;
	t->docker = to_docker(b);
	r = corral_docker_acquire(t->docker, &t->box, err);
	if (r < 0) {
		free(t);
		return r;
	}
	r = corral_backend_lacks(b, !t->box->plain,
	                         "terminals in containers that our program is not in", err);
	if (r == 0)
		r = corral_docker_start_in(t->docker, t->box, &start, &t->process, err);
	if (r < 0)
		terminal_close(&t->base);
	else
		*ret = &t->base;
	return r;
}
