/*
 * Sandboxes that are none: files in memory and commands that this header knows, counted, made to
 * fail and made to wait. Include after <cmocka.h>.
 */
#ifndef CORRAL_TESTS_SESSIONS_MANAGER_SUPPORT_H
#define CORRAL_TESTS_SESSIONS_MANAGER_SUPPORT_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/sessions/manager.h"
#include "backends/state.h"
#include "backends/wrap_ops.h"
#include "kernel/base/clock.h"

/* What all of them share. */
struct world {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int made, closed, starts, ends, alive, max_alive, forgotten;
	unsigned int waiting; /* in "wait", or where starts and ends are held up */
	bool hold_make, hold_start, hold_end;
	int fail_make, fail_start, fail_end; /* errno */
	const char *fail_end_of;             /* of that one alone */
	char order[64][CORRAL_SESSION_ID_SIZE];
	size_t n_order; /* ends of a live one, in their order */
};

/* One. Alive is what a sandbox is. */
struct fake {
	struct corral_wrap wrap;
	struct world *world;
	unsigned int counter; /* of the sandbox */
	bool alive, lost, go;
	unsigned int background;
};

static inline struct fake *to_fake(struct corral_backend *b)
{
	return (struct fake *)b;
}

static inline void hold_up(struct world *w, const bool *held)
{
	w->waiting++;
	(void)pthread_cond_broadcast(&w->changed);
	while (*held)
		(void)pthread_cond_wait(&w->changed, &w->lock);
	w->waiting--;
}

/* With the lock held. */
static inline int fake_wake(struct fake *f, struct corral_error *err)
{
	struct world *w = f->world;

	if (f->lost)
		return corral_error_set(err, EPIPE, "the fake is gone: start it again");
	if (f->alive)
		return 0;
	hold_up(w, &w->hold_start);
	if (w->fail_start)
		return corral_error_set(err, w->fail_start, "fake: no start");
	if (f->alive)
		return 0;
	f->alive = true;
	f->counter = 0;
	w->starts++;
	if (++w->alive > w->max_alive)
		w->max_alive = w->alive;
	return 0;
}

/* With the lock held. */
static inline void fake_die(struct fake *f)
{
	f->world->alive -= f->alive;
	f->alive = false;
	f->background = 0;
	(void)pthread_cond_broadcast(&f->world->changed);
}

static inline int fake_before(struct corral_wrap *wrap, const struct corral_wrap_call *call,
                              struct corral_error *err)
{
	struct fake *f = (struct fake *)wrap;
	int r;

	(void)call;
	(void)pthread_mutex_lock(&f->world->lock);
	r = fake_wake(f, err);
	(void)pthread_mutex_unlock(&f->world->lock);
	return r;
}

/* "count": how many in this sandbox; "wait": until go, or its end; "die". */
static inline int fake_execute(struct corral_backend *b, const struct corral_execute *x,
                               struct corral_executed *ret, struct corral_error *err)
{
	struct fake *f = to_fake(b);
	struct world *w = f->world;
	int r;

	(void)pthread_mutex_lock(&w->lock);
	r = fake_wake(f, err);
	if (r == 0 && !strcmp(x->command, "count")) {
		corral_buf_fmt(&ret->out, "%u", ++f->counter);
	} else if (r == 0 && !strcmp(x->command, "wait")) {
		w->waiting++;
		(void)pthread_cond_broadcast(&w->changed);
		while (f->alive && !f->go)
			(void)pthread_cond_wait(&w->changed, &w->lock);
		w->waiting--;
		if (!f->alive)
			r = corral_error_set(err, EPIPE, "the fake is gone: start it again");
	} else if (r == 0 && !strcmp(x->command, "die")) {
		fake_die(f);
		f->lost = true;
		r = corral_error_set(err, EPIPE, "the fake is gone: start it again");
	}
	ret->exit_code = 0;
	(void)pthread_mutex_unlock(&w->lock);
	return r;
}

static inline int fake_start(struct corral_backend *b, struct corral_error *err)
{
	struct fake *f = to_fake(b);
	int r;

	(void)pthread_mutex_lock(&f->world->lock);
	f->lost = false;
	r = fake_wake(f, err);
	(void)pthread_mutex_unlock(&f->world->lock);
	return r;
}

static inline bool fake_is_alive(struct corral_backend *b)
{
	struct fake *f = to_fake(b);
	bool alive;

	(void)pthread_mutex_lock(&f->world->lock);
	alive = f->alive;
	(void)pthread_mutex_unlock(&f->world->lock);
	return alive;
}

static inline int fake_end(struct corral_backend *b, struct corral_error *err)
{
	struct fake *f = to_fake(b);
	struct world *w = f->world;
	int r = 0;

	(void)pthread_mutex_lock(&w->lock);
	if (f->alive)
		hold_up(w, &w->hold_end);
	if (w->fail_end && (!w->fail_end_of || !strcmp(w->fail_end_of, b->id)))
		r = corral_error_set(err, w->fail_end, "fake: no end");
	if (r == 0) {
		w->ends += f->alive;
		if (f->alive && w->n_order < 64)
			(void)snprintf(w->order[w->n_order++], sizeof(w->order[0]), "%s", b->id);
		fake_die(f);
		f->lost = false;
	}
	(void)pthread_mutex_unlock(&w->lock);
	return r;
}

static inline int fake_stop(struct corral_backend *b, const char *run_id, struct corral_error *err)
{
	(void)run_id;
	(void)err;
	(void)pthread_mutex_lock(&to_fake(b)->world->lock);
	to_fake(b)->go = true;
	(void)pthread_cond_broadcast(&to_fake(b)->world->changed);
	(void)pthread_mutex_unlock(&to_fake(b)->world->lock);
	return 0;
}

static inline int fake_background_start(struct corral_backend *b, const char *command,
                                        struct corral_background *ret, struct corral_error *err)
{
	struct fake *f = to_fake(b);
	int r;

	(void)command;
	(void)pthread_mutex_lock(&f->world->lock);
	r = fake_wake(f, err);
	if (r == 0) {
		(void)snprintf(ret->shell_id, sizeof(ret->shell_id), "bg_%u", ++f->background);
		ret->running = true;
	}
	(void)pthread_mutex_unlock(&f->world->lock);
	return r;
}

static inline int fake_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                       struct corral_error *err)
{
	struct fake *f = to_fake(b);

	(void)err;
	(void)pthread_mutex_lock(&f->world->lock);
	ret->n = f->background;
	ret->items = ret->n ? calloc(ret->n, sizeof(*ret->items)) : NULL;
	for (size_t i = 0; i < ret->n; i++)
		ret->items[i].running = true;
	(void)pthread_mutex_unlock(&f->world->lock);
	return 0;
}

static inline int fake_background_kill_all(struct corral_backend *b, struct corral_error *err)
{
	(void)err;
	(void)pthread_mutex_lock(&to_fake(b)->world->lock);
	to_fake(b)->background = 0;
	(void)pthread_mutex_unlock(&to_fake(b)->world->lock);
	return 0;
}

static inline void fake_close(struct corral_backend *b)
{
	struct fake *f = to_fake(b);
	struct world *w = f->world;

	corral_backend_close(f->wrap.inner);
	(void)pthread_mutex_lock(&w->lock);
	fake_die(f);
	w->closed++;
	(void)pthread_mutex_unlock(&w->lock);
	free(f);
}

static inline int fake_make(void *ctx, const struct corral_session_make *what,
                            struct corral_backend **ret, struct corral_error *err)
{
	struct world *w = ctx;
	struct fake *f = calloc(1, sizeof(*f));
	struct corral_backend *files = NULL;
	struct corral_backend_ops *ops;
	int fails;

	(void)pthread_mutex_lock(&w->lock);
	hold_up(w, &w->hold_make);
	fails = w->fail_make;
	w->made += !fails;
	(void)pthread_mutex_unlock(&w->lock);
	if (fails) {
		free(f);
		return corral_error_set(err, fails, "fake: not made");
	}
	assert_non_null(f);
	assert_non_null(what->runtime);
	assert_int_equal(corral_state_backend_new(NULL, &files, err), 0);
	assert_int_equal(corral_wrap_init(&f->wrap, files, err), 0);
	ops = &f->wrap.ops;
	assert_int_equal(corral_backend_init(&f->wrap.base, ops, what->id, err), 0);
	f->world = w;
	f->wrap.before = fake_before;
	ops->kind = "fake";
	ops->caps = CORRAL_BACKEND_CAN_EXECUTE | CORRAL_BACKEND_CAN_BACKGROUND;
	ops->execute = fake_execute;
	ops->stop = fake_stop;
	ops->start = fake_start;
	ops->is_alive = fake_is_alive;
	ops->end = fake_end;
	ops->background_start = fake_background_start;
	ops->background_list = fake_background_list;
	ops->background_kill_all = fake_background_kill_all;
	ops->close = fake_close;
	*ret = &f->wrap.base;
	return 0;
}

static inline int fake_forget(void *ctx, const char *id, struct corral_error *err)
{
	struct world *w = ctx;

	(void)id;
	(void)err;
	(void)pthread_mutex_lock(&w->lock);
	w->forgotten++;
	(void)pthread_mutex_unlock(&w->lock);
	return 0;
}

static inline void world_init(struct world *w)
{
	*w = (struct world) { 0 };
	(void)pthread_mutex_init(&w->lock, NULL);
	corral_cond_init(&w->changed);
}

static inline void world_done(struct world *w)
{
	(void)pthread_mutex_destroy(&w->lock);
	(void)pthread_cond_destroy(&w->changed);
}

static inline void world_set(struct world *w, bool *what, bool value)
{
	(void)pthread_mutex_lock(&w->lock);
	*what = value;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

/* Until so many threads wait in the world. */
static inline void world_wait(struct world *w, unsigned int n)
{
	const struct timespec until = corral_clock_after(20000);
	int r = 0;

	(void)pthread_mutex_lock(&w->lock);
	while (w->waiting < n && r == 0)
		r = pthread_cond_timedwait(&w->changed, &w->lock, &until);
	(void)pthread_mutex_unlock(&w->lock);
	assert_int_equal(r, 0);
}

static inline unsigned int world_get(struct world *w, const unsigned int *what)
{
	unsigned int value;

	(void)pthread_mutex_lock(&w->lock);
	value = *what;
	(void)pthread_mutex_unlock(&w->lock);
	return value;
}

#endif
