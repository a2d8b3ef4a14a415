/* Way out: AF_RXRPC needs no user namespace (Dirty Frag, CVE-2026-43500); likewise rare families.
 */
/* Stopped by: the seccomp profile's list of socket families, EAFNOSUPPORT. */
#include <stdio.h>
#include <sys/socket.h>

#include "tests/escape/escape.h"

/* All but AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK, and one that no kernel has. */
#define FAMILY_LAST 64

ESCAPE(rxrpc)
{
	(void)run;
	CHECK(refused("socket(AF_RXRPC)", socket(AF_RXRPC, SOCK_DGRAM, AF_INET), EAFNOSUPPORT));
	for (int family = 3; family < FAMILY_LAST; family++) {
		char what[32];

		if (family == AF_INET6 || family == AF_NETLINK)
			continue;
		snprintf(what, sizeof(what), "socket(family %d)", family);
		CHECK(refused(what, socket(family, SOCK_DGRAM, 0), EAFNOSUPPORT));
		CHECK(refused(what, socket(family, SOCK_RAW, 0), EAFNOSUPPORT));
	}
	return HELD;
}
