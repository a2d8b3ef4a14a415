/*
 * Trees taken away, however deep: from some depth on, the way back up is "..", checked to be the
 * directory that we came from, so that neither the stack nor the table of open files grows with the
 * depth. No link is followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/files/internal.h"

#define DEPTH_HELD 100 /* levels that are held open on the way down */

struct level {
	dev_t dev;
	ino_t ino;
	char name[256]; /* in the directory above */
};

/* Removes what is in fd but directories; the first of these comes back, "" when there is none. */
static int empty_level(int fd, const struct corral_files_stop *stop, char ret_dir[256])
{
	corral_auto(files_names_done) struct files_names names = { 0 };
	int r;

	ret_dir[0] = '\0';
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	r = files_names_read(fd, stop, &names);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++) {
		const char *name = names.v[i].name;

		if (names.v[i].type == DT_DIR) {
			/* An empty one goes at once. */
			if (unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
				continue;
			if (errno != ENOTEMPTY && errno != EEXIST)
				return -errno;
			if (!ret_dir[0])
				memcpy(ret_dir, name, strlen(name) + 1);
		} else if (unlinkat(fd, name, 0) < 0 && errno != ENOENT) {
			return -errno;
		}
		r = i % 64 == 63 ? files_stopped(stop, NULL) : 0;
		if (r < 0)
			return r;
	}
	return names.truncated && !ret_dir[0] ? -EAGAIN : 0;
}

static int go_down(int *fd, const char *name, unsigned int flags, struct level *ret)
{
	mode_t mode;
	int next = files_open_dir(*fd, name, flags & CORRAL_FILES_OPEN_CLOSED, &mode);
	struct stat st;

	if (next < 0)
		return next;
	/* Where we are now, to know it again. */
	if (fstat(*fd, &st) < 0) {
		(void)close(next);
		return -errno;
	}
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	memcpy(ret->name, name, strlen(name) + 1);
	(void)close(*fd);
	*fd = next;
	return 0;
}

static int go_up(int *fd, const struct level *level, bool top)
{
	/* The top need not be readable. */
	int next = openat(*fd, "..", (top ? O_PATH : O_RDONLY) | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (next < 0)
		return -errno;
	if (fstat(next, &st) < 0 || st.st_dev != level->dev || st.st_ino != level->ino) {
		(void)close(next);
		return -ESTALE; /* somebody moves the tree about */
	}
	(void)close(*fd);
	*fd = next;
	return unlinkat(*fd, level->name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_tree(int parent_fd, const char *name, unsigned int flags,
                       const struct corral_files_stop *stop)
{
	corral_autofd int fd = fcntl(parent_fd, F_DUPFD_CLOEXEC, 0);
	size_t depth = 0, size = 16;
	corral_autofree struct level *levels = calloc(size, sizeof(*levels));
	char next[256];
	int r;

	if (fd < 0)
		return -errno;
	if (!levels)
		return -ENOMEM;
	memcpy(next, name, strlen(name) + 1);
	do {
		if (next[0]) {
			if (depth == size) {
				struct level *more = reallocarray(levels, size *= 2, sizeof(*more));

				if (!more)
					return -ENOMEM;
				levels = more;
			}
			r = go_down(&fd, next, flags, &levels[depth]);
			if (r < 0)
				return r;
			depth++;
		} else {
			depth--;
			r = go_up(&fd, &levels[depth], !depth);
			if (r < 0)
				return r;
			if (!depth)
				break;
		}
		do {
			r = empty_level(fd, stop, next);
		} while (r == -EAGAIN);
		if (r == 0)
			r = files_stopped(stop, NULL);
	} while (r == 0);
	return r;
}

/* The usual case: one look at each directory. */
static int remove_dir(int parent_fd, const char *name, unsigned int flags,
                      const struct corral_files_stop *stop, unsigned int depth)
{
	corral_auto(files_names_done) struct files_names names = { 0 };
	corral_autofd int fd = -1;
	mode_t mode;
	int r;

	if (depth == DEPTH_HELD)
		return remove_tree(parent_fd, name, flags, stop);
	fd = files_open_dir(parent_fd, name, flags & CORRAL_FILES_OPEN_CLOSED, &mode);
	if (fd < 0)
		return fd == -ENOENT ? 0 : corral_take_fd(&fd);
	r = files_names_read(fd, stop, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		bool dir = names.v[i].type == DT_DIR;

		r = unlinkat(fd, names.v[i].name, dir ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
		if (dir && (r == -ENOTEMPTY || r == -EEXIST))
			r = remove_dir(fd, names.v[i].name, flags, stop, depth + 1);
		if (r == -ENOENT)
			r = 0;
		if (r == 0 && i % 64 == 63)
			r = files_stopped(stop, NULL);
	}
	if (r < 0)
		return r;
	if (names.truncated)
		return remove_tree(parent_fd, name, flags, stop);
	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int corral_files_remove(const struct corral_files *f, const char *path, unsigned int flags,
                        const struct corral_files_stop *stop, struct corral_error *err)
{
	struct files_parent parent;
	corral_autofd int fd = -1;
	struct stat st, root;
	int r;

	if (files_is_root(f, path, false))
		return corral_error_set(err, EBUSY, "'%s' is the root and stays", path);
	r = files_parent(f, path, 0, &parent);
	if (r == -EINVAL)
		return corral_error_set(err, EINVAL, "'%s' does not end with a name", path);
	if (r < 0)
		return files_fail(err, -r, path);
	fd = parent.fd;
	r = files_gate(stop, fd, parent.name, path, err);
	if (r < 0)
		return r;
	if (fstatat(fd, parent.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return files_fail(err, errno, path);
	if (fstat(f->root_fd, &root) == 0 && st.st_dev == root.st_dev && st.st_ino == root.st_ino)
		return corral_error_set(err, EBUSY, "'%s' is the root and stays", path);
	if (unlinkat(fd, parent.name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0)
		return 0;
	if (!S_ISDIR(st.st_mode) || !(flags & CORRAL_FILES_RECURSIVE) ||
	    (errno != ENOTEMPTY && errno != EEXIST))
		return files_fail(err, errno == EEXIST ? ENOTEMPTY : errno, path);
	r = remove_dir(fd, parent.name, flags, stop, 0);
	return r < 0 ? files_fail(err, -r, path) : 0;
}
