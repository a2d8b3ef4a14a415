/* Way out: rarely used calls with a record of kernel bugs, or that reach other processes. */
/* Stopped by: the seccomp profile: EPERM when it knows the call, ENOSYS for what the kernel has
 * dropped. */
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define NUMBER_UNKNOWN 0x3ff /* no kernel has it */

ESCAPE(kernel_odds_and_ends)
{
	(void)run;
	CHECK(refused("kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0), EPERM));
	CHECK(refused("pidfd_getfd", syscall(SYS_pidfd_getfd, -1, 0, 0), EPERM, ENOSYS));
	CHECK(refused("lookup_dcookie", syscall(SYS_lookup_dcookie, 0, NULL, 0), EPERM, ENOSYS));
	CHECK(refused("nfsservctl", syscall(SYS_nfsservctl, 0, NULL, NULL), EPERM, ENOSYS));
#ifdef SYS_uselib
	CHECK(refused("uselib", syscall(SYS_uselib, "/"), EPERM, ENOSYS));
#endif
	CHECK(refused("move_pages", syscall(SYS_move_pages, getppid(), 0, NULL, NULL, NULL, 0),
	              EPERM, ENOSYS));
	return refused("call 1023", syscall(NUMBER_UNKNOWN), ENOSYS);
}
