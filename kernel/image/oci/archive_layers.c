/*
 * Theory of operation: the caller's thread and as many others as there are processors take one
 * layer after the other, in any order: layers do not know of each other. Whoever fails lays down
 * why, and the others see it at their next tick. Signals are the caller's.
 */
#include "kernel/image/oci/archive_layers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

#define THREADS_MAX 4

struct work {
	struct corral_image_store *s;
	char *const *blobs, *const *diff_ids;
	size_t n, next;
	const struct corral_unpack_options *o;
	pthread_mutex_t lock; /* of next, code and error */
	int code;
	struct corral_error error;
	pthread_mutex_t telling;
};

static int tell(void *ctx, const char *what, const char *doing, uint64_t current, uint64_t total)
{
	struct work *w = ctx;
	int r;

	(void)pthread_mutex_lock(&w->lock);
	r = w->code;
	(void)pthread_mutex_unlock(&w->lock);
	if (r < 0)
		return 1;
	if (!w->o->progress)
		return 0;
	(void)pthread_mutex_lock(&w->telling);
	r = w->o->progress->tell(w->o->progress->ctx, what, doing, current, total);
	(void)pthread_mutex_unlock(&w->telling);
	return r;
}

static bool next(struct work *w, size_t *ret)
{
	bool is;

	(void)pthread_mutex_lock(&w->lock);
	is = w->code == 0 && w->next < w->n;
	if (is)
		*ret = w->next++;
	(void)pthread_mutex_unlock(&w->lock);
	return is;
}

static int unpack(struct work *w, size_t i, struct corral_error *err)
{
	const struct corral_progress progress = { tell, w };
	struct corral_unpack_options o = *w->o;
	corral_autofd int fd = -1;
	int r;

	o.progress = &progress;
	if (corral_image_layer_is_there(w->s, w->diff_ids[i]))
		return 0;
	r = corral_image_blob_open(w->s, w->blobs[i], &fd, err);
	return r < 0 ? r : corral_unpack_layer(w->s, fd, w->diff_ids[i], &o, NULL, err);
}

static void *worker(void *ctx)
{
	struct work *w = ctx;
	struct corral_error err = { 0 };
	size_t i = 0;
	int r = 0;

	while (r == 0 && next(w, &i))
		r = unpack(w, i, &err);
	(void)pthread_mutex_lock(&w->lock);
	if (r < 0 && w->code == 0) {
		w->code = r;
		w->error = err;
	}
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

int corral_archive_layers_unpack(struct corral_image_store *s, char *const *blobs,
                                 char *const *diff_ids, size_t n,
                                 const struct corral_unpack_options *o, struct corral_error *err)
{
	struct work w = { .s = s, .blobs = blobs, .diff_ids = diff_ids, .n = n, .o = o };
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t wanted = processors > 1 ? (size_t)processors : 1;
	pthread_t threads[THREADS_MAX];
	sigset_t all, before;
	size_t started = 0;

	wanted = wanted > THREADS_MAX ? THREADS_MAX : wanted;
	wanted = wanted > n ? n : wanted;
	(void)pthread_mutex_init(&w.lock, NULL);
	(void)pthread_mutex_init(&w.telling, NULL);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	/* With fewer of them it takes longer, and that is all. */
	while (started + 1 < wanted && pthread_create(&threads[started], NULL, worker, &w) == 0)
		started++;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)worker(&w);
	while (started > 0)
		(void)pthread_join(threads[--started], NULL);
	(void)pthread_mutex_destroy(&w.telling);
	(void)pthread_mutex_destroy(&w.lock);
	if (w.code < 0 && err)
		*err = w.error;
	return w.code;
}
