/*
 * Fewer layers: what lies right beneath the topmost is put together, with links to the same files,
 * into one that only this session has. Others, and checkpoints, keep what they have; what nobody
 * has any more goes. The nearest are taken first, as the lowest is usually the largest and is to be
 * linked seldom.
 *
 * It grows in sessions/ID/merge (on the session's disk, where it has one: in "merge"), where nobody
 * but who has the session locked looks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/sessions/store_state.h"
#include "kernel/base/cleanup.h"

/* Layers that remain: the next merge comes after as many checkpoints as are missing. */
#define LAYERS_LEFT (CORRAL_SESSION_LAYERS_MERGE / 2)

/* What a guest made that cannot be merged: links without number, names without end. */
static bool is_layers_own(int r)
{
	return r == -EMLINK || r == -ENAMETOOLONG || r == -EFBIG;
}

/*
 * Which layer lay right beneath the topmost when merging was tried in vain: as long as that is so
 * it would be again, after much work.
 */
#define IN_VAIN "unmergeable"

static bool was_in_vain(const struct store_session *e)
{
	char name[24], said[24];
	ssize_t n = readlinkat(e->fd, IN_VAIN, said, sizeof(said));

	store_layer_name(e->parent, name);
	return n == (ssize_t)strlen(name) && memcmp(said, name, (size_t)n) == 0;
}

static void in_vain_note(const struct store_session *e)
{
	char name[24];

	store_layer_name(e->parent, name);
	(void)unlinkat(e->fd, IN_VAIN, 0);
	(void)!symlinkat(name, e->fd, IN_VAIN);
}

/*
 * items[0] to items[*n - 1], the topmost first, into sessions/ID/merge/NUMBER. Where one of them
 * cannot be merged, those above it are, and *n is how many these were.
 */
static int merge_all(const struct store_session *e, const int64_t *items, size_t *n,
                     char ret_name[24], struct corral_error *err)
{
	const struct store_place *at = store_place_of(e);
	corral_autofree char *upper = store_layer_path(at, items[0], "");

	for (size_t i = 1; i < *n; i++) {
		corral_autofree char *lower = store_layer_path(at, items[i], "");
		char *merged = NULL;
		int r;

		store_layer_name((int64_t)i, ret_name);
		if ((e->has_disk ? asprintf(&merged, "%s/" STORE_MERGE "/%s", at->path, ret_name)
		                 : asprintf(&merged, "%s/sessions/%s/" STORE_MERGE "/%s", at->path,
		                            e->id, ret_name)) < 0)
			merged = NULL;
		if (!upper || !lower || !merged) {
			free(merged);
			return corral_error_set(err, ENOMEM, "out of memory");
		}
		/* Beneath all of them is what the root is composed of. */
		r = corral_layer_merge(upper, lower, merged, true, err);
		free(upper);
		upper = merged;
		if (is_layers_own(r) && i > 1) {
			store_layer_name((int64_t)i - 1, ret_name);
			*n = i;
			return 0;
		}
		if (r < 0)
			return corral_error_wrap(err, r, "merge layers");
	}
	return 0;
}

/* The merged one gets its place, on what was beneath, and the topmost is put on it. */
static int merged_place(struct store_session *e, struct store_change *c, int merge_fd,
                        const char *name, const struct store_numbers *chain, size_t n,
                        struct corral_error *err)
{
	const struct store_place *at = store_place_of(e);
	struct registry *g = e->store->registry;
	int64_t below = n + 1 < chain->n ? chain->items[n + 1] : 0, number = 0, depth = 0;
	char to[24];
	int r = registry_one(g, REGISTRY_LAYER_ADD, REGISTRY_VALUES(REGISTRY_L(below)), &number,
	                     err);

	for (size_t i = 1; r >= 0 && i <= n; i++) {
		const struct registry_value *v =
		        REGISTRY_VALUES(REGISTRY_N(number), REGISTRY_N(chain->items[i]));

		r = registry_do(g, REGISTRY_COVERS_ADD, v, err);
		if (r >= 0)
			r = registry_do(g, REGISTRY_COVERS_INHERIT, v, err);
	}
	if (r >= 0)
		r = registry_do(g, REGISTRY_LAYER_PUT_ON,
		                REGISTRY_VALUES(REGISTRY_N(e->layer), REGISTRY_N(number)), err);
	if (r >= 0)
		r = store_layer_drop(c, chain->items[1], err);
	if (r >= 0)
		r = registry_one(g, REGISTRY_LAYER_DEPTH, REGISTRY_VALUES(REGISTRY_N(e->layer)),
		                 &depth, err);
	if (r < 0)
		return r;
	store_layer_name(number, to);
	store_change_note(c, number);
	r = store_trash_layer(at, number); /* of somebody who was killed */
	if (r == 0 && renameat(merge_fd, name, at->layers_fd, to) < 0)
		r = -errno;
	if (r == 0 && fsync(at->layers_fd) < 0)
		r = -errno;
	if (r < 0)
		return corral_error_sys(err, -r, "place layer %s", to);
	e->parent = number;
	e->depth = (unsigned int)depth;
	return 0;
}

static int chain_get(struct store_session *e, struct store_numbers *ret, struct corral_error *err)
{
	struct registry *g = e->store->registry;
	int r = registry_begin(g, REGISTRY_READ, err);

	if (r < 0)
		return r;
	r = store_layer_chain(e->store, e->layer, ret, err);
	registry_rollback(g);
	return r;
}

/* Beside the layers, which links do not leave. */
static int merge_dir(const struct store_session *e)
{
	return e->has_disk ? e->disk.root_fd : e->fd;
}

int store_merge_remove(const struct store_session *e)
{
	return store_trash_put(store_place_of(e), merge_dir(e), STORE_MERGE);
}

static int merge(struct store_session *e, const struct store_numbers *chain, size_t *n,
                 struct corral_error *err)
{
	store_autochange struct store_change change = { 0 };
	corral_autofd int merge_fd = -1;
	char name[24];
	int r;

	if (mkdirat(merge_dir(e), STORE_MERGE, 0700) < 0)
		return corral_error_sys(err, errno, "create 'sessions/%s/" STORE_MERGE "'", e->id);
	merge_fd =
	        openat(merge_dir(e), STORE_MERGE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (merge_fd < 0)
		return corral_error_sys(err, errno, "open 'sessions/%s/" STORE_MERGE "'", e->id);
	r = merge_all(e, chain->items + 1, n, name, err);
	/* All of its links are on disk before what they were made from goes. */
	if (r == 0 && syncfs(merge_fd) < 0)
		return corral_error_sys(err, errno, "write layers");
	/* As every layer is, whatever the umask. */
	if (r == 0 && fchmodat(merge_fd, name, 0755, 0) < 0)
		return corral_error_sys(err, errno, "chmod the merged layer");
	if (r == 0)
		r = store_change_begin(&change, e->store, store_place_of(e), err);
	if (r == 0)
		r = merged_place(e, &change, merge_fd, name, chain, *n, err);
	return r < 0 ? r : store_session_commit(e, &change, err);
}

int store_session_merge(struct store_session *e, unsigned int *ret_n, struct corral_error *err)
{
	store_autonumbers struct store_numbers chain = { 0 };
	corral_autofd int top_fd = -1;
	size_t n;
	int r;

	r = store_layer_lock(store_place_of(e), e->layer, LOCK_EX, e->id, &top_fd, err);
	if (r == 0)
		r = chain_get(e, &chain, err);
	if (r < 0)
		return r;
	if (chain.n <= LAYERS_LEFT + 1)
		return 0;
	if (was_in_vain(e))
		return corral_error_set(err, EMLINK,
		                        "session '%s': merge layers: one that a guest made has "
		                        "links without number, or names without end",
		                        e->id);
	/* The topmost, and one instead of these. */
	n = chain.n - LAYERS_LEFT;
	(void)store_merge_remove(e);
	r = merge(e, &chain, &n, err);
	(void)store_merge_remove(e);
	if (is_layers_own(r)) {
		in_vain_note(e);
		r = -EMLINK;
		if (err)
			err->code = EMLINK;
	}
	if (r == 0 && ret_n)
		*ret_n += (unsigned int)n;
	return r < 0 ? corral_error_wrap(err, r, "session '%s'", e->id) : 0;
}
