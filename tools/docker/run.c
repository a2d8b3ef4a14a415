/*
 * corral run --docker: one command in a container.
 *
 * Theory of operation: as of corral run (tools/cmd_run.c), with the container in the place of the
 * sandbox. A thread of the backend's carries between the engine's stream and the caller's own
 * descriptors, so bytes come as they come; this one waits in tools/relay.h's poll() for signals and
 * for one descriptor that is an epoll(7) of two: the command's end, and the time limit.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "backends/docker/run.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tools/compile.h"
#include "tools/docker/place.h"
#include "tools/message.h"
#include "tools/relay.h"
#include "tools/run_end.h"

struct run {
	struct corral_options *options;
	struct corral_docker_place *place;
	struct corral_docker_run *command;
	struct corral_relay relay;
	int event_fd, timer_fd;
	uint64_t output_bytes;
	struct corral_run_end end;
	struct corral_receipt
	        explained; /* layers and limits, while the container is there to tell */
};

static void run_signal(void *owner, int signo)
{
	corral_docker_run_signal(((struct run *)owner)->command, signo);
}

static void run_kill(void *owner, enum corral_reason reason)
{
	corral_docker_run_kill(((struct run *)owner)->command, reason);
}

static void run_count_output(void *owner, uint64_t bytes)
{
	((struct run *)owner)->output_bytes += bytes;
}

static void run_resize(void *owner, uint16_t rows, uint16_t cols)
{
	corral_docker_run_resize(((struct run *)owner)->command, rows, cols);
}

static int run_dispatch(void *owner, struct corral_error *err)
{
	struct run *run = owner;
	uint64_t n;

	if (run->timer_fd >= 0 && read(run->timer_fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		corral_docker_run_kill(run->command, CORRAL_REASON_TIMEOUT);
	return corral_docker_run_dispatch(run->command, err);
}

static const struct corral_relay_ops run_ops = {
	.signal = run_signal,
	.kill = run_kill,
	.count_output = run_count_output,
	.resize = run_resize,
	.dispatch = run_dispatch,
};

static int watch(struct run *run, int fd, struct corral_error *err)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (epoll_ctl(run->event_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return corral_error_sys(err, errno, "epoll");
	return 0;
}

static int events_open(struct run *run, uint64_t timeout_ms, struct corral_error *err)
{
	const struct itimerspec in = { .it_value = { .tv_sec = (time_t)(timeout_ms / 1000),
		                                     .tv_nsec = (long)(timeout_ms % 1000) *
		                                                1000000 } };
	int r;

	run->event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (run->event_fd < 0)
		return corral_error_sys(err, errno, "epoll");
	r = watch(run, corral_docker_run_event_fd(run->command), err);
	if (r < 0 || !timeout_ms)
		return r;
	run->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (run->timer_fd < 0 || timerfd_settime(run->timer_fd, 0, &in, NULL) < 0)
		return corral_error_sys(err, errno, "timerfd");
	return watch(run, run->timer_fd, err);
}

static int command_start(struct run *run, struct corral_error *err)
{
	const struct corral_config *c = run->options->config;
	corral_autofree char **env = calloc(c->n_env + 1, sizeof(*env));
	int fds[2], pipes[2] = { -1, -1 }, r;
	struct corral_command command = {
		.argv = c->argv,
		.env = env,
		.guest_dir = run->place->work_dir,
		.stdin_fd = c->use_stdin ? STDIN_FILENO : -1,
		.tty = c->tty,
	};

	if (!env)
		return corral_error_sys(err, ENOMEM, "run");
	/* Also one that was there before gets them. */
	for (size_t i = 0; i < c->n_env; i++)
		env[i] = c->env[i];
	if (c->tty)
		corral_tty_size(&command.tty_rows, &command.tty_cols);
	r = corral_relay_prepare(&run->relay, c->tty, c->limits.output_bytes, true, fds, pipes,
	                         err);
	if (r == 0) {
		command.stdout_fd = fds[0];
		command.stderr_fd = fds[1];
		r = corral_docker_run_start(run->place->backend, &command, &run->command,
		                            &run->end.receipt.exec_error, err);
	}
	corral_fd_closep(&pipes[0]);
	corral_fd_closep(&pipes[1]);
	if (r == 0)
		r = events_open(run, c->limits.timeout_ms, err);
	return r < 0 ? r
	             : corral_relay_begin(&run->relay, corral_docker_run_tty(run->command), err);
}

static bool wants_receipt(const struct run *run)
{
	return run->options->json_fd >= 0 || run->options->summary;
}

static uint64_t since_usec(uint64_t nsec)
{
	return (corral_now_nsec() - nsec) / 1000;
}

static int start(struct run *run, struct corral_error *err)
{
	const struct corral_config *c = run->options->config;
	uint64_t at = corral_now_nsec();
	int r = corral_docker_place_open(run->options, run->relay.signals.fd, &run->place, err);

	run->explained.stage_usec[CORRAL_STAGE_PREPARE] = since_usec(at);
	if (r == 0 && wants_receipt(run))
		r = corral_docker_run_explain(run->place->backend, &run->explained, err);
	run->explained.limits_enforced |= c->limits.timeout_ms ? CORRAL_LIMIT_TIMEOUT : 0;
	run->explained.limits_enforced |= c->limits.output_bytes ? CORRAL_LIMIT_OUTPUT : 0;
	at = corral_now_nsec();
	if (r == 0)
		r = command_start(run, err);
	run->explained.stage_usec[CORRAL_STAGE_EXEC] = since_usec(at);
	return r;
}

/* Written by the thread between the streams; what a pump wrote, tools/run_end.h tells. */
static int output_check(const struct run *run, struct corral_error *err)
{
	static const char *const names[] = { "output", "error" };

	for (int i = 0; i < 2; i++) {
		int error = corral_docker_run_output_error(run->command, i + 1);

		if (error)
			return corral_error_sys(err, error, "write standard %s", names[i]);
	}
	return 0;
}

static int execute(struct run *run, struct corral_error *err)
{
	int r = corral_relay_open(&run->relay, err);

	if (r == 0 && run->options->config->tty)
		r = corral_options_add_term(run->options, err);
	if (r == 0)
		r = start(run, err);
	if (r == 0)
		r = corral_relay_loop(&run->relay, run->event_fd, err);
	if (r == 0)
		corral_relay_drain(&run->relay);
	if (r == 0)
		r = output_check(run, err);
	if (r < 0)
		corral_docker_name_option(err);
	return r;
}

static void receipt_fill(struct run *run)
{
	const struct corral_receipt *x = &run->explained;
	struct corral_receipt *r = &run->end.receipt;
	int exec_error = r->exec_error;

	if (run->command)
		*r = *corral_docker_run_receipt(run->command);
	else
		r->exit_code = -1;
	r->exec_error = exec_error;
	r->tier = CORRAL_TIER_CONTAINER;
	r->layers = x->layers;
	r->limits_enforced = x->limits_enforced;
	r->limits_lost = x->limits_lost;
	r->output_bytes = run->output_bytes;
	for (size_t i = 0; i < CORRAL_STAGE_COUNT; i++)
		r->stage_usec[i] = x->stage_usec[i];
	/* Its wall time begins with its start. */
	if (r->wall_usec > x->stage_usec[CORRAL_STAGE_EXEC])
		r->stage_usec[CORRAL_STAGE_RUN] = r->wall_usec - x->stage_usec[CORRAL_STAGE_EXEC];
}

static int finish(struct run *run, int r, struct corral_error *err)
{
	struct corral_error left = { 0 };
	uint64_t at = corral_now_nsec();
	int status;

	corral_relay_restore(&run->relay);
	run->end.has_receipt = run->command || run->end.receipt.exec_error;
	receipt_fill(run);
	corral_docker_run_close(run->command);
	if (corral_docker_place_end(run->place, &left) < 0)
		corral_say("the container could not be ended: %s", left.text);
	corral_docker_place_close(run->place);
	run->end.receipt.stage_usec[CORRAL_STAGE_KILL] = since_usec(at);
	status = corral_run_end_tell(&run->end, r, err);
	corral_relay_close(&run->relay);
	corral_fd_closep(&run->event_fd);
	corral_fd_closep(&run->timer_fd);
	return status;
}

int corral_docker_run(struct corral_options *o)
{
	struct run *run = calloc(1, sizeof(*run));
	struct corral_error err = { 0 };
	int r, status;

	if (!run) {
		(void)corral_error_sys(&err, ENOMEM, "run");
		return corral_complain(&err);
	}
	run->options = o;
	run->event_fd = run->timer_fd = -1;
	run->end = (struct corral_run_end) { .options = o,
		                             .relay = &run->relay,
		                             .limits = &o->config->limits };
	corral_relay_init(&run->relay, &run_ops, run);
	r = execute(run, &err);
	status = finish(run, r, &err);
	free(run);
	return status;
}
