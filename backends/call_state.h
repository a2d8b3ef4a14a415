/*
 * Inside scope "call": the sandboxes of its commands, and the thread that closes them.
 */
#ifndef CORRAL_BACKENDS_CALL_STATE_H
#define CORRAL_BACKENDS_CALL_STATE_H

#include <pthread.h>

#include "backends/call.h"
#include "backends/wrap_ops.h"

/* Of them wait to be closed; who comes then closes its own. */
#define CORRAL_CALL_CLOSING_MAX 16

/* Closes backends behind the caller's back, in their order. */
struct corral_call_closer {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	bool started, stopping;
	struct corral_backend *waiting[CORRAL_CALL_CLOSING_MAX];
	size_t n;
};
void corral_call_closer_init(struct corral_call_closer *l);
void corral_call_closer_take(struct corral_call_closer *l, struct corral_backend *b);
/* Until all are closed. */
void corral_call_closer_done(struct corral_call_closer *l);

/* A command or a terminal, with the sandbox of its own. */
struct corral_call_run {
	struct corral_call_run *next;
	const char *id;           /* NULL: nobody will ask for it */
	struct corral_backend *b; /* NULL: not made yet */
	unsigned int users;       /* who else is in b, so that it must not be closed */
	bool stopped, ended;
};

struct corral_call {
	struct corral_wrap wrap; /* around the one for files */
	int (*make)(void *ctx, struct corral_backend **ret, struct corral_error *err);
	void *ctx;
	struct corral_launcher *launcher;
	const struct corral_policy *policy; /* a share; NULL: made by somebody else */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct corral_call_run *first;
	bool closes_behind;
	struct corral_call_closer closer;
};

static inline struct corral_call *to_call(struct corral_backend *b)
{
	return (struct corral_call *)b;
}

/* call_run.c: enlists it and makes its sandbox; then it is to be finished. -EEXIST: one of that
 * name runs. */
int corral_call_begin(struct corral_call *c, struct corral_call_run *run, struct corral_error *err);
void corral_call_finish(struct corral_call *c, struct corral_call_run *run);
bool corral_call_is_stopped(struct corral_call *c, const struct corral_call_run *run);
int corral_call_stop(struct corral_call *c, const char *run_id, struct corral_error *err);
/* Every command's. */
int corral_call_end_all(struct corral_call *c, struct corral_error *err);

#endif
