/* Way out: chroot deeper while holding a directory outside of it, then climb. */
/* Stopped by: chroot is EPERM; the root is a mount of its own by pivot_root, so nothing lies above
 * it. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(chroot_breakout)
{
	struct stat before, after;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)run;
	CHECK(refused("chroot(/tmp)", chroot("/tmp"), EPERM));
	(void)fstat(fd, &before);
	(void)fchdir(fd);
	for (int i = 0; i < 64; i++)
		(void)chdir("..");
	if (stat(".", &after) < 0 || before.st_ino != after.st_ino || before.st_dev != after.st_dev)
		return escaped("above / there is another directory");
	return HELD;
}
