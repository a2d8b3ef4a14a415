/* Way out: nf_tables and x_tables, reached by a user namespace of one's own (CVE-2024-1086). */
/* Stopped by: the seccomp profile: no NETLINK_NETFILTER, no user namespace; no CAP_NET_ADMIN. */
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include "tests/escape/escape.h"

#define IPT_SO_SET_REPLACE 64
#define IPT_SO_GET_INFO    64

ESCAPE(nf_tables_userns)
{
	char table[84] = "filter"; /* struct ipt_getinfo */
	socklen_t len = sizeof(table);
	int fd;

	(void)run;
	CHECK(refused("socket(NETLINK_NETFILTER)", socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER),
	              EAFNOSUPPORT));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		return untried("no AF_INET socket");
	CHECK(refused("setsockopt(IPT_SO_SET_REPLACE)",
	              setsockopt(fd, SOL_IP, IPT_SO_SET_REPLACE, table, len), EPERM, ENOPROTOOPT));
	CHECK(refused("getsockopt(IPT_SO_GET_INFO)",
	              getsockopt(fd, SOL_IP, IPT_SO_GET_INFO, table, &len), EPERM, ENOPROTOOPT));
	return refused("unshare(USER|NET)", unshare(CLONE_NEWUSER | CLONE_NEWNET), EPERM);
}
