#include "backends/docker/build_once.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* How often who waits is asked whether it still wants to. */
#define WAIT_MS 500

struct build {
	struct build *next;
	const struct corral_docker_engine *engine;
	char *tag;
	unsigned int n_threads; /* the one that builds, and those that wait */
	bool is_done;
	struct corral_error error; /* its code is 0 when all is well */
	pthread_cond_t done;
};

/*
 * Of the process and not of an engine: this is about threads that know nothing of each other. Empty
 * whenever nothing is being built.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct build *builds;

/* Those that are done are in no list any more. */
static struct build *find(const struct corral_docker_engine *e, const char *tag)
{
	struct build *b = builds;

	while (b && (b->engine != e || strcmp(b->tag, tag) != 0))
		b = b->next;
	return b;
}

static struct build *add(const struct corral_docker_engine *e, const char *tag)
{
	struct build *b = calloc(1, sizeof(*b));

	if (b)
		b->tag = strdup(tag);
	if (!b || !b->tag) {
		free(b);
		return NULL;
	}
	b->engine = e;
	corral_cond_init(&b->done);
	b->next = builds;
	builds = b;
	return b;
}

static void drop(struct build *b)
{
	if (--b->n_threads > 0)
		return;
	(void)pthread_cond_destroy(&b->done);
	free(b->tag);
	free(b);
}

static void finish(struct build *b, int r, const struct corral_error *error)
{
	struct build **at = &builds;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	b->error = *error;
	b->error.code = -r;
	b->is_done = true;
	(void)pthread_cond_broadcast(&b->done);
}

/* With the lock, which is let go of meanwhile. 0 when it is done. */
static int wait_for(struct build *b, const struct corral_docker_progress *progress,
                    uint64_t deadline_ms, struct corral_error *err)
{
	char text[200];
	int stop;

	(void)snprintf(text, sizeof(text), "waiting for the build of %s", b->tag);
	while (!b->is_done) {
		struct timespec until = corral_clock_after(WAIT_MS);

		(void)pthread_cond_timedwait(&b->done, &lock, &until);
		if (b->is_done)
			break;
		if (corral_now_ms() >= deadline_ms)
			return corral_error_set(err, ETIMEDOUT,
			                        "the build of %s by another thread takes too long",
			                        b->tag);
		if (!progress)
			continue;
		(void)pthread_mutex_unlock(&lock);
		stop = progress->tell(progress->ctx, text, 0, 0);
		(void)pthread_mutex_lock(&lock);
		if (stop)
			return corral_error_set(err, ECANCELED, "canceled");
	}
	return 0;
}

static int lead(struct build *b, int (*build)(void *ctx, struct corral_error *err), void *ctx,
                struct corral_error *err)
{
	struct corral_error error = { 0 };
	int r;

	(void)pthread_mutex_unlock(&lock);
	r = build(ctx, &error);
	(void)pthread_mutex_lock(&lock);
	finish(b, r, &error);
	if (r < 0 && err)
		*err = error;
	return r;
}

/* 1: whoever built gave up, and it is somebody else's turn. */
static int follow(struct build *b, const struct corral_docker_progress *progress,
                  uint64_t deadline_ms, struct corral_error *err)
{
	int r = wait_for(b, progress, deadline_ms, err);

	if (r < 0)
		return r;
	if (b->error.code == ECANCELED || b->error.code == ETIMEDOUT)
		return 1;
	if (b->error.code && err)
		*err = b->error;
	return -b->error.code;
}

int corral_docker_build_once(const struct corral_docker_engine *e, const char *tag,
                             const struct corral_docker_progress *progress, int64_t timeout_ms,
                             int (*build)(void *ctx, struct corral_error *err), void *ctx,
                             struct corral_error *err)
{
	uint64_t deadline_ms = corral_now_ms() + (uint64_t)timeout_ms;
	int r = 1;

	(void)pthread_mutex_lock(&lock);
	while (r == 1) {
		struct build *b = find(e, tag);
		bool is_ours = !b;

		if (is_ours)
			b = add(e, tag);
		if (!b) {
			r = corral_error_set(err, ENOMEM, "out of memory");
			break;
		}
		b->n_threads++;
		r = is_ours ? lead(b, build, ctx, err) : follow(b, progress, deadline_ms, err);
		drop(b);
	}
	(void)pthread_mutex_unlock(&lock);
	return r;
}
