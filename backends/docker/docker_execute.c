/* Commands: a process inside, as backends/execute.c knows processes. */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "backends/docker/box.h"
#include "backends/docker/plain.h"
#include "backends/execute.h"

struct place {
	struct corral_docker *docker;
	struct corral_docker_box *box;
	struct corral_docker_process *process; /* the one that is started there */
	uint64_t output_bytes;
};

static int process_start(void *place, const struct corral_command *command, void **ret,
                         struct corral_error *err)
{
	struct place *p = place;
	const struct corral_docker_start start = {
		.argv = command->argv,
		.env = command->env,
		.guest_dir = command->guest_dir,
		.stdin_fd = command->stdin_fd,
		.stdout_fd = command->stdout_fd,
		.stderr_fd = command->stderr_fd,
	};
	int r = corral_docker_start_in(p->docker, p->box, &start, &p->process, err);

	*ret = p;
	return r;
}

static struct corral_docker_process *to_process(const void *place)
{
	return ((const struct place *)place)->process;
}

static int process_event_fd(const void *place)
{
	return corral_docker_process_event_fd(to_process(place));
}

static int process_dispatch(void *place, struct corral_error *err)
{
	int r = corral_docker_process_dispatch(to_process(place), err);

	if (r > 0 && corral_docker_process_is_lost(to_process(place)))
		return corral_error_set(err, EPIPE, CORRAL_DOCKER_SUPERVISOR_GONE);
	return r;
}

static int process_signal(void *place, int signo)
{
	return corral_docker_process_signal(to_process(place), signo);
}

static void process_kill(void *place, enum corral_reason reason)
{
	corral_docker_process_kill(to_process(place), reason);
}

static const struct corral_receipt *process_receipt(const void *place)
{
	return corral_docker_process_receipt(to_process(place));
}

static void process_count_output(void *place, uint64_t bytes)
{
	((struct place *)place)->output_bytes += bytes;
}

static void process_close(void *place)
{
	struct place *p = place;

	if (p)
		corral_docker_finish_in(p->docker, p->box, p->process);
}

/* What was killed without our doing may have been for want of memory: the engine has seen it. */
static void death_explain(struct corral_docker *d, struct corral_docker_box *box,
                          struct corral_executed *e)
{
	bool oom = false, died = false;

	/* A shell says so of its child. */
	if (e->exit_code != 128 + SIGKILL || e->cancelled || e->output_limited)
		return;
	if (corral_docker_container_deaths(d->engine, &box->c, &oom, &died, NULL) == 0 && oom)
		e->receipt.reason = CORRAL_REASON_OOM;
}

static int execute_in(struct corral_docker *d, struct corral_docker_box *box,
                      const struct corral_execute *x, int stop_fd, struct corral_executed *ret,
                      struct corral_error *err)
{
	static const struct corral_execute_ops ops = {
		.start = process_start,
		.event_fd = process_event_fd,
		.dispatch = process_dispatch,
		.signal = process_signal,
		.kill = process_kill,
		.receipt = process_receipt,
		.count_output = process_count_output,
		.close = process_close,
	};
	struct place place = { .docker = d, .box = box };
	int r;

	r = box->plain ? corral_docker_plain_execute(box->plain, x, stop_fd, ret, err)
	               : corral_execute_with(&ops, &place, x, NULL, stop_fd, ret, err);
	if (r < 0)
		return corral_docker_failed(d, box, r, err);
	ret->receipt.output_bytes = place.output_bytes;
	death_explain(d, box, ret);
	return 0;
}

int corral_docker_execute(struct corral_backend *b, const struct corral_execute *x,
                          struct corral_executed *ret, struct corral_error *err)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_box *box;
	struct corral_run run;
	int r = corral_docker_acquire(d, &box, err);

	if (r < 0)
		return r;
	r = corral_runs_enlist(&d->runs, &run, x->run_id, false, err);
	if (r == 0)
		r = execute_in(d, box, x, run.stop_fd, ret, err);
	corral_runs_delist(&d->runs, &run);
	corral_docker_release(d, box);
	return r;
}

int corral_docker_stop(struct corral_backend *b, const char *run_id, struct corral_error *err)
{
	return corral_runs_stop(&to_docker(b)->runs, run_id, err);
}
