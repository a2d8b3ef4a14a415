/* Way out: write to what was bound read-only, by any of the calls that change a file. */
/* Stopped by: a read-only mount (EROFS), which the guest cannot remount. Argument: a directory
 * bound read-only. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(ro_bind_written)
{
	const char *dir = run->argc ? run->argv[0] : "/victims";
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int file;

	if (fd < 0)
		return untried("%s is not there", dir);
	(void)mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND, NULL);
	CHECK(refused("open for writing", openat(fd, "file", O_WRONLY | O_CLOEXEC), EROFS));
	CHECK(refused("create", openat(fd, "new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600), EROFS));
	CHECK(refused("mkdir", mkdirat(fd, "newdir", 0700), EROFS));
	CHECK(refused("symlink", symlinkat("file", fd, "link"), EROFS));
	CHECK(refused("link", linkat(fd, "file", fd, "link", 0), EROFS, EPERM));
	CHECK(refused("rename", renameat(fd, "file", fd, "renamed"), EROFS));
	CHECK(refused("unlink", unlinkat(fd, "file", 0), EROFS));
	CHECK(refused("chmod", fchmodat(fd, "file", 0777, 0), EROFS, EPERM));
	CHECK(refused("chown", fchownat(fd, "file", getuid(), getgid(), 0), EROFS, EPERM));
	CHECK(refused("utimes", utimensat(fd, "file", NULL, 0), EROFS, EPERM, EACCES));
	file = openat(fd, "file", O_RDONLY | O_CLOEXEC);
	CHECK(refused("ftruncate", ftruncate(file, 0), EINVAL, EBADF));
	CHECK(refused("setxattr", fsetxattr(file, "user.x", "y", 1, 0), EROFS, EPERM));
	return HELD;
}
