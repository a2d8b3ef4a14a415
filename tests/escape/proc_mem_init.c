/* Way out: read or write the memory of PID 1 through /proc. */
/* Stopped by: PID 1 is not dumpable; its files in /proc are not the guest's. */
#include <fcntl.h>

#include "tests/escape/escape.h"

ESCAPE(proc_mem_init)
{
	(void)run;
	CHECK(cannot_open("/proc/1/mem", O_RDWR));
	CHECK(cannot_open("/proc/1/mem", O_RDONLY));
	CHECK(cannot_read("/proc/1/maps"));
	CHECK(cannot_read("/proc/1/auxv"));
	CHECK(cannot_read("/proc/1/syscall"));
	CHECK(cannot_read("/proc/1/stack"));
	return cannot_read("/proc/1/environ");
}
