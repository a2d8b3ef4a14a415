/*
 * What builds keep for later ones beneath cache/ (oci/build_cache.c): a directory for each that may
 * use it at a time, locked by the build that does. All of it may go at any time that none does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/files/names.h"
#include "kernel/image/store_state.h"
#include "kernel/layers/layers.h"

#define CACHES "cache"

struct caches {
	struct corral_image_store *s;
	const struct corral_image_prune_options *o;
	struct corral_image_removal *removed;
	int fd;
};

static int cache_remove(const struct caches *c, const char *name, struct corral_error *err)
{
	corral_autofree char *path = NULL;
	int r = corral_layer_remove(c->fd, name, err);

	if ((r != -EACCES && r != -EPERM) || !c->o->remove)
		return r;
	if (asprintf(&path, "%s/" CACHES, c->s->path) < 0) {
		path = NULL;
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	return c->o->remove(c->o->remove_ctx, path, name, err);
}

/* Its own times tell when it was used. */
static int cache_look(const struct caches *c, const char *name, struct corral_error *err)
{
	corral_autofd int fd = openat(c->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t bytes;
	struct stat st;
	int r;

	/* What is no directory is not a build's. One that a guest gave to another id and closed
	 * cannot be asked for its lock; it is of no use to a build either. */
	if (fd < 0 && errno != EACCES)
		return 0;
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		c->removed->n_caches_used++;
		return 0;
	}
	if (fstatat(c->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    corral_wall_ms() - (int64_t)st.st_mtim.tv_sec * 1000 < c->o->unused_ms)
		return 0;
	bytes = store_tree_bytes(c->fd, name);
	r = c->o->dry_run ? 0 : cache_remove(c, name, err);
	if (r < 0)
		return r;
	c->removed->n_caches++;
	c->removed->caches_bytes += bytes;
	return 0;
}

int store_caches_remove(struct corral_image_store *s, const struct corral_image_prune_options *o,
                        struct corral_image_removal *removed, struct corral_error *err)
{
	corral_autofd int fd = store_open_beneath(s->fd, CACHES, O_RDONLY | O_DIRECTORY);
	const struct caches c = { s, o, removed, fd };
	struct files_names names = { 0 };
	int r;

	if (fd == -ENOENT)
		return 0;
	r = fd < 0 ? fd : files_names_read(fd, NULL, &names);
	if (r < 0)
		return corral_error_sys(err, -r, "read '%.200s/" CACHES "'", s->path);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = cache_look(&c, names.v[i].name, err);
	files_names_done(&names);
	return r;
}
