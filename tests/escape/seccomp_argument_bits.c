/* Way out: the kernel looks at 32 bits of an argument, a filter at 64: set a bit above. */
/* Stopped by: the seccomp profile: it compares the low half of family, flags and personality. */
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define HIGH (1UL << 40)

ESCAPE(seccomp_argument_bits)
{
	(void)run;
	CHECK(refused("socket(AF_VSOCK|high)", syscall(SYS_socket, AF_VSOCK | HIGH, SOCK_STREAM, 0),
	              EAFNOSUPPORT));
	CHECK(refused("socket(netlink|high, 12)",
	              syscall(SYS_socket, AF_NETLINK | HIGH, SOCK_RAW, 12UL | HIGH), EAFNOSUPPORT));
	CHECK(refused("unshare(NEWUSER|high)", syscall(SYS_unshare, CLONE_NEWUSER | HIGH), EPERM));
	CHECK(refused("clone(NEWUSER|high)",
	              syscall(SYS_clone, CLONE_NEWUSER | HIGH | SIGCHLD, NULL, NULL, NULL, 0L),
	              EPERM));
	return refused("personality(ADDR_NO_RANDOMIZE|high)",
	               syscall(SYS_personality, ADDR_NO_RANDOMIZE | HIGH), EPERM);
}
