/* Way out: CVE-2016-9962: descriptors of PID 1 or of a process on its way in, by /proc/PID/fd. */
/* Stopped by: PID 1 is not dumpable: none of them can be opened or looked at. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/escape/escape.h"

/* Numbers may be listed where PID 1 has the guest's ids; what they are may not. */
static int descriptors_are_closed(pid_t pid)
{
	if (pid == getpid())
		return HELD;
	for (int fd = 0; fd < 64; fd++) {
		char path[64], target[256];

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		CHECK(refused(path, readlink(path, target, sizeof(target)), EACCES, EPERM, ENOENT));
		CHECK(cannot_open(path, O_RDONLY));
		CHECK(cannot_open(path, O_PATH));
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
		CHECK(cannot_read(path));
	}
	return HELD;
}

ESCAPE(cve_2016_9962)
{
	(void)run;
	return each_process(descriptors_are_closed);
}
