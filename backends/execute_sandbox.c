/* A command in a live sandbox: kernel/process.h as backends/execute.c knows it. */
#include "backends/execute.h"

static int sandbox_start(void *place, const struct corral_command *command, void **ret,
                         struct corral_error *err)
{
	struct corral_command unheard = *command;
	struct corral_process *p = NULL;
	int r;

	/* Whatever becomes of it is its result, and heard of together. */
	unheard.no_wait = true;
	r = corral_process_start(place, &unheard, 0, &p, err);

	*ret = p;
	return r;
}

static int sandbox_event_fd(const void *process)
{
	return corral_process_event_fd(process);
}

static int sandbox_dispatch(void *process, struct corral_error *err)
{
	return corral_process_dispatch(process, err);
}

static int sandbox_signal(void *process, int signo)
{
	return corral_process_signal(process, signo, NULL);
}

static void sandbox_kill(void *process, enum corral_reason reason)
{
	corral_process_kill(process, reason);
}

static const struct corral_receipt *sandbox_receipt(const void *process)
{
	return corral_process_receipt(process);
}

static void sandbox_count_output(void *process, uint64_t bytes)
{
	corral_process_count_output(process, bytes);
}

static void sandbox_close(void *process)
{
	corral_process_close(process);
}

int corral_execute_in(struct corral_sandbox *s, const struct corral_execute *x, char *const *env,
                      int stop_fd, struct corral_executed *ret, struct corral_error *err)
{
	static const struct corral_execute_ops ops = {
		.start = sandbox_start,
		.event_fd = sandbox_event_fd,
		.dispatch = sandbox_dispatch,
		.signal = sandbox_signal,
		.kill = sandbox_kill,
		.receipt = sandbox_receipt,
		.count_output = sandbox_count_output,
		.close = sandbox_close,
	};

	return corral_execute_with(&ops, s, x, env, stop_fd, ret, err);
}
