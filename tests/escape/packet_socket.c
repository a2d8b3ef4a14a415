/* Way out: AF_PACKET, raw frames and a long row of kernel bugs (CVE-2017-7308, CVE-2020-14386). */
/* Stopped by: the seccomp profile's list of socket families; behind it CAP_NET_RAW. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <sys/socket.h>

#include "tests/escape/escape.h"

ESCAPE(packet_socket)
{
	(void)run;
	CHECK(refused("socket(AF_PACKET, RAW)", socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)),
	              EAFNOSUPPORT));
	return refused("socket(AF_PACKET, DGRAM)", socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP)),
	               EAFNOSUPPORT);
}
