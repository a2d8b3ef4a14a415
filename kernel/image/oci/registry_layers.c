/*
 * Theory of operation: two kinds of threads beside the caller's, which only waits for them. Some
 * load: each takes the largest layer that nobody has, and lays it down loaded. Some unpack what is
 * loaded, in any order: layers do not know of each other until the image is made of them. Whoever
 * fails lays down why, and the others see at their next tick that all is over. Signals are the
 * caller's: our threads block them.
 */
#include "kernel/image/oci/registry_layers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* More would only share the processors. */
#define UNPACKERS_MAX 4
/* For one layer's unpacking, which tells as it likes. */
#define TELL_MS 100

enum layer_is { LAYER_MISSING, LAYER_LOADING, LAYER_LOADED, LAYER_UNPACKING, LAYER_DONE };

struct work;
struct layer {
	struct work *work;
	const struct corral_descriptor *descriptor;
	const char *diff_id;
	char name[CORRAL_REGISTRY_SHORT_SIZE];
	enum layer_is is;
	uint64_t told_ms;
	const char *told; /* which doing */
};

struct work {
	struct corral_registry_client *c;
	size_t server;
	struct corral_image_store *store;
	const struct corral_unpack_options *unpack;
	pthread_mutex_t lock; /* guards what follows, and each layer's `is` */
	pthread_cond_t changed;
	struct layer *layers; /* the largest first; each diff id once */
	size_t n;
	int code; /* negative: it is over, and error says why */
	struct corral_error error;
	pthread_mutex_t telling; /* one at a time; never taken inside lock */
};

void corral_registry_short(const char *digest, char ret[CORRAL_REGISTRY_SHORT_SIZE])
{
	const char *hex = strchr(digest, ':');

	hex = hex ? hex + 1 : digest;
	(void)memset(ret, 0, CORRAL_REGISTRY_SHORT_SIZE);
	memcpy(ret, hex, strnlen(hex, CORRAL_REGISTRY_SHORT_SIZE - 1));
}

static int work_code(struct work *w)
{
	int r;

	(void)pthread_mutex_lock(&w->lock);
	r = w->code;
	(void)pthread_mutex_unlock(&w->lock);
	return r;
}

/* The first one's reason counts: what the others say follows from it. */
static void work_fail(struct work *w, int r, const struct corral_error *why)
{
	(void)pthread_mutex_lock(&w->lock);
	if (!w->code) {
		w->code = r;
		w->error = *why;
	}
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

/* Not 0: it is over. */
static int tell(struct layer *l, const char *doing, uint64_t current, uint64_t total)
{
	const struct corral_progress *p = l->work->unpack->progress;
	uint64_t now = corral_now_ms();
	int r;

	if (work_code(l->work) < 0)
		return 1;
	if (!p || (l->told && strcmp(l->told, doing) == 0 && now - l->told_ms < TELL_MS &&
	           (current < total || !total)))
		return 0;
	l->told = doing;
	l->told_ms = now;
	(void)pthread_mutex_lock(&l->work->telling);
	r = p->tell(p->ctx, l->name, doing, current, total);
	(void)pthread_mutex_unlock(&l->work->telling);
	if (r)
		work_fail(l->work, -ECANCELED,
		          &(const struct corral_error) { ECANCELED, "canceled" });
	return r;
}

static int tell_loading(void *ctx, uint64_t current, struct corral_error *err)
{
	struct layer *l = ctx;

	return tell(l, "download", current, l->descriptor->size)
	               ? corral_error_set(err, ECANCELED, "canceled")
	               : 0;
}

static int tell_others(void *ctx, uint64_t current, struct corral_error *err)
{
	struct layer *l = ctx;

	return tell(l, "other", current, l->descriptor->size)
	               ? corral_error_set(err, ECANCELED, "canceled")
	               : 0;
}

/* What is unpacked knows less of itself. */
static int tell_unpacking(void *ctx, const char *what, const char *doing, uint64_t current,
                          uint64_t total)
{
	(void)what;
	(void)doing;
	return tell(ctx, "unpack", current, total);
}

static int load(struct layer *l, struct corral_registry_http *h, struct corral_error *err)
{
	const struct corral_registry_blob_wanted wanted = {
		.descriptor = l->descriptor,
		.server = l->work->server,
		.tell = tell_loading,
		.tell_others = tell_others,
		.ctx = l,
		.bounds = l->work->unpack->bounds,
	};

	/* Another process may have it in the making. */
	if (tell(l, "wait", 0, l->descriptor->size))
		return corral_error_set(err, ECANCELED, "canceled");
	return corral_registry_blob_pull(l->work->c, h, l->work->store, &wanted, err);
}

static int unpack(struct layer *l, struct corral_error *err)
{
	const struct corral_progress progress = { tell_unpacking, l };
	struct corral_unpack_options o = *l->work->unpack;
	corral_autofd int fd = -1;
	int r;

	o.progress = &progress;
	r = corral_image_blob_open(l->work->store, l->descriptor->digest, &fd, err);
	if (r == 0)
		r = corral_unpack_layer(l->work->store, fd, l->diff_id, &o, NULL, err);
	if (r < 0)
		return r;
	return tell(l, "done", l->descriptor->size, l->descriptor->size) ? -ECANCELED : 0;
}

/* A layer that is `from`, now `to`. NULL: there will be none any more. */
static struct layer *layer_take(struct work *w, enum layer_is from, enum layer_is to)
{
	struct layer *found = NULL;
	bool may_come = true;

	(void)pthread_mutex_lock(&w->lock);
	while (!found && may_come) {
		may_come = false;
		for (size_t i = 0; i < w->n && !w->code && !found; i++) {
			if (w->layers[i].is == from)
				found = &w->layers[i];
			may_come = may_come || w->layers[i].is < from;
		}
		if (!found && may_come)
			(void)pthread_cond_wait(&w->changed, &w->lock);
	}
	if (found)
		found->is = to;
	(void)pthread_mutex_unlock(&w->lock);
	return found;
}

static void layer_give(struct layer *l, enum layer_is is)
{
	(void)pthread_mutex_lock(&l->work->lock);
	l->is = is;
	(void)pthread_cond_broadcast(&l->work->changed);
	(void)pthread_mutex_unlock(&l->work->lock);
}

static void *loader(void *ctx)
{
	corral_auto(corral_registry_http_freep) struct corral_registry_http *h = NULL;
	struct work *w = ctx;
	struct corral_error err = { 0 };
	struct layer *l;
	int r = corral_registry_http_new(&w->c->http, &h, &err);

	while (r == 0 && (l = layer_take(w, LAYER_MISSING, LAYER_LOADING))) {
		r = load(l, h, &err);
		if (r == 0)
			layer_give(l, LAYER_LOADED);
	}
	if (r < 0)
		work_fail(w, r, &err);
	return NULL;
}

static void *unpacker(void *ctx)
{
	struct work *w = ctx;
	struct corral_error err = { 0 };
	struct layer *l;
	int r = 0;

	while (r == 0 && (l = layer_take(w, LAYER_LOADED, LAYER_UNPACKING))) {
		r = unpack(l, &err);
		if (r == 0)
			layer_give(l, LAYER_DONE);
	}
	if (r < 0)
		work_fail(w, r, &err);
	return NULL;
}

/* ---- all of them ---- */

static int by_size(const void *a, const void *b)
{
	uint64_t x = ((const struct layer *)a)->descriptor->size;
	uint64_t y = ((const struct layer *)b)->descriptor->size;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Those that are not there, each once. */
static int work_list(struct work *w, const struct corral_manifest *m, char *const *diff_ids,
                     uint64_t bytes_max, struct corral_error *err)
{
	uint64_t left = bytes_max;

	for (size_t i = 0; i < m->n_layers; i++) {
		struct layer *l = &w->layers[w->n];
		bool is_known = false;

		*l = (struct layer) { .work = w,
			              .descriptor = &m->layers[i],
			              .diff_id = diff_ids[i] };
		corral_registry_short(m->layers[i].digest, l->name);
		for (size_t k = 0; k < w->n && !is_known; k++)
			is_known = strcmp(w->layers[k].diff_id, diff_ids[i]) == 0;
		if (is_known)
			continue;
		/* Few grow when they are compressed, and none by much. */
		if (m->layers[i].size > left)
			return corral_error_set(
			        err, EFBIG,
			        "with layer %s of %llu bytes it is larger than the %llu bytes that "
			        "an image may have (--max-size)",
			        l->name, (unsigned long long)m->layers[i].size,
			        (unsigned long long)bytes_max);
		left -= m->layers[i].size;
		if (!corral_image_layer_is_there(w->store, diff_ids[i]))
			w->n++;
		else if (tell(l, "there", m->layers[i].size, m->layers[i].size))
			return corral_error_set(err, ECANCELED, "canceled");
	}
	qsort(w->layers, w->n, sizeof(*w->layers), by_size);
	return 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void work_run(struct work *w, unsigned int parallel)
{
	pthread_t threads[CORRAL_REGISTRY_PARALLEL_MAX + UNPACKERS_MAX];
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t n_loaders = least(least(parallel, CORRAL_REGISTRY_PARALLEL_MAX), w->n);
	size_t n_unpackers =
	        least(least(processors > 0 ? (size_t)processors : 1, UNPACKERS_MAX), w->n);
	sigset_t all, before;
	size_t n = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	for (; n < n_loaders + n_unpackers; n++) {
		int r = pthread_create(&threads[n], NULL, n < n_loaders ? loader : unpacker, w);
		struct corral_error why = { 0 };

		if (!r)
			continue;
		(void)corral_error_sys(&why, r, "start a thread");
		work_fail(w, -r, &why);
		break;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	while (n > 0)
		(void)pthread_join(threads[--n], NULL);
}

int corral_registry_layers_pull(struct corral_registry_client *c, size_t server,
                                struct corral_image_store *store,
                                const struct corral_manifest *manifest, char *const *diff_ids,
                                const struct corral_pull_options *o, struct corral_error *err)
{
	corral_autofree struct layer *layers =
	        calloc(manifest->n_layers ? manifest->n_layers : 1, sizeof(*layers));
	struct work w = {
		.c = c, .server = server, .store = store, .unpack = &o->unpack, .layers = layers
	};
	int r;

	if (!layers)
		return corral_error_set(err, ENOMEM, "out of memory");
	(void)pthread_mutex_init(&w.lock, NULL);
	(void)pthread_mutex_init(&w.telling, NULL);
	(void)pthread_cond_init(&w.changed, NULL);
	r = work_list(&w, manifest, diff_ids, o->unpack.bounds->limits.bytes_max, err);
	if (r == 0 && w.n)
		work_run(&w, o->parallel ? o->parallel : CORRAL_REGISTRY_PARALLEL);
	if (r == 0 && w.code < 0) {
		r = w.code;
		if (err)
			*err = w.error;
	}
	/* What others had begun is of no use to anybody either. */
	for (size_t i = 0; corral_image_bounds_is_full(r) && i < manifest->n_layers; i++)
		corral_image_blob_forget(store, manifest->layers[i].digest);
	(void)pthread_cond_destroy(&w.changed);
	(void)pthread_mutex_destroy(&w.telling);
	(void)pthread_mutex_destroy(&w.lock);
	return r;
}
