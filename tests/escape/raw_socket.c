/* Way out: raw IP sockets forge packets of neighbours. */
/* Stopped by: no CAP_NET_RAW (EPERM), or the seccomp profile. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/escape/escape.h"

ESCAPE(raw_socket)
{
	(void)run;
	CHECK(refused("socket(AF_INET, RAW)", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM));
	return refused("socket(AF_INET6, RAW)", socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), EPERM,
	               EAFNOSUPPORT);
}
