/* Way out: climb out of a bound directory with "..", also by a descriptor or a link of one's own.
 */
/* Stopped by: a bind mount's root has our root above it. Arguments: the directory, a file beside it
 * on the host. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(bind_mount_dotdot)
{
	struct stat root, top;
	int fd;

	if (run->argc < 2)
		return untried("no arguments");
	fd = open(run->argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return untried("%s is not there", run->argv[0]);
	for (int i = 0; i < 32; i++) {
		struct stat st;
		int up;

		CHECK(refused(run->argv[1], fstatat(fd, run->argv[1], &st, 0), ENOENT, EACCES));
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return untried("no way up");
		close(fd);
		fd = up;
	}
	if (stat("/", &root) < 0 || fstat(fd, &top) < 0 || root.st_ino != top.st_ino ||
	    root.st_dev != top.st_dev)
		return escaped("climbed past our root");
	return HELD;
}
