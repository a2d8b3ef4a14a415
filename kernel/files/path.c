/*
 * Where a path leads, seen from a view's root. Confined, the kernel resolves it (openat2(2)) where
 * it can; the walk below takes over where it cannot: without openat2, and for absolute links, which
 * the kernel refuses also when they lead back inside. The walk opens one component at a time
 * without following, so that whatever is renamed meanwhile, each step begins at a directory that
 * was found beneath the root.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/files/internal.h"

#define LINKS_MAX      40  /* as the kernel: more is -ELOOP */
#define WALK_DEPTH_MAX 512 /* directories held open by one walk */

int corral_files_open(int root_fd, unsigned int flags, struct corral_files **ret,
                      struct corral_error *err)
{
	struct corral_files *f;
	char proc[64];
	ssize_t n;

	f = calloc(1, sizeof(*f));
	if (!f)
		return corral_error_set(err, ENOMEM, "out of memory");
	f->flags = flags;
	f->root_fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (f->root_fd < 0) {
		int code = errno;

		free(f);
		return corral_error_sys(err, code, "open the root directory");
	}
	if (flags & CORRAL_FILES_CONFINED) {
		(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", f->root_fd);
		n = readlink(proc, f->root_path, sizeof(f->root_path) - 1);
		/* A root that is "/", or gone, has no name that helps. */
		if (n <= 1 || f->root_path[0] != '/' || n == (ssize_t)sizeof(f->root_path) - 1)
			n = 0;
		f->root_path[n] = '\0';
	}
	*ret = f;
	return 0;
}

void corral_files_close(struct corral_files *f)
{
	if (!f)
		return;
	(void)close(f->root_fd);
	free(f);
}

bool files_is_root(const struct corral_files *f, const char *path, bool search)
{
	if (path[0] == '/' && !search && !(f->flags & CORRAL_FILES_CONFINED))
		return false;
	for (; *path; path++) {
		if (*path == '/')
			continue;
		if (*path == '.' && (path[1] == '/' || !path[1]))
			continue;
		return false;
	}
	return true;
}

int files_fail(struct corral_error *err, int code, const char *path)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		return corral_error_set(err, ENOENT, "File '%s' not found", path);
	case EACCES:
		return corral_error_set(err, EACCES, "Permission denied for '%s'", path);
	case EISDIR:
		return corral_error_set(err, EISDIR, "'%s' is a directory", path);
	case EXDEV:
		return corral_error_set(err, EXDEV, "Path '%s' is outside the workspace", path);
	case ENOMEM:
		return corral_error_set(err, ENOMEM, "out of memory");
	case ECANCELED:
		return corral_error_set(err, ECANCELED, "cancelled");
	case ETIMEDOUT:
		return corral_error_set(err, ETIMEDOUT, "timed out");
	default:
		return corral_error_sys(err, code, "'%s'", path);
	}
}

void files_shown(struct corral_buf *out, const char *path, bool root)
{
	size_t len = root ? 0 : strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	corral_buf_add(out, path, len);
	if (len && path[len - 1] != '/')
		corral_buf_str(out, "/");
}

/* What an absolute link of a confined view says below the root; NULL when it leads out. */
static const char *below_root(const struct corral_files *f, const char *target)
{
	size_t len = strlen(f->root_path);

	if (!len || strncmp(target, f->root_path, len) != 0 || (target[len] && target[len] != '/'))
		return NULL;
	return target + len;
}

/* A walk from the root: the directories gone through, and what is still ahead. */
struct walk {
	const struct corral_files *f;
	int fds[WALK_DEPTH_MAX];
	size_t depth;
	unsigned int links;
	char ahead[2 * CORRAL_FILES_PATH_MAX];
};

static int walk_top(const struct walk *w)
{
	return w->depth ? w->fds[w->depth - 1] : w->f->root_fd;
}

static void walk_up(struct walk *w, size_t depth)
{
	while (w->depth > depth)
		(void)close(w->fds[--w->depth]);
}

/* The component is a link with this target: its text comes in front of what is ahead. */
static int walk_link(struct walk *w, const char *target, const char *rest)
{
	char ahead[sizeof(w->ahead)];
	int n;

	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (target[0] == '/') {
		target = below_root(w->f, target);
		if (!target)
			return -EXDEV;
		walk_up(w, 0);
	}
	n = snprintf(ahead, sizeof(ahead), "%s%s%s", target, *rest ? "/" : "", rest);
	if (n < 0 || (size_t)n >= sizeof(ahead))
		return -ENAMETOOLONG;
	memcpy(w->ahead, ahead, (size_t)n + 1);
	return 0;
}

/* Takes the next component of what is ahead; 1 and *ret_fd at the end. */
static int walk_step(struct walk *w, int open_flags, int *ret_fd)
{
	char name[256], target[CORRAL_FILES_PATH_MAX];
	const char *start = w->ahead + strspn(w->ahead, "/");
	size_t len = strcspn(start, "/");
	const char *rest = start + len + strspn(start + len, "/");
	bool last = !*rest, dir = start[len] == '/';
	ssize_t n;
	int fd;

	if (!len) {
		fd = openat(walk_top(w), ".", open_flags | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return -errno;
		*ret_fd = fd;
		return 1;
	}
	if (len >= sizeof(name))
		return -ENAMETOOLONG;
	memcpy(name, start, len);
	name[len] = '\0';
	if (!strcmp(name, "..") && !w->depth)
		return -EXDEV;
	if (!strcmp(name, "..") || !strcmp(name, ".")) {
		walk_up(w, w->depth - (name[1] == '.'));
		memmove(w->ahead, rest, strlen(rest) + 1);
		return 0;
	}
	n = readlinkat(walk_top(w), name, target, sizeof(target) - 1);
	if (n >= 0 && (!last || dir || !(open_flags & O_NOFOLLOW))) {
		target[n] = '\0';
		return walk_link(w, target, dir && last ? "." : rest);
	}
	if (n < 0 && errno != EINVAL)
		return -errno;
	if (last && !dir) {
		fd = openat(walk_top(w), name, open_flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return -errno;
		*ret_fd = fd;
		return 1;
	}
	if (w->depth == WALK_DEPTH_MAX)
		return -ENAMETOOLONG;
	fd = openat(walk_top(w), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	w->fds[w->depth++] = fd;
	memmove(w->ahead, rest, strlen(rest) + 1);
	return 0;
}

static int walk_open(const struct corral_files *f, const char *path, int open_flags)
{
	struct walk *w;
	int fd = -1, r = 0;

	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->f = f;
	w->depth = 0;
	w->links = 0;
	memcpy(w->ahead, path, strlen(path) + 1);
	while (r == 0)
		r = walk_step(w, open_flags, &fd);
	walk_up(w, 0);
	free(w);
	return r < 0 ? r : fd;
}

static int kernel_open(const struct corral_files *f, const char *path, int open_flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(open_flags | O_CLOEXEC | O_NOCTTY),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	/* O_PATH takes no other flags here. */
	if (open_flags & O_PATH)
		how.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	/* -EAGAIN: something was renamed meanwhile; the walk does not mind. */
	for (int i = 0; i < 8; i++) {
		fd = syscall(SYS_openat2, f->root_fd, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd < 0 ? -errno : (int)fd;
}

int files_open_at(const struct corral_files *f, const char *path, int open_flags)
{
	int fd;

	if (strlen(path) >= CORRAL_FILES_PATH_MAX)
		return -ENAMETOOLONG;
	if (!(f->flags & CORRAL_FILES_CONFINED)) {
		fd = openat(f->root_fd, *path ? path : ".", open_flags | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? -errno : fd;
	}
	path += strspn(path, "/");
	if (!(f->flags & CORRAL_FILES_NO_OPENAT2)) {
		fd = kernel_open(f, path, open_flags);
		if (fd != -ENOSYS && fd != -EPERM && fd != -EXDEV && fd != -EAGAIN)
			return fd;
	}
	return walk_open(f, path, open_flags);
}

/* "a/b/c//" into "a/b" and "c". */
static int split(const char *path, char *ret_dir, char *ret_name)
{
	size_t len = strlen(path), name;

	if (len >= CORRAL_FILES_PATH_MAX)
		return -ENAMETOOLONG;
	while (len && path[len - 1] == '/')
		len--;
	name = len;
	while (name && path[name - 1] != '/')
		name--;
	if (len - name > 255)
		return -ENAMETOOLONG;
	memcpy(ret_name, path + name, len - name);
	ret_name[len - name] = '\0';
	memcpy(ret_dir, path, name);
	ret_dir[name] = '\0';
	if (!ret_name[0] || !strcmp(ret_name, ".") || !strcmp(ret_name, ".."))
		return -EINVAL;
	return 0;
}

/* A last link's target as a path from the same root. */
static int through_link(const struct corral_files *f, const char *dir, const char *target,
                        char *ret_path)
{
	int n;

	if (target[0] != '/' || !(f->flags & CORRAL_FILES_CONFINED)) {
		n = snprintf(ret_path, CORRAL_FILES_PATH_MAX, "%s%s", target[0] == '/' ? "" : dir,
		             target);
		return n < 0 || n >= CORRAL_FILES_PATH_MAX ? -ENAMETOOLONG : 0;
	}
	target = below_root(f, target);
	if (!target)
		return -EXDEV;
	memcpy(ret_path, target, strlen(target) + 1);
	return 0;
}

int files_parent(const struct corral_files *f, const char *path, unsigned int flags,
                 struct files_parent *ret)
{
	char now[CORRAL_FILES_PATH_MAX], dir[CORRAL_FILES_PATH_MAX], target[CORRAL_FILES_PATH_MAX];

	for (unsigned int links = 0; links <= LINKS_MAX; links++) {
		corral_autofd int fd = -1;
		ssize_t n;
		int r;

		r = split(path, dir, ret->name);
		if (r < 0)
			return r;
		fd = files_open_at(f, dir, O_PATH | O_DIRECTORY);
		if (fd == -ENOENT && (flags & FILES_PARENT_MAKE)) {
			r = files_make_dirs(f, dir, &fd);
			if (r < 0)
				return r;
		}
		if (fd < 0)
			return corral_take_fd(&fd);
		n = -1;
		if (flags & FILES_PARENT_FOLLOW)
			n = readlinkat(fd, ret->name, target, sizeof(target) - 1);
		if (n < 0) {
			ret->fd = corral_take_fd(&fd);
			return 0;
		}
		target[n] = '\0';
		r = through_link(f, dir, target, now);
		if (r < 0)
			return r;
		path = now;
	}
	return -ELOOP;
}

/* Makes the directories of rest below fd, one by one. */
static int make_below(int *fd, const char *rest)
{
	while (*(rest += strspn(rest, "/"))) {
		size_t len = strcspn(rest, "/");
		char name[256];
		int next;

		if (len >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, rest, len);
		name[len] = '\0';
		rest += len;
		if (!strcmp(name, "."))
			continue;
		/* Below what did not exist a moment ago: as the kernel would say. */
		if (!strcmp(name, ".."))
			return -ENOENT;
		if (mkdirat(*fd, name, 0777) < 0 && errno != EEXIST)
			return -errno;
		next = openat(*fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		(void)close(*fd);
		*fd = next;
	}
	return 0;
}

int files_make_dirs(const struct corral_files *f, const char *path, int *ret_fd)
{
	corral_autofd int fd = -1;
	char part[CORRAL_FILES_PATH_MAX];
	size_t len = strlen(path);
	int r;

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (;;) {
		fd = files_open_at(f, part, O_PATH | O_DIRECTORY);
		if (fd != -ENOENT || !len || (len == 1 && part[0] == '/'))
			break;
		while (len && part[len - 1] == '/')
			len--;
		while (len && part[len - 1] != '/')
			len--;
		part[len] = '\0';
	}
	if (fd < 0)
		return corral_take_fd(&fd);
	r = make_below(&fd, path + len);
	if (r < 0)
		return r;
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

int files_open_regular(const struct corral_files *f, const char *path,
                       const struct corral_files_stop *stop, struct stat *st,
                       struct corral_error *err)
{
	corral_autofd int fd = files_open_at(f, path, O_RDONLY | O_NONBLOCK);
	int r;

	if (fd < 0) {
		int code = -corral_take_fd(&fd);

		/* A socket, or a device without a driver. */
		if (code == ENXIO)
			return corral_error_set(err, EINVAL, "'%s' is not a regular file", path);
		return files_fail(err, code, path);
	}
	if (fstat(fd, st) < 0)
		return files_fail(err, errno, path);
	if (S_ISDIR(st->st_mode))
		return files_fail(err, EISDIR, path);
	if (!S_ISREG(st->st_mode))
		return corral_error_set(err, EINVAL, "'%s' is not a regular file", path);
	r = files_gate(stop, fd, NULL, path, err);
	return r < 0 ? r : corral_take_fd(&fd);
}
