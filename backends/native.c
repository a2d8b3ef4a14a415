#include "backends/native.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/execute.h"
#include "backends/native_box.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* How long the end of a sandbox waits for the calls that are in it. */
#define END_S 20

static void box_free(struct corral_native_box *box)
{
	corral_served_done(&box->files);
	corral_backgrounds_done(&box->backgrounds);
	corral_sandbox_close(box->sandbox, NULL);
	free(box);
}

void corral_native_release(struct corral_native *n, struct corral_native_box *box)
{
	bool last;

	pthread_mutex_lock(&n->lock);
	last = --box->refs == 0;
	pthread_mutex_unlock(&n->lock);
	if (!last)
		return;
	box_free(box);
	pthread_mutex_lock(&n->lock);
	n->n_boxes--;
	pthread_cond_broadcast(&n->changed);
	pthread_mutex_unlock(&n->lock);
}

/* Takes the backend's own hold off the box; with the lock held. Who gets it releases it. */
static struct corral_native_box *detach(struct corral_native *n)
{
	struct corral_native_box *box = n->box;

	n->box = NULL;
	return box;
}

/* With the lock held, which is let go while it is made. */
static int box_make(struct corral_native *n, struct corral_error *err)
{
	struct corral_native_box *box = calloc(1, sizeof(*box));
	int r;

	if (!box)
		return corral_error_set(err, ENOMEM, "open the sandbox: out of memory");
	n->opening = true;
	pthread_mutex_unlock(&n->lock);
	r = corral_sandbox_open(n->launcher, n->policy, &box->sandbox, err);
	pthread_mutex_lock(&n->lock);
	n->opening = false;
	pthread_cond_broadcast(&n->changed);
	if (r < 0) {
		free(box);
		return r;
	}
	corral_served_init(&box->files);
	corral_backgrounds_init(&box->backgrounds, &corral_native_background_ops);
	box->refs = 1;
	n->box = box;
	n->n_boxes++;
	return 0;
}

int corral_native_acquire(struct corral_native *n, struct corral_native_box **ret,
                          struct corral_error *err)
{
	struct corral_native_box *dead = NULL;
	int r = 0;

	pthread_mutex_lock(&n->lock);
	while (n->opening)
		pthread_cond_wait(&n->changed, &n->lock);
	if (n->box && !corral_sandbox_is_alive(n->box->sandbox)) {
		(void)snprintf(
		        n->lost, sizeof(n->lost),
		        "the sandbox is gone, killed or out of memory, and what was in it as well");
		dead = detach(n);
	}
	if (n->lost[0])
		r = corral_error_set(err, EPIPE, "%s: start it again", n->lost);
	else if (!n->box)
		r = box_make(n, err);
	if (r == 0) {
		n->box->refs++;
		*ret = n->box;
	}
	pthread_mutex_unlock(&n->lock);
	if (dead)
		corral_native_release(n, dead);
	return r;
}

struct corral_native_box *corral_native_find(struct corral_native *n)
{
	struct corral_native_box *box;

	pthread_mutex_lock(&n->lock);
	box = n->box;
	if (box)
		box->refs++;
	pthread_mutex_unlock(&n->lock);
	return box;
}

static int native_start(struct corral_backend *b, struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_native_box *box;
	int r = -EPIPE;

	/* Twice: it may be dead, and nobody have noticed before. */
	for (int i = 0; i < 2 && r == -EPIPE; i++) {
		pthread_mutex_lock(&n->lock);
		n->lost[0] = '\0';
		pthread_mutex_unlock(&n->lock);
		r = corral_native_acquire(n, &box, err);
	}
	if (r == 0)
		corral_native_release(n, box);
	return r;
}

static bool native_is_alive(struct corral_backend *b)
{
	struct corral_native *n = to_native(b);
	bool alive;

	pthread_mutex_lock(&n->lock);
	alive = n->box && corral_sandbox_is_alive(n->box->sandbox);
	pthread_mutex_unlock(&n->lock);
	return alive;
}

static int native_end(struct corral_backend *b, struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_native_box *box;
	struct timespec until;
	int r = 0;

	pthread_mutex_lock(&n->lock);
	while (n->opening)
		pthread_cond_wait(&n->changed, &n->lock);
	box = detach(n);
	n->lost[0] = '\0';
	pthread_mutex_unlock(&n->lock);
	if (box) {
		corral_sandbox_kill_now(box->sandbox);
		corral_native_release(n, box);
	}
	until = corral_clock_after(END_S * UINT64_C(1000));
	pthread_mutex_lock(&n->lock);
	while (n->n_boxes && r == 0)
		r = pthread_cond_timedwait(&n->changed, &n->lock, &until);
	r = n->n_boxes ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&n->lock);
	return r < 0 ? corral_error_set(err, ETIMEDOUT,
	                                "calls are still in the sandbox %d s after its end", END_S)
	             : 0;
}

static void native_close(struct corral_backend *b)
{
	struct corral_native *n = to_native(b);

	(void)native_end(b, NULL);
	corral_policy_free((struct corral_policy *)(uintptr_t)n->policy);
	(void)pthread_mutex_destroy(&n->lock);
	(void)pthread_cond_destroy(&n->changed);
	corral_runs_done(&n->runs);
	free(n);
}

static int native_execute(struct corral_backend *b, const struct corral_execute *x,
                          struct corral_executed *ret, struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_run run;
	struct corral_native_box *box;
	int r;

	r = corral_native_acquire(n, &box, err);
	if (r < 0)
		return r;
	r = corral_runs_enlist(&n->runs, &run, x->run_id, false, err);
	if (r == 0)
		r = corral_execute_in(box->sandbox, x, n->policy->env, run.stop_fd, ret, err);
	corral_runs_delist(&n->runs, &run);
	corral_native_release(n, box);
	return r;
}

static int native_stop(struct corral_backend *b, const char *run_id, struct corral_error *err)
{
	return corral_runs_stop(&to_native(b)->runs, run_id, err);
}

static int native_pause(struct corral_backend *b, bool paused, struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_native_box *box;
	int r = corral_native_acquire(n, &box, err);

	if (r < 0)
		return r;
	r = corral_sandbox_freeze(box->sandbox, paused, err);
	corral_native_release(n, box);
	return r;
}

static double percent(struct corral_native_box *box, uint64_t cpu_usec)
{
	uint64_t now = corral_now_nsec() / 1000, used, passed;
	double answer = -1;

	if (cpu_usec == UINT64_MAX)
		return -1;
	used = cpu_usec - box->cpu_usec;
	passed = now - box->cpu_at_usec;
	if (box->cpu_at_usec && passed && cpu_usec >= box->cpu_usec)
		answer = 100.0 * (double)used / (double)passed;
	box->cpu_usec = cpu_usec;
	box->cpu_at_usec = now;
	return answer;
}

static int native_usage(struct corral_backend *b, struct corral_usage *ret,
                        struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_sandbox_usage u;
	struct corral_native_box *box;
	int r = corral_native_acquire(n, &box, err);

	if (r < 0)
		return r;
	corral_sandbox_usage(box->sandbox, &u);
	*ret = (struct corral_usage) {
		.memory_bytes = u.group.memory_bytes,
		.memory_limit_bytes = u.limits.memory_bytes ? u.limits.memory_bytes : UINT64_MAX,
		.memory_peak_bytes = u.group.memory_peak_bytes,
		.cpu_usec = u.group.cpu_usec,
		.pids = u.group.pids,
		.pids_limit = u.limits.pids ? u.limits.pids : UINT64_MAX,
		.disk_bytes = u.disk_bytes,
		.disk_limit_bytes = u.limits.disk_bytes ? u.limits.disk_bytes : UINT64_MAX,
	};
	pthread_mutex_lock(&n->lock);
	ret->cpu_percent = percent(box, u.group.cpu_usec);
	pthread_mutex_unlock(&n->lock);
	corral_native_release(n, box);
	return 0;
}

static const struct corral_backend_ops native_ops = {
	.kind = "native",
	.caps = CORRAL_BACKEND_CAN_EXECUTE | CORRAL_BACKEND_CAN_BACKGROUND |
	        CORRAL_BACKEND_CAN_TERMINAL | CORRAL_BACKEND_CAN_PAUSE |
	        CORRAL_BACKEND_CAN_MEASURE | CORRAL_BACKEND_CAN_ARCHIVE,
	.close = native_close,
	.exists = corral_served_exists,
	.stat = corral_served_stat,
	.ls = corral_served_ls,
	.read = corral_served_read,
	.edit = corral_served_edit,
	.glob = corral_served_glob,
	.grep = corral_served_grep,
	.mkdir = corral_served_mkdir,
	.remove = corral_served_remove,
	.rename = corral_served_rename,
	.read_stream = corral_served_read_stream,
	.write_stream = corral_served_write_stream,
	.tar_out = corral_served_tar_out,
	.tar_in = corral_served_tar_in,
	.execute = native_execute,
	.stop = native_stop,
	.background_start = corral_native_background_start,
	.background_read = corral_native_background_read,
	.background_kill = corral_native_background_kill,
	.background_list = corral_native_background_list,
	.background_kill_all = corral_native_background_kill_all,
	.terminal_open = corral_native_terminal_open,
	.start = native_start,
	.is_alive = native_is_alive,
	.end = native_end,
	.pause = native_pause,
	.usage = native_usage,
	.visit_begin = corral_native_visit_begin,
	.visit_end = corral_native_visit_end,
};

int corral_native_sandbox_new(struct corral_launcher *launcher, const struct corral_policy *policy,
                              const struct corral_native_options *options,
                              struct corral_backend **ret, struct corral_error *err)
{
	struct corral_native *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return corral_error_set(err, ENOMEM, "native sandbox: out of memory");
	r = corral_backend_init(&n->base, &native_ops, options ? options->id : NULL, err);
	if (r < 0) {
		free(n);
		return r;
	}
	n->launcher = launcher;
	n->policy = corral_policy_share(policy);
	(void)pthread_mutex_init(&n->lock, NULL);
	corral_cond_init(&n->changed);
	corral_runs_init(&n->runs);
	*ret = &n->base;
	return 0;
}
