/*
 * What goes: names and images that somebody names, or that nobody needs, and whatever only they
 * needed. Decided and taken out of the way under the store's lock; what takes time, to remove whole
 * trees, comes afterwards, out of partial/, where others go on with it if we are killed.
 *
 * An image that cannot be read may need anything. As long as one is there, no layer goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/reference.h"
#include "kernel/image/store_state.h"

/* How long prune waits for those that make images. */
#define HOLD_MS      10000
#define HOLD_POLL_MS 50

struct sweep {
	struct corral_image_store *s;
	struct corral_images images; /* that stay */
	struct store_names names;
	size_t broken;
	bool dry_run;
	struct corral_image_removal *removed;
	struct corral_error *err;
};

void corral_image_removal_done(struct corral_image_removal *r)
{
	for (size_t i = 0; i < r->n_names; i++)
		free(r->names[i]);
	for (size_t i = 0; i < r->n_ids; i++)
		free(r->ids[i]);
	free(r->names);
	free(r->ids);
	*r = (struct corral_image_removal) { .names = NULL };
}

static int told(struct sweep *w, char ***list, size_t *n, const char *text)
{
	char **more = reallocarray(*list, *n + 1, sizeof(*more)), *copy = strdup(text);

	if (more)
		*list = more;
	if (!more || !copy) {
		free(copy);
		return corral_error_set(w->err, ENOMEM, "remove images: out of memory");
	}
	more[(*n)++] = copy;
	return 0;
}

static int unlink_one(struct sweep *w, enum store_dir dir, const char *name)
{
	if (w->dry_run || unlinkat(w->s->dirs[dir], name, 0) == 0 || errno == ENOENT)
		return 0;
	return corral_error_sys(w->err, errno, "remove '%.200s/%s/%s'", w->s->path,
	                        store_dir_name(dir), name);
}

static int name_remove(struct sweep *w, const struct store_name *name)
{
	int r = unlink_one(w, STORE_NAMES, name->file);

	return r < 0 ? r : told(w, &w->removed->names, &w->removed->n_names, name->name);
}

/* Whole or not at all: its names, which then lead nowhere, are behind it. */
static int image_unlink(struct sweep *w, const char *hex)
{
	int r = unlink_one(w, STORE_IMAGES, hex);

	for (size_t k = 0; r == 0 && k < w->names.n; k++)
		if (strcmp(w->names.items[k].hex, hex) == 0)
			r = name_remove(w, &w->names.items[k]);
	return r;
}

static int image_remove(struct sweep *w, size_t at)
{
	struct corral_image *i = w->images.items[at];
	int r = image_unlink(w, store_hex(i->id));

	if (r == 0)
		r = told(w, &w->removed->ids, &w->removed->n_ids, i->id);
	if (r < 0)
		return r;
	corral_image_free(i);
	memmove(&w->images.items[at], &w->images.items[at + 1],
	        (--w->images.n - at) * sizeof(struct corral_image *));
	return 0;
}

/* ---- what images need ---- */

static bool has_root(const struct sweep *w, const char *hex, const struct corral_image *but)
{
	for (size_t i = 0; i < w->images.n; i++)
		if (w->images.items[i] != but && strcmp(w->images.items[i]->root_id, hex) == 0)
			return true;
	return false;
}

static bool is_needed(const struct sweep *w, enum store_dir dir, const char *hex)
{
	for (size_t i = 0; i < w->images.n; i++) {
		const struct corral_image *image = w->images.items[i];

		if (dir == STORE_BLOBS &&
		    (strcmp(image->id + 7, hex) == 0 ||
		     (*image->config_id && strcmp(image->config_id + 7, hex) == 0)))
			return true;
		for (size_t k = 0; dir != STORE_ROOTS && k < image->n_layers; k++) {
			const char *text = dir == STORE_BLOBS ? image->blobs[k] : image->layers[k];

			if (*text && strcmp(text + 7, hex) == 0)
				return true;
		}
	}
	return dir == STORE_ROOTS && (has_root(w, hex, NULL) || store_root_is_used(w->s, hex));
}

static uint64_t bytes_of(const struct sweep *w, enum store_dir dir, const char *hex)
{
	struct stat st;

	if (dir == STORE_LAYERS)
		return store_layer_bytes(w->s, hex);
	if (dir == STORE_BLOBS &&
	    fstatat(w->s->dirs[STORE_BLOBS], hex, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return (uint64_t)st.st_blocks * 512;
	return 0;
}

static int sweep_dir(struct sweep *w, enum store_dir dir)
{
	corral_auto(store_list_done) struct store_list list = { 0 };
	int r = store_list(w->s, dir, store_is_hex, &list, w->err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		if (is_needed(w, dir, list.v[i]))
			continue;
		w->removed->bytes += bytes_of(w, dir, list.v[i]);
		if (dir == STORE_BLOBS)
			r = unlink_one(w, dir, list.v[i]);
		else if (!w->dry_run)
			r = store_trash(w->s, dir, list.v[i], w->err);
	}
	return r;
}

/* held: nobody makes an image meanwhile, of layers that are there already. */
static int sweep(struct sweep *w, bool held)
{
	/* Images are gone on disk before what they were made of. */
	int r = w->dry_run ? 0 : store_sync_dir(w->s, STORE_IMAGES, w->err);

	if (r < 0 || w->broken)
		return r;
	r = sweep_dir(w, STORE_ROOTS);
	if (r == 0 && held)
		r = sweep_dir(w, STORE_LAYERS);
	if (r == 0 && held)
		r = sweep_dir(w, STORE_BLOBS);
	return r;
}

static int sweep_open(struct sweep *w)
{
	int r = corral_images_list(w->s, &w->images, &w->broken, w->err);

	return r < 0 ? r : store_names_read(w->s, &w->names, w->err);
}

static void sweep_done(struct sweep *w)
{
	corral_images_done(&w->images);
	store_names_done(&w->names);
}

/* ---- remove ---- */

/* -EBUSY with what keeps it. What runs on it needs its root, and not the image itself. */
static int keeper_check(const struct sweep *w, const struct corral_image *i, const char *name,
                        struct corral_error *err)
{
	corral_autofree char *keeper = NULL;
	int r = store_pin_find(w->s, store_hex(i->id), &keeper, err);

	if (r < 0)
		return r;
	if (keeper)
		return corral_error_set(err, EBUSY, "image '%.150s' is kept by '%.200s'", name,
		                        keeper);
	if (!has_root(w, i->root_id, i) && store_root_is_used(w->s, i->root_id))
		return corral_error_set(err, EBUSY,
		                        "image '%.150s' is in use: a sandbox runs on it", name);
	return 0;
}

static size_t place_of(const struct sweep *w, const char *id)
{
	size_t i = 0;

	while (i < w->images.n && strcmp(w->images.items[i]->id, id) != 0)
		i++;
	return i;
}

/* The name that was said, if it was one; NULL for a digest or its beginning. */
static const struct store_name *name_said(const struct sweep *w, const char *full)
{
	for (size_t k = 0; full && k < w->names.n; k++)
		if (strcmp(w->names.items[k].name, full) == 0)
			return &w->names.items[k];
	return NULL;
}

static int remove_it(struct sweep *w, const char *name, const struct corral_image *i,
                     const char *full)
{
	const struct store_name *said = name_said(w, full);
	size_t at = place_of(w, i->id);
	int r;

	if (at == w->images.n)
		return corral_error_set(w->err, ENOENT, "image '%.150s' has just gone", name);
	if (said && i->n_names > 1)
		return name_remove(w, said);
	r = keeper_check(w, w->images.items[at], name, w->err);
	return r < 0 ? r : image_remove(w, at);
}

/* One whose JSON cannot be read, by its digest. */
static int remove_broken(struct sweep *w, const char *name, const char *hex)
{
	corral_autofree char *keeper = NULL;
	int r = store_pin_find(w->s, hex, &keeper, w->err);

	if (r < 0)
		return r;
	if (keeper)
		return corral_error_set(w->err, EBUSY, "image '%.150s' is kept by '%.200s'", name,
		                        keeper);
	r = image_unlink(w, hex);
	if (r == 0)
		r = told(w, &w->removed->ids, &w->removed->n_ids, name);
	if (r == 0)
		w->broken--;
	return r;
}

int corral_image_remove(struct corral_image_store *s, const char *name,
                        struct corral_image_removal *ret, struct corral_error *err)
{
	corral_auto(corral_image_removal_done) struct corral_image_removal removed = { 0 };
	corral_auto(sweep_done) struct sweep w = { .s = s, .removed = &removed, .err = err };
	corral_auto(corral_image_freep) struct corral_image *i = NULL;
	corral_autofree char *full = NULL;
	corral_autofd int hold_fd = -1, lock_fd = -1;
	const char *hex = store_hex(name);
	int r;

	(void)corral_image_reference_full(name, &full, NULL);
	/* Where images are made meanwhile, layers stay for whoever prunes. */
	(void)store_lock(s, "hold", LOCK_EX | LOCK_NB, &hold_fd, NULL);
	r = store_lock(s, "lock", LOCK_EX, &lock_fd, err);
	if (r < 0)
		return r;
	r = corral_image_find(s, name, &i, err);
	if (r == 0 || (r == -EBADMSG && hex)) {
		int opened = sweep_open(&w);

		if (opened < 0)
			r = opened;
		else
			r = r == 0 ? remove_it(&w, name, i, full) : remove_broken(&w, name, hex);
	}
	removed.is_busy = hold_fd < 0;
	if (r == 0)
		r = sweep(&w, !removed.is_busy);
	corral_fd_closep(&lock_fd);
	corral_fd_closep(&hold_fd);
	if (r < 0)
		return r;
	/* What is left of it goes with the next one. */
	(void)store_partial_clean(s, STORE_TRASH, NULL, NULL, NULL);
	*ret = removed;
	removed = (struct corral_image_removal) { .names = NULL };
	return 0;
}

void corral_image_store_sweep(struct corral_image_store *s)
{
	corral_auto(corral_image_removal_done) struct corral_image_removal removed = { 0 };
	corral_auto(sweep_done) struct sweep w = { .s = s, .removed = &removed };
	corral_autofd int hold_fd = -1, lock_fd = -1;

	if (store_lock(s, "hold", LOCK_EX | LOCK_NB, &hold_fd, NULL) < 0 ||
	    store_lock(s, "lock", LOCK_EX, &lock_fd, NULL) < 0 || sweep_open(&w) < 0)
		return;
	(void)sweep(&w, true);
	corral_fd_closep(&lock_fd);
	corral_fd_closep(&hold_fd);
	(void)store_partial_clean(s, STORE_TRASH, NULL, NULL, NULL);
}

/* ---- prune ---- */

/* Those that cannot be read and never will. */
static int broken_remove(struct sweep *w)
{
	corral_auto(store_list_done) struct store_list list = { 0 };
	int r = store_list(w->s, STORE_IMAGES, NULL, &list, w->err);

	for (size_t i = 0; r == 0 && i < list.n; i++) {
		corral_auto(corral_image_freep) struct corral_image *image = NULL;
		corral_autofree char *keeper = NULL;
		char id[STORE_HEX_SIZE + 8];
		int bad = store_is_hex(list.v[i]) ? store_image_read(w->s, list.v[i], &image, NULL)
		                                  : 0;

		if (bad != -EBADMSG)
			continue;
		r = store_pin_find(w->s, list.v[i], &keeper, w->err);
		if (r < 0 || keeper)
			continue;
		(void)snprintf(id, sizeof(id), "sha256:%s", list.v[i]);
		r = remove_broken(w, id, list.v[i]);
	}
	return r;
}

/* held: as for sweep(). What is made just now may be made of any that has a name. */
static bool is_wanted(const struct sweep *w, const struct corral_image *i,
                      const struct corral_image_prune_options *o, bool held)
{
	int64_t age = corral_wall_ms() - i->stored_ms;

	if ((i->n_names && !(o->all && held)) || age < o->unused_ms)
		return true;
	/* Pinned or in use; an answer that cannot be had is one as well. */
	return keeper_check(w, i, i->id, NULL) < 0 || store_root_is_used(w->s, i->root_id);
}

static int prune(struct sweep *w, const struct corral_image_prune_options *o, bool held)
{
	int r = sweep_open(w);

	if (r == 0)
		r = broken_remove(w);
	for (size_t i = 0; r == 0 && i < w->images.n;) {
		if (is_wanted(w, w->images.items[i], o, held))
			i++;
		else
			r = image_remove(w, i);
	}
	if (r == 0)
		r = sweep(w, held);
	if (r == 0 && !w->dry_run)
		r = store_names_clean(w->s, w->err);
	if (r == 0 && !w->dry_run)
		r = store_pins_clean(w->s, w->err);
	return r;
}

/* Those who make images go on for long, one after the other perhaps: *ret_fd stays as it is then.
 */
static int hold_try(struct corral_image_store *s, int *ret_fd, struct corral_error *err)
{
	const struct timespec pause = { .tv_nsec = HOLD_POLL_MS * 1000000l };
	uint64_t hold_ms = s->others_ms ? s->others_ms : HOLD_MS;
	int r = -EWOULDBLOCK;

	for (uint64_t waited = 0; r == -EWOULDBLOCK && waited <= hold_ms; waited += HOLD_POLL_MS) {
		if (waited)
			(void)nanosleep(&pause, NULL);
		r = store_lock(s, "hold", LOCK_EX | LOCK_NB, ret_fd, NULL);
	}
	if (r < 0 && r != -EWOULDBLOCK)
		return corral_error_sys(err, -r, "lock '%.200s/hold'", s->path);
	return r == -EWOULDBLOCK ? 0 : r;
}

int corral_image_prune(struct corral_image_store *s, const struct corral_image_prune_options *o,
                       struct corral_image_removal *ret, struct corral_error *err)
{
	corral_auto(corral_image_removal_done) struct corral_image_removal removed = { 0 };
	corral_auto(sweep_done) struct sweep w = {
		.s = s, .removed = &removed, .dry_run = o->dry_run, .err = err
	};
	corral_autofd int hold_fd = -1, lock_fd = -1;
	int r = hold_try(s, &hold_fd, err);

	if (r == 0)
		r = store_lock(s, "lock", LOCK_EX, &lock_fd, err);
	removed.is_busy = hold_fd < 0;
	if (r == 0)
		r = prune(&w, o, !removed.is_busy);
	if (r == 0 && !o->dry_run)
		r = store_partial_clean(s, STORE_LOOSE, NULL, NULL, err);
	corral_fd_closep(&lock_fd);
	if (r == 0)
		r = store_partial_clean(s, STORE_ABANDONED, o, &removed.bytes, err);
	if (r == 0 && o->caches)
		r = store_caches_remove(s, o, &removed, err);
	if (r < 0)
		return r;
	*ret = removed;
	removed = (struct corral_image_removal) { .names = NULL };
	return 0;
}
