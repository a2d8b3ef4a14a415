/* Way out: the memory, descriptors and environment of processes outside, by their numbers in /proc.
 */
/* Stopped by: an own pid namespace and an own /proc: only PID 1 and our own are to be seen. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int is_one_of_us(pid_t pid)
{
	char path[64];

	if (pid == 1 || pid == getpid() || pid == getppid())
		return HELD;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	CHECK(cannot_open(path, O_RDONLY));
	return escaped("process %d is visible", pid);
}

ESCAPE(other_processes_memory)
{
	(void)run;
	if (getpid() == 1)
		return untried("without a PID 1 of its own");
	return each_process(is_one_of_us);
}
