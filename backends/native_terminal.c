#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "backends/execute.h"
#include "backends/native_box.h"
#include "kernel/base/cleanup.h"

struct terminal {
	struct corral_terminal base;
	struct corral_native *native;
	struct corral_native_box *box;
	struct corral_process *process;
};

static struct terminal *to_terminal(const struct corral_terminal *t)
{
	return (struct terminal *)(uintptr_t)t;
}

static int terminal_fd(const struct corral_terminal *t)
{
	return corral_process_tty(to_terminal(t)->process);
}

static int terminal_event_fd(const struct corral_terminal *t)
{
	return corral_process_event_fd(to_terminal(t)->process);
}

static int terminal_resize(struct corral_terminal *t, uint16_t rows, uint16_t cols,
                           struct corral_error *err)
{
	const struct winsize size = { .ws_row = rows, .ws_col = cols };

	return ioctl(terminal_fd(t), TIOCSWINSZ, &size) < 0
	               ? corral_error_sys(err, errno, "resize the terminal")
	               : 0;
}

static int terminal_signal(struct corral_terminal *t, int signo, struct corral_error *err)
{
	return corral_process_signal(to_terminal(t)->process, signo, err);
}

static int terminal_wait(struct corral_terminal *t, int timeout_ms, int *ret_status,
                         struct corral_error *err)
{
	struct corral_process *p = to_terminal(t)->process;
	const struct corral_receipt *receipt;
	int r = corral_process_wait(p, timeout_ms, err);

	if (r < 0)
		return r;
	receipt = corral_process_receipt(p);
	*ret_status = receipt->signal ? 128 + receipt->signal : receipt->exit_code;
	return 0;
}

static void terminal_close(struct corral_terminal *base)
{
	struct terminal *t = to_terminal(base);

	corral_process_close(t->process);
	corral_native_release(t->native, t->box);
	free(t);
}

int corral_native_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
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
	struct corral_native *n = to_native(b);
	struct corral_command command = { .argv = o->argv ? o->argv : shell,
		                          .guest_dir = o->guest_dir,
		                          .tty = true,
		                          .tty_rows = o->rows,
		                          .tty_cols = o->cols };
	corral_autofree char **env = NULL;
	struct terminal *t;
	int r;

	if (o->env) {
		env = corral_environment_merge(n->policy->env, o->env);
		if (!env)
			return corral_error_set(err, ENOMEM, "terminal: out of memory");
		command.env = env;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return corral_error_set(err, ENOMEM, "terminal: out of memory");
	t->base.ops = &ops;
	t->native = n;
	r = corral_native_acquire(n, &t->box, err);
	if (r == 0) {
		r = corral_process_start(t->box->sandbox, &command, CORRAL_PROCESS_BACKGROUND,
		                         &t->process, err);
		if (r < 0)
			corral_native_release(n, t->box);
	}
	if (r < 0)
		free(t);
	else
		*ret = &t->base;
	return r;
}
