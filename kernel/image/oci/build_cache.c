#include "kernel/image/oci/build_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/image/bounds.h"
#include "kernel/image/layer.h"
#include "kernel/image/oci/digest.h"
#include "kernel/layers/layers.h"
#include "kernel/mapped.h"
#include "policy/runtime_build.h"
#include "policy/runtime_catalogue.h"

#define HEX_KEPT 16
/*
 * Who owns it on disk, where root builds: the guest's root is that user there. Root itself will not
 * do: a program with capabilities that a guest left there would have those of the host
 * (kernel/source.c).
 */
#define OWNER 65534

static int own(int dir_fd, const char *name)
{
	return geteuid() == 0 ? fchownat(dir_fd, name, OWNER, OWNER, AT_SYMLINK_NOFOLLOW) : 0;
}

static int dir_make(int dir_fd, const char *name)
{
	if (mkdirat(dir_fd, name, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	return own(dir_fd, name) < 0 ? -errno : 0;
}

/* "archives/partial": each part a directory. */
static int path_make(int dir_fd, const char *path)
{
	corral_autofd int at = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);

	while (at >= 0 && *path) {
		char name[64];
		size_t len = strcspn(path, "/");
		int next, r;

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, path);
		r = dir_make(at, name);
		if (r < 0)
			return r;
		next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		(void)close(at);
		at = next;
		path += len;
		path += *path == '/';
	}
	return at < 0 ? -errno : 0;
}

/* Written anew for each build, whatever a guest made of it. */
static int apt_conf_write(int slot_fd, const char *guest_dir)
{
	const struct corral_runtime_cache *apt = corral_runtime_cache(CORRAL_PACKAGES_APT);
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	char name[64], dir[256];

	(void)snprintf(name, sizeof(name), "%s%s", apt->name, apt->suffix);
	(void)snprintf(dir, sizeof(dir), "%s/%s", guest_dir, apt->name);
	corral_runtime_apt_conf(dir, &text);
	if (text.failed || corral_layer_remove(slot_fd, name, NULL) < 0)
		return -EIO;
	fd = openat(slot_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len)
		return -EIO;
	return own(slot_fd, name) < 0 ? -errno : 0;
}

static int fill(int slot_fd, const char *guest_dir)
{
	int r = own(slot_fd, ".") < 0 ? -errno : 0;

	for (int m = 0; r == 0 && m < CORRAL_RUNTIME_MANAGERS; m++) {
		const struct corral_runtime_cache *c =
		        corral_runtime_cache((enum corral_package_manager)m);
		char path[128];

		r = path_make(slot_fd, c->name);
		for (const char *d = c->directories; r == 0 && *d; d += *d == ':') {
			size_t len = strcspn(d, ":");

			(void)snprintf(path, sizeof(path), "%s/%.*s", c->name, (int)len, d);
			r = path_make(slot_fd, path);
			d += len;
		}
	}
	return r == 0 ? apt_conf_write(slot_fd, guest_dir) : r;
}

static int caches_open(const char *store_path, bool create, int *ret_fd)
{
	corral_autofree char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/cache", store_path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

/* 1 when it is ours now, 0 when another has it. */
static int slot_take(int caches_fd, const char *caches_path, const char *name,
                     const char *guest_dir, struct corral_launcher *launcher, int *ret_fd)
{
	for (int tries = 0; tries < 3; tries++) {
		corral_autofd int fd = -1;
		struct stat ours, there;

		if (mkdirat(caches_fd, name, 0700) < 0 && errno != EEXIST)
			return -errno;
		fd = openat(caches_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno != EACCES)
			return -errno;
		if (fd < 0) {
			/* A guest gave it to another id and closed it: the next is made anew. */
			if (corral_mapped_remove(launcher, caches_path, name, NULL) < 0)
				return 0;
			continue;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? 0 : -errno;
		/* Removed by another, between the two. */
		if (fstat(fd, &ours) < 0 ||
		    fstatat(caches_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
		    ours.st_ino != there.st_ino)
			continue;
		if (fill(fd, guest_dir) == 0) {
			*ret_fd = corral_take_fd(&fd);
			return 1;
		}
		/* Not as a guest leaves it that wishes well. */
		if (corral_mapped_remove(launcher, caches_path, name, NULL) < 0)
			return 0;
	}
	return 0;
}

/* Whether it is the built-in one of its name, and no other that gave itself that. */
static bool is_built_in(const struct corral_runtime *rt)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *own = NULL;
	char theirs[CORRAL_RUNTIME_DEFINITION_SIZE], ours[CORRAL_RUNTIME_DEFINITION_SIZE];

	return !rt->path && corral_runtime_get(rt->name, &own, NULL) == 0 &&
	       corral_runtime_definition(own, NULL, ours, NULL) == 0 &&
	       corral_runtime_definition(rt, NULL, theirs, NULL) == 0 && !strcmp(ours, theirs);
}

/* Of this runtime on this base alone: what a build leaves there, the next one takes its word for.
 * Whoever describes one gives it any name, so that where it is from counts, too. Those of the
 * catalogue are one: its files are root's or the caller's (policy/runtime_catalogue.c: trust()), as
 * the store is the caller's alone, and of one name only one is in force. */
static void key_make(const struct corral_runtime *rt, struct corral_buf *ret)
{
	corral_autofree char *real = rt->path ? realpath(rt->path, NULL) : NULL;

	corral_buf_fmt(ret, "%s\n%s\n", rt->name, rt->base_image);
	if (rt->path)
		corral_buf_fmt(ret, "file %s", real ? real : rt->path);
	else
		corral_buf_str(ret, is_built_in(rt) ? "built-in" : "described");
}

int build_cache_take(const char *store_path, const struct corral_runtime *rt, const char *guest_dir,
                     struct corral_launcher *launcher, struct build_cache *ret,
                     struct corral_error *err)
{
	corral_autobuf struct corral_buf key = CORRAL_BUF_INIT, path = CORRAL_BUF_INIT;
	corral_autofd int caches_fd = -1;
	char digest[CORRAL_DIGEST_SIZE], name[64];
	int r = caches_open(store_path, true, &caches_fd);

	if (r < 0)
		return corral_error_sys(err, -r, "open the store's cache");
	key_make(rt, &key);
	corral_buf_fmt(&path, "%s/cache", store_path);
	if (key.failed || path.failed)
		return corral_error_set(err, ENOMEM, "out of memory");
	corral_digest_of(key.data, key.len, digest);
	for (int i = 0; i < BUILD_CACHE_SLOTS; i++) {
		corral_autofd int fd = -1;

		(void)snprintf(name, sizeof(name), "%.*s-%d", HEX_KEPT, strchr(digest, ':') + 1, i);
		r = slot_take(caches_fd, path.data, name, guest_dir, launcher, &fd);
		if (r < 0)
			return corral_error_sys(err, -r, "take '%s' of the store's cache", name);
		if (r == 0)
			continue;
		if (asprintf(&ret->path, "%s/cache/%s", store_path, name) < 0) {
			ret->path = NULL;
			return corral_error_set(err, ENOMEM, "out of memory");
		}
		ret->fd = corral_take_fd(&fd);
		return 0;
	}
	return 0;
}

/* Its own times are what tells when it was used. */
static bool is_old(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && time(NULL) - st.st_mtim.tv_sec > BUILD_CACHE_AGE_S;
}

static void old_remove(int caches_fd, struct corral_launcher *launcher, const char *caches_path)
{
	int fd = openat(caches_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!dir && fd >= 0)
		(void)close(fd);
	while (dir && (e = readdir(dir))) {
		corral_autofd int slot = -1;

		if (e->d_name[0] == '.')
			continue;
		slot = openat(caches_fd, e->d_name,
		              O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* Closed by a guest under another id; if that still runs, the loss is its own. */
		if (slot < 0 && errno == EACCES)
			(void)corral_mapped_remove(launcher, caches_path, e->d_name, NULL);
		if (slot >= 0 && is_old(slot) && flock(slot, LOCK_EX | LOCK_NB) == 0)
			(void)corral_mapped_remove(launcher, caches_path, e->d_name, NULL);
	}
	if (dir)
		(void)closedir(dir);
}

void build_cache_give(struct build_cache *c, struct corral_launcher *launcher,
                      const char *store_path)
{
	const struct corral_image_limits limits = { BUILD_CACHE_BYTES_MAX, BUILD_CACHE_FILES_MAX };
	corral_autofree char *caches_path = NULL;
	struct corral_image_bounds bounds;
	corral_autofd int caches_fd = -1;
	uint64_t bytes = 0, files = 0;

	if (!c->path)
		return;
	(void)futimens(c->fd, NULL);
	corral_image_bounds_init(&bounds, &limits, -1);
	if (asprintf(&caches_path, "%s/cache", store_path) < 0)
		caches_path = NULL;
	if (caches_path && caches_open(store_path, false, &caches_fd) == 0) {
		if (corral_image_tree_usage(c->path, &bounds, &bytes, &files, NULL) < 0)
			(void)corral_mapped_remove(launcher, caches_path, strrchr(c->path, '/') + 1,
			                           NULL);
		old_remove(caches_fd, launcher, caches_path);
	}
	corral_fd_closep(&c->fd);
	free(c->path);
	c->path = NULL;
}
