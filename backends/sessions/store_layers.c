/*
 * Directories of layers. What is in "uN" is a guest's; these themselves, and what is made here
 * directly in them, no guest can reach.
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
#include "kernel/disk.h"
#include "kernel/keep.h"

void store_numbers_done(struct store_numbers *n)
{
	free(n->items);
	memset(n, 0, sizeof(*n));
}

int store_numbers_add(struct store_numbers *n, int64_t number, struct corral_error *err)
{
	if (n->n == n->size) {
		size_t size = n->size ? 2 * n->size : 8;
		int64_t *more = reallocarray(n->items, size, sizeof(*more));

		if (!more)
			return corral_error_set(err, ENOMEM, "out of memory");
		n->items = more;
		n->size = size;
	}
	n->items[n->n++] = number;
	return 0;
}

void store_layer_name(int64_t number, char ret[24])
{
	(void)snprintf(ret, 24, "%lld", (long long)number);
}

char *store_layer_path(const struct store_place *at, int64_t number, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/layers/%lld%s%s", at->path, (long long)number, *name ? "/" : "",
	             name) < 0)
		return NULL;
	return path;
}

void store_layer_freeze(int layer_fd, bool frozen)
{
	(void)fchmod(layer_fd, frozen ? 0555 : 0755);
}

int store_layer_lock(const struct store_place *at, int64_t number, int operation, const char *id,
                     int *ret_fd, struct corral_error *err)
{
	corral_autofd int fd = -1;
	char name[24];
	int r;

	store_layer_name(number, name);
	fd = openat(at->layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return corral_error_sys(err, errno, "open layer %s", name);
	r = corral_keep_lock(fd, operation);
	if (r == -EBUSY)
		return corral_error_set(err, EBUSY,
		                        "Session '%s' is running: end its sandbox first", id);
	if (r < 0)
		return corral_error_sys(err, -r, "lock layer %s", name);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

/* Whose the top directory of each part is to be, and its mode. */
struct attributes {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* The work directory is the user's; on disk are the ids that the guest sees, when root makes it. */
static void attributes_first(const struct corral_runtime *rt,
                             struct attributes ret[CORRAL_LAYER_PARTS])
{
	const struct corral_config *c = rt->sandbox;
	struct attributes *own = &ret[CORRAL_LAYER_PART_WORK_DIR];

	for (int i = 0; i < CORRAL_LAYER_PARTS; i++)
		ret[i] = (struct attributes) { geteuid(), getegid(), 0755 };
	if (geteuid() != 0 || c->ids == CORRAL_IDS_SINGLE)
		return;
	if (c->has_user) {
		own->uid = c->guest_uid;
		own->gid = c->guest_gid;
	} else if (rt->has_run_as_uid) {
		own->uid = rt->run_as_uid;
		own->gid = rt->run_as_uid;
	}
}

/* Those of a layer; where it has no such part (of a sandbox that did not come to be), ret stays. */
static void attributes_get(const struct store_place *at, int64_t number,
                           struct attributes ret[CORRAL_LAYER_PARTS])
{
	corral_autofd int fd = -1;
	char name[24];
	struct stat st;

	store_layer_name(number, name);
	fd = openat(at->layers_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < CORRAL_LAYER_PARTS; i++) {
		const char part[] = { 'u', (char)('0' + i), '\0' };

		if (fstatat(fd, part, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			ret[i] = (struct attributes) { st.st_uid, st.st_gid, st.st_mode & 07777 };
	}
}

static int part_make(int fd, const char *name, const struct attributes *a, struct corral_error *err)
{
	struct stat st;

	if (mkdirat(fd, name, 0700) < 0)
		return corral_error_sys(err, errno, "create '%s' of a layer", name);
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return corral_error_sys(err, errno, "look at '%s' of a layer", name);
	if ((st.st_uid != a->uid || st.st_gid != a->gid) &&
	    fchownat(fd, name, a->uid, a->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return corral_error_sys(err, errno, "give '%s' of a layer to user %u", name,
		                        a->uid);
	/* After the owner, whose change takes bits away; and whatever the umask. */
	if (fchmodat(fd, name, a->mode, 0) < 0)
		return corral_error_sys(err, errno, "chmod '%s' of a layer", name);
	return 0;
}

static int parts_make(int fd, const struct attributes a[CORRAL_LAYER_PARTS],
                      struct corral_error *err)
{
	const struct attributes work = { geteuid(), getegid(), 0755 };
	int r = 0;

	for (int i = 0; r == 0 && i < CORRAL_LAYER_PARTS; i++) {
		char name[] = { 'u', (char)('0' + i), '\0' };

		r = part_make(fd, name, &a[i], err);
		name[0] = 'w';
		if (r == 0)
			r = part_make(fd, name, &work, err);
	}
	return r;
}

static int dir_make(const struct store_place *at, int64_t number, int64_t parent,
                    const struct corral_runtime *rt, struct corral_error *err)
{
	struct attributes attributes[CORRAL_LAYER_PARTS];
	corral_autofd int fd = -1;
	char name[24];
	int r;

	store_layer_name(number, name);
	r = mkdirat(at->layers_fd, name, 0755) < 0 ? -errno : 0;
	/* Of somebody who was killed before the registry knew of it. */
	if (r == -EEXIST && (r = store_trash_layer(at, number)) == 0)
		r = mkdirat(at->layers_fd, name, 0755) < 0 ? -errno : 0;
	if (r < 0)
		return corral_error_sys(err, -r, "create layer %s", name);
	fd = openat(at->layers_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return corral_error_sys(err, errno, "open layer %s", name);
	store_layer_freeze(fd, false);
	/* As in the one beneath, so that no guest sees that another was put on it. */
	attributes_first(rt, attributes);
	if (parent)
		attributes_get(at, parent, attributes);
	r = parts_make(fd, attributes, err);
	if (r < 0)
		return r;
	/* On disk before the registry names it; a new directory is written with what is in it by
	 * every filesystem that takes overlays. */
	if (fsync(at->layers_fd) < 0)
		return corral_error_sys(err, errno, "write layer %s", name);
	return 0;
}

int store_layer_make(struct store_change *c, int64_t parent, const struct corral_runtime *rt,
                     int64_t *ret, struct corral_error *err)
{
	int64_t number = 0;
	int r;

	r = registry_one(c->store->registry, REGISTRY_LAYER_ADD,
	                 REGISTRY_VALUES(REGISTRY_L(parent)), &number, err);
	if (r < 0)
		return r;
	store_change_note(c, number);
	r = dir_make(c->place, number, parent, rt, err);
	/* A guest that filled its disk can all the same be taken back. */
	if (r == -ENOSPC && c->takes_reserve) {
		corral_disk_reserve_give(c->place->root_fd);
		r = dir_make(c->place, number, parent, rt, err);
	}
	c->is_full = r == -ENOSPC;
	if (c->is_full && c->place != &c->store->own)
		return corral_error_set(err, ENOSPC,
		                        "the session's own disk is full: remove files in it, or "
		                        "take it back (undo, restore)");
	if (r == 0)
		*ret = number;
	return r;
}

int store_layer_is_new(const struct store_place *at, int64_t number, int64_t parent,
                       const struct corral_runtime *rt, struct corral_error *err)
{
	corral_autofree char *path = store_layer_path(at, number, "");
	struct attributes before[CORRAL_LAYER_PARTS], now[CORRAL_LAYER_PARTS];

	if (!path)
		return corral_error_set(err, ENOMEM, "out of memory");
	attributes_first(rt, before);
	if (parent)
		attributes_get(at, parent, before);
	memcpy(now, before, sizeof(now));
	attributes_get(at, number, now);
	for (int i = 0; i < CORRAL_LAYER_PARTS; i++)
		if (before[i].uid != now[i].uid || before[i].gid != now[i].gid ||
		    before[i].mode != now[i].mode)
			return 0;
	return corral_layer_is_empty(path, err);
}

int store_layer_drop(struct store_change *c, int64_t number, struct corral_error *err)
{
	while (number) {
		int64_t parent = 0;
		int r = registry_one(c->store->registry, REGISTRY_LAYER_DROP,
		                     REGISTRY_VALUES(REGISTRY_N(number)), &parent, err);

		if (r <= 0)
			return r;
		store_change_note(c, number);
		number = parent;
	}
	return 0;
}

int store_layer_chain(struct corral_session_store *s, int64_t top, struct store_numbers *ret,
                      struct corral_error *err)
{
	struct registry *g = s->registry;
	int r = registry_ask(g, REGISTRY_LAYER_CHAIN, REGISTRY_VALUES(REGISTRY_N(top)), err);

	while (r == 0 && (r = registry_next(g, REGISTRY_LAYER_CHAIN, err)) > 0)
		r = store_numbers_add(ret, registry_number(g, REGISTRY_LAYER_CHAIN, 0), err);
	registry_stop(g, REGISTRY_LAYER_CHAIN);
	return r;
}
