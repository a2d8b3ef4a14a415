/* Way out: CVE-2019-5736: through /proc/PID/exe take hold of the program that started us and
   overwrite it once it has ended. */
/* Stopped by: PID 1 is a sealed memfd, nothing else of ours is in the pid namespace. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int exe_is_out_of_reach(pid_t pid)
{
	char path[64], again[64];
	int fd, seals;

	if (pid == getpid())
		return HELD;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refused(path, fd, EACCES, EPERM, ENOENT);
	seals = fcntl(fd, F_GET_SEALS);
	snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	if (seals < 0 || !(seals & F_SEAL_WRITE)) {
		close(fd);
		return escaped("holds %s, which is no sealed file", path);
	}
	CHECK(refused("reopening it for writing", open(again, O_WRONLY | O_CLOEXEC), EPERM, ETXTBSY,
	              EACCES));
	close(fd);
	return HELD;
}

ESCAPE(cve_2019_5736)
{
	(void)run;
	return each_process(exe_is_out_of_reach);
}
