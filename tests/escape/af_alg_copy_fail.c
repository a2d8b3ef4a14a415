/* Way out: the kernel's crypto sockets write into the page cache (Copy Fail, CVE-2026-31431). */
/* Stopped by: the seccomp profile's list of socket families, EAFNOSUPPORT. */
#include <sys/socket.h>

#include "tests/escape/escape.h"

ESCAPE(af_alg_copy_fail)
{
	(void)run;
	CHECK(refused("socket(AF_ALG)", socket(AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT));
	return refused("socketpair(AF_ALG)", socketpair(AF_ALG, SOCK_SEQPACKET, 0, (int[2]) { 0 }),
	               EAFNOSUPPORT, EPERM);
}
