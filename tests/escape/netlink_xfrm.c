/* Way out: kernel bugs behind netlink: ESP set up by XFRM (CVE-2026-43284), crypto, SCSI, audit. */
/* Stopped by: the seccomp profile; of AF_NETLINK only NETLINK_ROUTE is left. */
#include <linux/netlink.h>
#include <stdio.h>
#include <sys/socket.h>

#include "tests/escape/escape.h"

ESCAPE(netlink_xfrm)
{
	(void)run;
	CHECK(refused("socket(NETLINK_XFRM)", socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM),
	              EAFNOSUPPORT));
	for (int protocol = NETLINK_ROUTE + 1; protocol < MAX_LINKS; protocol++) {
		char what[32];

		snprintf(what, sizeof(what), "socket(netlink %d)", protocol);
		CHECK(refused(what, socket(AF_NETLINK, SOCK_RAW, protocol), EAFNOSUPPORT));
	}
	return HELD;
}
