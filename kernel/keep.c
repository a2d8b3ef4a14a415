#include "kernel/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

static int part_make(int dir_fd, const char *path, const char *name, struct corral_error *err)
{
	struct stat st;

	if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
		return corral_error_sys(err, errno, "--keep '%s': create '%s'", path, name);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return corral_error_sys(err, errno, "--keep '%s': look at '%s'", path, name);
	if (!S_ISDIR(st.st_mode))
		return corral_error_set(
		        err, ENOTDIR,
		        "--keep '%s': '%s' in it is no directory: choose an empty one", path, name);
	return 0;
}

/* Upper and work directories: of the composed root, and of /usr. */
static const char *const parts[] = { "u0", "w0", "u1", "w1" };
/* What a root has from the first moment on. */
static const char *const roots[] = { "usr", "etc", "proc" };

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* Empty, or as a sandbox of this kind left it: nobody's home or root becomes a sandbox's by a slip
 * of the finger. */
static int contents_check(int dir_fd, const char *path, bool overlays, struct corral_error *err)
{
	/* A file description of its own, for its own position. */
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	bool empty = true, kept = false;
	const struct dirent *entry;

	if (!dir) {
		int code = errno;

		if (fd >= 0)
			(void)close(fd);
		return corral_error_sys(err, code, "--keep '%s'", path);
	}
	while (!kept && (entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		empty = false;
		kept = overlays ? is_one_of(entry->d_name, parts, CORRAL_COUNT(parts))
		                : is_one_of(entry->d_name, roots, CORRAL_COUNT(roots));
	}
	(void)closedir(dir);
	if (empty || kept)
		return 0;
	return corral_error_set(err, ENOTEMPTY,
	                        "--keep '%s': what is in it was not kept by a sandbox%s: choose an "
	                        "empty directory",
	                        path, overlays ? " of root's" : " of an ordinary user's");
}

int corral_keep_open(const char *path, bool overlays, int *ret_fd, struct corral_error *err)
{
	corral_autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "--keep '%s'", path);
	if (st.st_uid != geteuid())
		return corral_error_set(err, EPERM,
		                        "--keep '%s': it is not yours (its owner is %u, you are "
		                        "%u): choose a directory of your own, or chown it",
		                        path, st.st_uid, geteuid());
	if (st.st_mode & 022)
		return corral_error_set(err, EPERM,
		                        "--keep '%s': others may write to it: chmod go-w '%s'",
		                        path, path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return corral_error_set(err, EBUSY,
		                        "--keep '%s': another sandbox has it: end that one first",
		                        path);
	r = contents_check(fd, path, overlays, err);
	for (size_t i = 0; overlays && r == 0 && i < CORRAL_COUNT(parts); i++)
		r = part_make(fd, path, parts[i], err);
	if (r == 0)
		*ret_fd = corral_take_fd(&fd);
	return r;
}

void corral_keep_undo(int keep_fd)
{
	for (size_t i = 0; i < CORRAL_COUNT(parts); i++)
		(void)unlinkat(keep_fd, parts[i], AT_REMOVEDIR);
}
