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

static struct corral_native_box *to_box(struct corral_box *box)
{
	return (struct corral_native_box *)box;
}

static int native_box_open(struct corral_backend *b, struct corral_box **ret,
                           struct corral_error *err)
{
	const struct corral_native *n = to_native(b);
	struct corral_native_box *box = calloc(1, sizeof(*box));
	int r;

	if (!box)
		return corral_error_set(err, ENOMEM, "open the sandbox: out of memory");
	r = corral_sandbox_open(n->launcher, n->policy, &box->sandbox, err);
	if (r < 0)
		free(box);
	else
		*ret = &box->base;
	return r;
}

static bool native_box_has_ended(struct corral_box *box)
{
	return !corral_sandbox_is_alive(to_box(box)->sandbox);
}

static void native_box_close(struct corral_backend *b, struct corral_box *box)
{
	(void)b;
	corral_sandbox_close(to_box(box)->sandbox, NULL);
}

static struct corral_boxes *native_boxes(struct corral_backend *b)
{
	return &to_native(b)->boxes;
}

static int native_start(struct corral_backend *b, struct corral_error *err)
{
	struct corral_native *n = to_native(b);
	struct corral_native_box *box;
	int r = -EPIPE;

	/* Twice: it may be dead, and nobody have noticed before. */
	for (int i = 0; i < 2 && r == -EPIPE; i++) {
		corral_boxes_begin_anew(&n->boxes);
		r = corral_native_acquire(n, &box, err);
	}
	if (r == 0)
		corral_native_release(n, box);
	return r;
}

static bool native_is_alive(struct corral_backend *b)
{
	struct corral_boxes *l = native_boxes(b);
	bool alive;

	pthread_mutex_lock(&l->lock);
	alive = l->box && !native_box_has_ended(l->box);
	pthread_mutex_unlock(&l->lock);
	return alive;
}

static int native_end(struct corral_backend *b, struct corral_error *err)
{
	struct corral_boxes *l = native_boxes(b);
	uint64_t last;
	struct corral_box *box = corral_boxes_take(l, &last);

	if (box) {
		corral_sandbox_kill_now(to_box(box)->sandbox);
		corral_boxes_release(l, box);
	}
	return corral_boxes_wait(l, last, err);
}

static void native_close(struct corral_backend *b)
{
	struct corral_native *n = to_native(b);

	(void)native_end(b, NULL);
	corral_policy_free((struct corral_policy *)(uintptr_t)n->policy);
	corral_boxes_done(&n->boxes);
	corral_runs_done(&n->runs);
	free(n);
}

void corral_native_set_policy(struct corral_backend *b, const struct corral_policy *policy)
{
	struct corral_native *n = to_native(b);

	corral_policy_free((struct corral_policy *)(uintptr_t)n->policy);
	n->policy = corral_policy_share(policy);
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
	ret->cpu_percent = corral_boxes_cpu_percent(&n->boxes, &box->base, u.group.cpu_usec);
	corral_native_release(n, box);
	return 0;
}

static const struct corral_box_ops native_box_ops = {
	.what = "sandbox",
	.gone = "the sandbox is gone, killed or out of memory, and what was in it as well",
	.backgrounds = &corral_native_background_ops,
	.open = native_box_open,
	.has_ended = native_box_has_ended,
	.close = native_box_close,
};

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
	.background_start = corral_boxes_background_start,
	.background_read = corral_boxes_background_read,
	.background_kill = corral_boxes_background_kill,
	.background_list = corral_boxes_background_list,
	.background_kill_all = corral_boxes_background_kill_all,
	.terminal_open = corral_native_terminal_open,
	.start = native_start,
	.is_alive = native_is_alive,
	.end = native_end,
	.pause = native_pause,
	.usage = native_usage,
	.boxes = native_boxes,
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
	corral_boxes_init(&n->boxes, &native_box_ops, &n->base);
	corral_runs_init(&n->runs);
	*ret = &n->base;
	return 0;
}
