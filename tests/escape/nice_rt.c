/* Way out: starve the neighbours: real-time scheduling, negative niceness, locked memory. */
/* Stopped by: no CAP_SYS_NICE and CAP_IPC_LOCK, RLIMIT_RTPRIO and RLIMIT_NICE 0, a small
 * RLIMIT_MEMLOCK. */
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define IOPRIO_RT_0  (1 << 13)
#define LOCKED_BYTES (64u << 20)

ESCAPE(nice_rt)
{
	struct sched_param first = { .sched_priority = 1 };
	void *memory = mmap(NULL, LOCKED_BYTES, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)run;
	CHECK(refused("setpriority(-20)", setpriority(PRIO_PROCESS, 0, -20), EACCES, EPERM));
	CHECK(refused("SCHED_FIFO", sched_setscheduler(0, SCHED_FIFO, &first), EPERM));
	CHECK(refused("SCHED_RR", sched_setscheduler(0, SCHED_RR, &first), EPERM));
	CHECK(refused("ioprio_set(RT)", syscall(SYS_ioprio_set, 1, 0, IOPRIO_RT_0), EPERM));
	return refused("mlock", mlock(memory, LOCKED_BYTES), ENOMEM, EPERM, EAGAIN);
}
