/*
 * How layers become an image.
 *
 * The root is made in partial/, where whoever makes the same one waits for it. Then the disk is
 * waited for, once for the root and all layers that are new, and only what is on it gets a name:
 * the root, the image, what it is called, in this order. A root that no image is made of, because
 * somebody was killed in between, goes with the next that is removed or pruned.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/image/reference.h"
#include "kernel/image/store_state.h"
#include "kernel/layers/layers.h"

static int check(struct corral_image_store *s, const struct corral_image *i,
                 struct corral_error *err)
{
	bool is_built = i->built_for && *i->built_for;

	if (!store_hex(i->id))
		return corral_error_set(err, EINVAL, "'%.100s' is no digest (sha256:...)",
		                        i->id ? i->id : "");
	if (i->n_layers > CORRAL_IMAGE_LAYERS_MAX)
		return corral_error_set(err, E2BIG, "%zu layers are more than %d", i->n_layers,
		                        CORRAL_IMAGE_LAYERS_MAX);
	for (size_t k = 0; k < i->n_layers; k++) {
		const char *blob = i->blobs ? i->blobs[k] : "";

		if (!corral_image_layer_is_there(s, i->layers[k]))
			return corral_error_set(err, ENOENT, "layer '%.100s' is not there",
			                        i->layers[k]);
		if (*blob && !store_hex(blob))
			return corral_error_set(err, EINVAL, "'%.100s' is no digest (sha256:...)",
			                        blob);
	}
	if (!is_built && !store_is_there(s, STORE_BLOBS, store_hex(i->id)))
		return corral_error_set(err, ENOENT, "its manifest is not there");
	if ((i->config_id && *i->config_id) || !is_built) {
		const char *hex = store_hex(i->config_id);

		if (!hex || !store_is_there(s, STORE_BLOBS, hex))
			return corral_error_set(err, ENOENT, "its configuration is not there");
	}
	return 0;
}

static int root_id_fill(struct corral_image *i, struct corral_error *err)
{
	corral_autobuf struct corral_buf chain = CORRAL_BUF_INIT;
	char hex[STORE_HEX_SIZE];

	for (size_t k = 0; k < i->n_layers; k++)
		corral_buf_fmt(&chain, "%s\n", i->layers[k]);
	if (chain.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	store_hash(chain.data ? chain.data : "", chain.len, hex);
	free(i->root_id);
	i->root_id = strdup(hex);
	return i->root_id ? 0 : corral_error_set(err, ENOMEM, "out of memory");
}

static int sizes_fill(struct corral_image_store *s, struct corral_image *i,
                      struct corral_error *err)
{
	free(i->layer_bytes);
	i->layer_bytes = calloc(i->n_layers + 1, sizeof(*i->layer_bytes));
	if (!i->layer_bytes)
		return corral_error_set(err, ENOMEM, "out of memory");
	i->size_bytes = 0;
	for (size_t k = 0; k < i->n_layers; k++) {
		i->layer_bytes[k] = store_layer_bytes(s, store_hex(i->layers[k]));
		i->size_bytes += i->layer_bytes[k];
	}
	return 0;
}

/* ---- the root ---- */

static int root_fill(struct corral_image_store *s, const struct corral_image *i, int root_fd,
                     const char *partial, struct corral_image_bounds *bounds,
                     struct corral_error *err)
{
	corral_autobuf struct corral_buf list = CORRAL_BUF_INIT;
	corral_autofree char *tree = NULL;
	char *paths[CORRAL_IMAGE_LAYERS_MAX] = { NULL };
	int r = 0;

	for (size_t k = 0; r == 0 && k < i->n_layers; k++) {
		if (asprintf(&paths[k], "%s/layers/%s", s->path, store_hex(i->layers[k])) < 0) {
			paths[k] = NULL;
			r = corral_error_set(err, ENOMEM, "out of memory");
		}
		corral_buf_fmt(&list, "%s\n", i->layers[k]);
	}
	if (r == 0 && asprintf(&tree, "%s/partial/%s/tree", s->path, partial) < 0) {
		tree = NULL;
		r = corral_error_set(err, ENOMEM, "out of memory");
	}
	if (r == 0 && list.failed)
		r = corral_error_set(err, ENOMEM, "out of memory");
	if (r == 0)
		r = corral_image_flatten((const char *const *)paths, i->n_layers, tree, bounds,
		                         err);
	if (r == 0)
		r = store_file_write(root_fd, "layers", list.data ? list.data : "", list.len, err);
	if (r == 0)
		r = store_file_write(root_fd, "lock", "", 0, err);
	for (size_t k = 0; k < i->n_layers; k++)
		free(paths[k]);
	return r;
}

/* One in the making, unless it is there: *ret_fd is -1 then. */
static int root_make(struct corral_image_store *s, const struct corral_image *i,
                     const char *partial, struct corral_image_bounds *bounds, int *ret_fd,
                     struct corral_error *err)
{
	corral_autofd int fd = -1;
	int r;

	if (store_is_there(s, STORE_ROOTS, i->root_id))
		return 0;
	r = store_partial_take(s, partial, true, bounds ? &bounds->tick : NULL, &fd, err);
	if (r < 0)
		return r;
	if (store_is_there(s, STORE_ROOTS, i->root_id))
		return corral_layer_remove(s->dirs[STORE_PARTIAL], partial, err);
	if (r == 0)
		r = store_clear(fd, err);
	if (r >= 0)
		r = root_fill(s, i, fd, partial, bounds, err);
	if (r < 0) {
		(void)corral_layer_remove(s->dirs[STORE_PARTIAL], partial, NULL);
		return r;
	}
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

static int settle(struct corral_image_store *s, const struct corral_image *i, bool new_root,
                  struct corral_error *err)
{
	bool settled = !new_root;
	int r = 0;

	for (size_t k = 0; settled && k < i->n_layers; k++)
		settled = store_layer_is_settled(s, store_hex(i->layers[k]));
	if (settled)
		return 0;
	r = store_sync_all(s, err);
	for (size_t k = 0; r == 0 && k < i->n_layers; k++)
		r = store_layer_settle(s, store_hex(i->layers[k]), err);
	return r;
}

/* ---- the image ---- */

static int image_put(struct corral_image_store *s, struct corral_image *i, struct corral_error *err)
{
	corral_auto(corral_image_freep) struct corral_image *before = NULL;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	char partial[STORE_NAME_MAX];
	int r;

	if (store_image_read(s, store_hex(i->id), &before, NULL) == 0 &&
	    strcmp(before->root_id, i->root_id) == 0 &&
	    (!i->definition || !*i->definition || strcmp(before->definition, i->definition) == 0)) {
		i->stored_ms = before->stored_ms;
		return 0;
	}
	/* Those of its life before, if whoever removed it was killed. */
	r = store_names_clean(s, err);
	if (r < 0)
		return r;
	i->stored_ms = corral_wall_ms();
	r = store_image_write(i, &text, err);
	if (r < 0)
		return r;
	store_name_new(STORE_LOOSE_PREFIX, partial);
	r = store_file_write(s->dirs[STORE_PARTIAL], partial, text.data, text.len, err);
	if (r < 0)
		return r;
	fd = openat(s->dirs[STORE_PARTIAL], partial, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || (!s->unsynced && fsync(fd) < 0))
		return corral_error_sys(err, errno, "write '%.200s/partial/%s' to disk", s->path,
		                        partial);
	return store_name_it(s, partial, STORE_IMAGES, store_hex(i->id), err);
}

/* Makes the root where it is not there, and takes the lock with it there. */
static int root_and_lock(struct corral_image_store *s, const struct corral_image *i,
                         struct corral_image_bounds *bounds, int *ret_lock_fd,
                         struct corral_error *err)
{
	char partial[STORE_NAME_MAX];
	int r = 0;

	(void)snprintf(partial, sizeof(partial), "root-%s", i->root_id);
	while (r == 0) {
		corral_autofd int root_fd = -1, lock_fd = -1;

		r = root_make(s, i, partial, bounds, &root_fd, err);
		if (r == 0)
			r = settle(s, i, root_fd >= 0, err);
		if (r == 0)
			r = store_lock(s, "lock", LOCK_EX, &lock_fd, err);
		if (r == 0 && root_fd >= 0)
			r = store_name_it(s, partial, STORE_ROOTS, i->root_id, err);
		if (r < 0 && root_fd >= 0)
			(void)corral_layer_remove(s->dirs[STORE_PARTIAL], partial, NULL);
		/* One that was there may have gone with its last image meanwhile. */
		if (r == 0 && store_is_there(s, STORE_ROOTS, i->root_id)) {
			*ret_lock_fd = corral_take_fd(&lock_fd);
			break;
		}
	}
	return r;
}

static int commit(struct corral_image_store *s, struct corral_image *i, const char *full,
                  struct corral_image_bounds *bounds, struct corral_error *err)
{
	corral_autofd int lock_fd = -1;
	int r = check(s, i, err);

	if (r == 0)
		r = root_id_fill(i, err);
	if (r == 0)
		r = sizes_fill(s, i, err);
	if (r == 0)
		r = corral_image_bounds_check(bounds, i->size_bytes, 0, err);
	if (r == 0)
		r = root_and_lock(s, i, bounds, &lock_fd, err);
	/* Before the image is there, too: one that cannot have its name is none. */
	if (r == 0 && full)
		r = store_name_check(s, full, i->built_for, err);
	if (r == 0)
		r = image_put(s, i, err);
	if (r == 0 && full)
		r = store_name_put(s, full, store_hex(i->id), err);
	return r;
}

int corral_image_commit(struct corral_image_store *s, struct corral_image *i, const char *name,
                        struct corral_image_bounds *bounds, struct corral_error *err)
{
	corral_auto(store_names_done) struct store_names names = { NULL, 0 };
	corral_autofree char *full = NULL;
	corral_autofd int hold_fd = -1;
	int r = name ? corral_image_reference_full(name, &full, err) : 0;

	if (r == 0)
		r = corral_image_store_hold(s, &hold_fd, err);
	if (r == 0)
		r = commit(s, i, full, bounds, err);
	if (r == 0)
		r = store_names_read(s, &names, err);
	if (r == 0)
		r = store_names_give(&names, i, err);
	if (r < 0)
		return corral_error_wrap(err, r, "image '%.150s'", name ? name : i->id);
	return 0;
}
