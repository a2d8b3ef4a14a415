/* Way out: a descriptor that the caller forgot to close. */
/* Stopped by: the guest has 0, 1 and 2 and no other, and none of them is a directory. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(inherited_fds)
{
	(void)run;
	for (int fd = 0; fd < 4096; fd++) {
		struct stat st;
		char path[64], target[256];
		ssize_t n;

		if (fstat(fd, &st) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		if (fd > 2)
			return escaped("descriptor %d is open: %s", fd, target);
		if (S_ISDIR(st.st_mode))
			return escaped("descriptor %d is the directory %s", fd, target);
	}
	return HELD;
}
