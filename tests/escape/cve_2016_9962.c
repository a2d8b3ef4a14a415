/* Way out: CVE-2016-9962: descriptors of PID 1 or of a process on its way in, through /proc/PID/fd.
 */
/* Stopped by: PID 1 is not dumpable: nothing of it can be listed, let alone opened. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int descriptors_are_closed(pid_t pid)
{
	static const char *const names[] = { "fd", "fdinfo", "map_files" };

	if (pid == getpid())
		return HELD;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];
		DIR *dir;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[i]);
		dir = opendir(path);
		if (dir)
			closedir(dir);
		CHECK(refused(path, dir ? 0 : -1, EACCES, EPERM, ENOENT));
	}
	for (int fd = 0; fd < 64; fd++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		CHECK(cannot_open(path, O_RDONLY));
	}
	return HELD;
}

ESCAPE(cve_2016_9962)
{
	(void)run;
	return each_process(descriptors_are_closed);
}
