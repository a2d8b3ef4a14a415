#include "kernel/keep.h"

#include <errno.h>
#include <fcntl.h>
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

int corral_keep_open(const char *path, bool overlays, int *ret_fd, struct corral_error *err)
{
	static const char *const parts[] = { "u0", "w0", "u1", "w1" };
	corral_autofd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "--keep '%s'", path);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return corral_error_set(err, EPERM,
		                        "--keep '%s': it must be yours, and nobody else may write "
		                        "to it: chmod go-w",
		                        path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return corral_error_set(err, EBUSY,
		                        "--keep '%s': another sandbox has it: end that one first",
		                        path);
	for (size_t i = 0; overlays && r == 0 && i < CORRAL_COUNT(parts); i++)
		r = part_make(fd, path, parts[i], err);
	if (r == 0)
		*ret_fd = corral_take_fd(&fd);
	return r;
}
