/*
 * Theory of operation: a backend for files, in which no command runs, and one more for each
 * command, made when it begins and closed when it has ended. What the commands of several threads
 * share is the work directory, and a list by which others can end them.
 */
#include "backends/call.h"

#include <errno.h>
#include <stdlib.h>

#include "backends/call_state.h"
#include "backends/execute.h"
#include "backends/native.h"
#include "kernel/base/clock.h"

static int call_execute(struct corral_backend *b, const struct corral_execute *x,
                        struct corral_executed *ret, struct corral_error *err)
{
	struct corral_call *c = to_call(b);
	struct corral_call_run run = { .id = x->run_id };
	int r;

	/* Not worth a sandbox. */
	if (corral_execute_is_over(x, false, ret))
		return 0;
	r = corral_call_begin(c, &run, err);
	if (r < 0)
		return r;
	if (!corral_execute_is_over(x, corral_call_is_stopped(c, &run), ret))
		r = corral_backend_execute(run.b, x, ret, err);
	corral_call_finish(c, &run);
	return r;
}

static int call_stop(struct corral_backend *b, const char *run_id, struct corral_error *err)
{
	return corral_call_stop(to_call(b), run_id, err);
}

struct terminal_run {
	struct corral_call *call;
	struct corral_call_run run;
};

static void terminal_closed(void *ctx)
{
	struct terminal_run *t = ctx;

	corral_call_finish(t->call, &t->run);
	free(t);
}

static int call_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
                              struct corral_terminal **ret, struct corral_error *err)
{
	struct terminal_run *t = calloc(1, sizeof(*t));
	struct corral_terminal *inner = NULL;
	int r;

	if (!t)
		return corral_error_set(err, ENOMEM, "terminal: out of memory");
	t->call = to_call(b);
	r = corral_call_begin(t->call, &t->run, err);
	if (r < 0) {
		free(t);
		return r;
	}
	r = corral_backend_terminal_open(t->run.b, o, &inner, err);
	if (r < 0) {
		terminal_closed(t);
		return r;
	}
	return corral_terminal_follow_take(inner, terminal_closed, t, ret, err);
}

static bool call_is_alive(struct corral_backend *b)
{
	struct corral_call *c = to_call(b);
	bool runs;

	(void)pthread_mutex_lock(&c->lock);
	runs = c->first != NULL;
	(void)pthread_mutex_unlock(&c->lock);
	return runs || corral_backend_is_alive(c->wrap.inner);
}

static int call_end(struct corral_backend *b, struct corral_error *err)
{
	struct corral_call *c = to_call(b);
	int r = corral_call_end_all(c, err);
	int files = corral_backend_end(c->wrap.inner, r < 0 ? NULL : err);

	return r < 0 ? r : files;
}

static void call_close(struct corral_backend *b)
{
	struct corral_call *c = to_call(b);

	(void)call_end(b, NULL);
	corral_call_closer_done(&c->closer);
	corral_backend_close(c->wrap.inner);
	corral_policy_free((struct corral_policy *)(uintptr_t)c->policy);
	(void)pthread_mutex_destroy(&c->lock);
	(void)pthread_cond_destroy(&c->changed);
	free(c);
}

/* What is not there says so by its ability; everything that is not named here goes to files. */
static int call_init(struct corral_call *c, const char *id, struct corral_error *err)
{
	struct corral_backend_ops *ops = &c->wrap.ops;
	struct corral_backend *files = NULL;
	int r = c->make(c->ctx, &files, err);

	if (r < 0)
		return r;
	r = corral_wrap_init(&c->wrap, files, err);
	if (r == 0)
		r = corral_backend_init(&c->wrap.base, ops, id, err);
	if (r < 0) {
		corral_backend_close(files);
		return r;
	}
	ops->caps &= CORRAL_BACKEND_CAN_EXECUTE | CORRAL_BACKEND_CAN_TERMINAL |
	             CORRAL_BACKEND_CAN_ARCHIVE;
	ops->execute = call_execute;
	ops->stop = call_stop;
	ops->terminal_open = call_terminal_open;
	ops->is_alive = call_is_alive;
	ops->end = call_end;
	ops->close = call_close;
	(void)pthread_mutex_init(&c->lock, NULL);
	corral_cond_init(&c->changed);
	corral_call_closer_init(&c->closer);
	return 0;
}

static int make_native(void *ctx, struct corral_backend **ret, struct corral_error *err)
{
	const struct corral_call *c = ctx;

	return corral_native_sandbox_new(c->launcher, c->policy, NULL, ret, err);
}

int corral_call_sandbox_new(struct corral_launcher *launcher, const struct corral_policy *policy,
                            const char *id, struct corral_backend **ret, struct corral_error *err)
{
	struct corral_call *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "sandbox for each call: out of memory");
	c->launcher = launcher;
	c->policy = corral_policy_share(policy);
	c->make = make_native;
	c->ctx = c;
	r = call_init(c, id, err);
	if (r < 0) {
		corral_policy_free((struct corral_policy *)(uintptr_t)c->policy);
		free(c);
		return r;
	}
	*ret = &c->wrap.base;
	return 0;
}

int corral_call_backend_new(int (*make)(void *ctx, struct corral_backend **ret,
                                        struct corral_error *err),
                            void *ctx, const char *id, struct corral_backend **ret,
                            struct corral_error *err)
{
	struct corral_call *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "sandbox for each call: out of memory");
	c->make = make;
	c->ctx = ctx;
	/* A launcher wipes behind everybody's back; nobody else does. */
	c->closes_behind = true;
	r = call_init(c, id, err);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = &c->wrap.base;
	return 0;
}
