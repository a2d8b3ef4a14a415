/* Way out: overwrite a program of the host that is visible inside: our own, the shell, a library.
 */
/* Stopped by: what comes from the host is mounted read-only, and reopening by /proc/self/fd changes
 * nothing. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(proc_self_exe_overwrite)
{
	static const char *const programs[] = { "/proc/self/exe", "/usr/bin/env", "/bin/sh" };
	char again[64], dir[300];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 32);
	int fd;

	(void)run;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct statvfs fs;

		/* The overlay's copy of /usr may be written: it is the guest's own. */
		if (i && (statvfs(programs[i], &fs) < 0 || !(fs.f_flag & ST_RDONLY)))
			continue;
		/* The host's own are not the guest's by their owner either. */
		CHECK(refused(programs[i], open(programs[i], O_WRONLY | O_CLOEXEC), ETXTBSY, EROFS,
		              i ? EACCES : EROFS, ENOENT));
	}
	fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	CHECK(refused(again, open(again, O_RDWR | O_CLOEXEC), ETXTBSY, EROFS));
	CHECK(refused("chmod of our program", fchmodat(AT_FDCWD, again, 0755, 0), EROFS, EPERM));
	if (n < 0)
		return untried("no name of our own");
	while (n > 0 && dir[n - 1] != '/')
		n--;
	snprintf(dir + n, 32, "corral-escaped");
	fd = open(dir, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		unlink(dir);
	return refused("a new file beside our program", fd, EROFS);
}
