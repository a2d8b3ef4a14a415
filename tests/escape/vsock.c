/* Way out: AF_VSOCK reaches the hypervisor and its neighbours; no namespace (CVE-2025-21756). */
/* Stopped by: the seccomp profile's list of socket families, EAFNOSUPPORT. */
#include <sys/socket.h>

#include "tests/escape/escape.h"

ESCAPE(vsock)
{
	(void)run;
	CHECK(refused("socket(AF_VSOCK, STREAM)", socket(AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT));
	return refused("socket(AF_VSOCK, DGRAM)", socket(AF_VSOCK, SOCK_DGRAM, 0), EAFNOSUPPORT);
}
