#include "kernel/image/oci/unpack/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

#define STRICT  (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)
#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)

static int open_how(int root_fd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC | O_DIRECTORY),
		                .resolve = resolve };
	long fd = syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int place_directory(const struct place *p, const char *path, int flags)
{
	return open_how(p->root_fd, path, flags, STRICT);
}

/* Where a descriptor is, as /proc has it. */
static int path_of(int fd, char ret[NAME_SIZE], struct corral_error *err)
{
	char link[32];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, ret, NAME_SIZE);
	if (n < 0)
		return corral_error_sys(err, errno, "read '%s'", link);
	if (n >= NAME_SIZE)
		return corral_error_set(err, EINVAL,
		                        "a directory with a path of more than %u bytes",
		                        CORRAL_UNPACK_PATH_MAX);
	ret[n] = '\0';
	return 0;
}

int place_open(struct place *p, int root_fd, struct corral_error *err)
{
	p->root_fd = root_fd;
	p->parent_fd = -1;
	return path_of(root_fd, p->root_path, err);
}

static void cache_drop(struct place *p)
{
	corral_fd_closep(&p->parent_fd);
}

void place_close(struct place *p)
{
	cache_drop(p);
}

/* The root is at "/" of nothing that we know of, but its own path may be "/". */
static int real_of(const struct place *p, int fd, char ret[NAME_SIZE], struct corral_error *err)
{
	char path[NAME_SIZE];
	size_t len = strcmp(p->root_path, "/") == 0 ? 0 : strlen(p->root_path);
	int r = path_of(fd, path, err);

	if (r < 0)
		return r;
	if (strncmp(path, p->root_path, len) != 0 || (path[len] && path[len] != '/'))
		return corral_error_set(err, EINVAL, "a directory outside of the root");
	return name_clean(path + len, ret, err);
}

/* "a/b" and "c" in place: "a/b/c". */
static int path_push(char path[NAME_SIZE], const char *name, size_t len, struct corral_error *err)
{
	size_t at = strlen(path);

	if (at + len + 1 > CORRAL_UNPACK_PATH_MAX)
		return corral_error_set(err, EINVAL, "a path of more than %u bytes",
		                        CORRAL_UNPACK_PATH_MAX);
	if (at)
		path[at++] = '/';
	memcpy(path + at, name, len);
	path[at + len] = '\0';
	return 0;
}

/* One component further: *fd and real go on to it. */
static int step(struct place *p, int *fd, char real[NAME_SIZE], const char *name, bool make,
                struct corral_error *err)
{
	char next[NAME_SIZE], shown[128];
	struct stat st;
	bool made = false;
	int r, n;

	memcpy(next, real, strlen(real) + 1);
	r = path_push(next, name, strlen(name), err);
	if (r < 0)
		return r;
	if (fstatat(*fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT || !make)
			return corral_error_sys(err, errno, "'%s'", name_shown(next, shown));
		if (name_is_reserved(name))
			return corral_error_set(err, EINVAL,
			                        "'%s': directories are not named so in a layer",
			                        name_shown(next, shown));
		if (mkdirat(*fd, name, 0700) < 0)
			return corral_error_sys(err, errno, "make directory '%s'",
			                        name_shown(next, shown));
		made = true;
	} else if (S_ISLNK(st.st_mode)) {
		n = open_how(p->root_fd, next, O_PATH, IN_ROOT);
		if (n < 0)
			return corral_error_set(err, make || n != -ENOENT ? EINVAL : ENOENT,
			                        "'%s' is a symbolic link to no directory of its "
			                        "layer, and something is to lie in it",
			                        name_shown(next, shown));
		(void)close(*fd);
		*fd = n;
		return real_of(p, *fd, real, err);
	} else if (!S_ISDIR(st.st_mode)) {
		return corral_error_set(err, EINVAL,
		                        "'%s' is no directory, and something is to lie in it",
		                        name_shown(next, shown));
	}
	n = openat(*fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (n < 0)
		return corral_error_sys(err, errno, "open '%s'", name_shown(next, shown));
	(void)close(*fd);
	*fd = n;
	memcpy(real, next, strlen(next) + 1);
	return made && p->made ? p->made(p->ctx, real, err) : 0;
}

static int walk(struct place *p, const char *dir, bool make, int *ret_fd, char real[NAME_SIZE],
                struct corral_error *err)
{
	corral_autofd int fd = place_directory(p, "", O_PATH);
	char name[NAME_SIZE];

	if (fd < 0)
		return corral_error_sys(err, -fd, "open the root");
	real[0] = '\0';
	while (*dir) {
		size_t len = strcspn(dir, "/");
		int r;

		memcpy(name, dir, len);
		name[len] = '\0';
		r = step(p, &fd, real, name, make, err);
		if (r < 0)
			return r;
		dir += len + (dir[len] == '/');
	}
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

int place_find(struct place *p, const char *path, bool make, struct spot *ret,
               struct corral_error *err)
{
	const char *name = strrchr(path, '/');
	size_t len = name ? (size_t)(name - path) : 0;
	char dir[NAME_SIZE];
	int fd = -1, r;

	memcpy(dir, path, len);
	dir[len] = '\0';
	name = name ? name + 1 : path;
	if (p->parent_fd < 0 || strcmp(dir, p->asked) != 0) {
		cache_drop(p);
		fd = place_directory(p, dir, O_PATH);
		if (fd >= 0) {
			memcpy(p->real, dir, len + 1);
		} else {
			r = walk(p, dir, make, &fd, p->real, err);
			if (r < 0)
				return r;
		}
		p->parent_fd = fd;
		memcpy(p->asked, dir, len + 1);
	}
	ret->dir_fd = p->parent_fd;
	memcpy(ret->path, p->real, strlen(p->real) + 1);
	r = path_push(ret->path, name, strlen(name), err);
	if (r < 0)
		return r;
	/* A link may have led deeper than the name says. */
	r = name_clean(ret->path, dir, err);
	ret->name = ret->path + strlen(ret->path) - strlen(name);
	return r;
}

/* All in a directory; it is never deeper than CORRAL_UNPACK_DEPTH_MAX. */
static int empty(int fd_taken)
{
	DIR *d = fdopendir(fd_taken);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		(void)close(fd_taken);
		return r;
	}
	while (r == 0 && (errno = 0, e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0)
			continue;
		if (errno == EISDIR) {
			int fd = openat(dirfd(d), e->d_name,
			                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			r = fd < 0 ? -errno : empty(fd);
			if (r == 0 && unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) < 0)
				r = -errno;
		} else {
			r = -errno;
		}
	}
	if (r == 0 && errno)
		r = -errno;
	(void)closedir(d);
	return r;
}

int place_clear(struct place *p, const struct spot *s, bool for_directory, struct corral_error *err)
{
	char shown[128];
	struct stat st;
	int fd, r;

	if (fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
		               ? 0
		               : corral_error_sys(err, errno, "'%s'", name_shown(s->path, shown));
	if (S_ISDIR(st.st_mode) && for_directory)
		return 1;
	if (p->gone)
		p->gone(p->ctx, s->path);
	if (!S_ISDIR(st.st_mode)) {
		if (unlinkat(s->dir_fd, s->name, 0) < 0)
			return corral_error_sys(err, errno, "replace '%s'",
			                        name_shown(s->path, shown));
		return 0;
	}
	fd = openat(s->dir_fd, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : empty(fd);
	if (r == 0 && unlinkat(s->dir_fd, s->name, AT_REMOVEDIR) < 0)
		r = -errno;
	return r < 0 ? corral_error_sys(err, -r, "replace directory '%s'",
	                                name_shown(s->path, shown))
	             : 0;
}
