/* Way out: the x32 table: the same architecture word, call numbers with bit 30 set. */
/* Stopped by: the seccomp profile: the process dies by SIGSYS on the first such call. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define X32_BIT 0x40000000L

#if defined(__x86_64__)
static void getpid_by_x32(void)
{
	(void)syscall(X32_BIT | SYS_getpid);
}

static void unshare_by_x32(void)
{
	(void)syscall(X32_BIT | SYS_unshare, 0);
}

/* 512 and above are x32's own numbers: 520 is its execve, 514 its ioctl. */
static void ioctl_by_x32(void)
{
	(void)syscall(X32_BIT | 514, -1, 0, 0);
}

ESCAPE(x32_call)
{
	(void)run;
	CHECK(child_dies_by("getpid by x32", SIGSYS, getpid_by_x32));
	CHECK(child_dies_by("unshare by x32", SIGSYS, unshare_by_x32));
	return child_dies_by("ioctl by x32", SIGSYS, ioctl_by_x32);
}
#else
ESCAPE(x32_call)
{
	(void)run;
	return untried("no x32 on this architecture");
}
#endif
