/* Way out: enter the namespaces of another process, by its files in /proc or by a pidfd. */
/* Stopped by: the seccomp profile, EPERM. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(setns_init)
{
	static const char *const names[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };
	int pidfd = (int)syscall(SYS_pidfd_open, getppid(), 0);

	(void)run;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		CHECK(refused(path, setns(fd, 0), EPERM));
		close(fd);
	}
	CHECK(refused("setns(pidfd)", setns(pidfd, CLONE_NEWNS | CLONE_NEWPID), EPERM));
	return refused("setns(-1)", setns(-1, 0), EPERM);
}
