#include "kernel/network/helper/guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/nft.h"
#include "kernel/network/helper/pasta.h"

static void addresses_add(struct corral_buf *out, const struct ifaddrs *list, int family)
{
	char text[INET6_ADDRSTRLEN];

	for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != family ||
		    (a->ifa_flags & IFF_LOOPBACK))
			continue;
		if (family == AF_INET6 &&
		    IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr))
			continue;
		(void)inet_ntop(family,
		                family == AF_INET
		                        ? (void *)&((struct sockaddr_in *)a->ifa_addr)->sin_addr
		                        : (void *)&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr,
		                text, sizeof(text));
		corral_buf_fmt(out, "  %s daddr %s reject with icmpx admin-prohibited\n",
		               family == AF_INET ? "ip" : "ip6", text);
	}
}

int corral_net_guard_compose(struct corral_buf *ret, struct corral_error *err)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return corral_error_sys(err, errno, "list the host's addresses");
	/* After the rules of an allowlist, which know what they refused. */
	corral_buf_str(
	        ret,
	        "table inet corral-guard {\n chain out { type filter hook output "
	        "priority 10; policy accept;\n  oifname \"lo\" accept\n"
	        "  ip daddr " CORRAL_NET_PASTA_DNS " udp dport 53 accept\n"
	        /* Neighbours are found by it. */
	        "  icmpv6 type { 133, 134, 135, 136 } accept\n"
	        "  ip daddr { 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4, "
	        "240.0.0.0/4, 100.100.100.200, 168.63.129.16 } reject with icmpx admin-prohibited\n"
	        "  ip6 daddr { ::/127, ::ffff:0:0/96, fe80::/10, ff00::/8, "
	        "fd00:ec2::254, fd20:ce::254 } reject "
	        "with icmpx admin-prohibited\n");
	addresses_add(ret, list, AF_INET);
	addresses_add(ret, list, AF_INET6);
	corral_buf_str(ret, " }\n}\n");
	freeifaddrs(list);
	return ret->failed ? corral_error_set(err, ENOMEM, "network: out of memory") : 0;
}

int corral_net_guard_open(const struct corral_buf *rules, struct corral_error *err)
{
	corral_auto(corral_nft_freep) struct corral_nft *nft = NULL;
	int r = corral_nft_new(&nft, err);

	if (r == 0)
		r = corral_nft_run(nft, rules->data, err);
	return r < 0 ? corral_error_wrap(err, r, "keep the sandbox from the host's own services")
	             : 0;
}
