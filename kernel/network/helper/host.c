#include "kernel/network/helper/host.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/block.h"

#define MTU_DEFAULT         1500
#define TIME_WAIT_DEFAULT_S 120

/* Seldom used by others, as they are neither the first nor the last of anything. */
static const struct corral_net_route ranges[] = {
	{ 10u << 24 | 213u << 16, 16 },  { 10u << 24 | 87u << 16, 16 },
	{ 10u << 24 | 168u << 16, 16 },  { 10u << 24 | 41u << 16, 16 },
	{ 10u << 24 | 126u << 16, 16 },  { 100u << 24 | 87u << 16, 16 },
	{ 100u << 24 | 117u << 16, 16 }, { 100u << 24 | 74u << 16, 16 },
};

static bool overlap(const struct corral_net_route *a, const struct corral_net_route *b)
{
	unsigned int prefix = a->prefix < b->prefix ? a->prefix : b->prefix;

	return prefix == 0 || (a->network ^ b->network) >> (32 - prefix) == 0;
}

uint32_t corral_net_range_choose(const struct corral_net_route *routes, unsigned int n)
{
	for (size_t i = 0; i < CORRAL_COUNT(ranges); i++) {
		bool is_free = true;

		for (unsigned int k = 0; k < n && is_free; k++)
			is_free = !overlap(&ranges[i], &routes[k]);
		if (is_free)
			return ranges[i].network;
	}
	return 0;
}

struct look {
	struct corral_net_host *host;
	struct corral_net_route *routes;
	unsigned int n;
	uint32_t metric; /* of the best default route yet */
	int uplink;
	bool default6;
};

static int next_link(struct rtnl_route *route)
{
	struct rtnl_nexthop *hop =
	        rtnl_route_get_nnexthops(route) > 0 ? rtnl_route_nexthop_n(route, 0) : NULL;

	return hop ? rtnl_route_nh_get_ifindex(hop) : 0;
}

static bool is_own_link(int index)
{
	char name[IF_NAMESIZE];

	return index > 0 && if_indextoname((unsigned int)index, name) &&
	       !strncmp(name, CORRAL_NET_LINK_PREFIX, strlen(CORRAL_NET_LINK_PREFIX));
}

static void route_see(struct nl_object *object, void *arg)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct nl_addr *to = rtnl_route_get_dst(route);
	struct look *look = arg;
	uint32_t network = 0;

	if (!to || rtnl_route_get_family(route) != AF_INET)
		return;
	if (nl_addr_get_prefixlen(to) == 0) {
		if (rtnl_route_get_type(route) == RTN_UNICAST &&
		    (!look->uplink || rtnl_route_get_priority(route) < look->metric)) {
			look->uplink = next_link(route);
			look->metric = rtnl_route_get_priority(route);
		}
		return;
	}
	if (nl_addr_get_len(to) != sizeof(network) || look->n == CORRAL_NET_ROUTES_MAX ||
	    is_own_link(next_link(route)))
		return;
	memcpy(&network, nl_addr_get_binary_addr(to), sizeof(network));
	network = ntohl(network);
	/* Of the others none is in the way, however many there are. */
	if (nl_addr_get_prefixlen(to) > 8 && network >> 24 != 10 && network >> 24 != 100)
		return;
	look->routes[look->n++] = (struct corral_net_route) { network, nl_addr_get_prefixlen(to) };
}

static void route6_see(struct nl_object *object, void *arg)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct nl_addr *to = rtnl_route_get_dst(route);
	struct look *look = arg;

	if (to && nl_addr_get_prefixlen(to) == 0 && rtnl_route_get_type(route) == RTN_UNICAST &&
	    next_link(route) > 0)
		look->default6 = true;
}

static int routes_see(struct nl_sock *sock, int family,
                      void (*see)(struct nl_object *object, void *arg), void *arg,
                      struct corral_error *err)
{
	struct nl_cache *cache = NULL;
	int r = rtnl_route_alloc_cache(sock, family, 0, &cache);

	if (r < 0)
		return corral_error_set(err, EIO, "read the host's routes: %s", nl_geterror(r));
	nl_cache_foreach(cache, see, arg);
	nl_cache_free(cache);
	return 0;
}

static bool sysctl_is_on(const char *path)
{
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = '0';

	return fd >= 0 && read(fd, &c, 1) == 1 && c != '0';
}

/* 0 where there is none. */
static unsigned int conntrack_look(const char *path)
{
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	return n > 0 ? (unsigned int)strtoul(text, NULL, 10) : 0;
}

unsigned int corral_net_host_time_wait_s(void)
{
	unsigned int s =
	        conntrack_look("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait");

	return s ? s : TIME_WAIT_DEFAULT_S;
}

static void uplink_look(struct nl_sock *sock, int index, struct corral_net_host *h)
{
	struct rtnl_link *link = NULL;
	char path[96];

	h->mtu = MTU_DEFAULT;
	if (index > 0 && rtnl_link_get_kernel(sock, index, NULL, &link) == 0) {
		(void)snprintf(h->uplink, sizeof(h->uplink), "%s", rtnl_link_get_name(link));
		h->mtu = rtnl_link_get_mtu(link);
		rtnl_link_put(link);
	}
	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/forwarding",
	               h->uplink[0] ? h->uplink : "all");
	h->forwards = sysctl_is_on(path);
}

static int look(struct nl_sock *sock, struct look *l, struct corral_error *err)
{
	struct corral_net_host *h = l->host;
	int r = nl_connect(sock, NETLINK_ROUTE);

	if (r < 0)
		return corral_error_set(err, EIO, "open a netlink socket: %s", nl_geterror(r));
	r = routes_see(sock, AF_INET, route_see, l, err);
	if (r < 0)
		return r;
	/* A kernel without IPv6 has no such routes. */
	(void)routes_see(sock, AF_INET6, route6_see, l, NULL);
	uplink_look(sock, l->uplink, h);
	h->has_ipv6 = l->default6 && sysctl_is_on("/proc/sys/net/ipv6/conf/all/forwarding");
	h->conntrack_max = conntrack_look("/proc/sys/net/netfilter/nf_conntrack_max");
	h->base.s_addr = htonl(corral_net_range_choose(l->routes, l->n));
	if (!h->forwards)
		return corral_error_set(
		        err, EOPNOTSUPP,
		        "network 'bridge': this host does not forward what comes in by %s, which "
		        "is the host's to decide: sysctl -w net.ipv4.ip_forward=1",
		        h->uplink[0] ? h->uplink : "its links");
	if (!h->base.s_addr)
		return corral_error_set(
		        err, EADDRNOTAVAIL,
		        "network 'bridge': no range of addresses is free: this host has routes to "
		        "all parts of 10.0.0.0/8 and 100.64.0.0/10 that corral takes");
	return 0;
}

int corral_net_host_look(struct corral_net_host *ret, struct corral_error *err)
{
	struct corral_net_host host = { .mtu = 0 };
	struct look l = { .host = &host };
	struct nl_sock *sock = nl_socket_alloc();
	int r = -ENOMEM;

	l.routes = calloc(CORRAL_NET_ROUTES_MAX, sizeof(*l.routes));
	if (sock && l.routes)
		r = look(sock, &l, err);
	else
		r = corral_error_set(err, ENOMEM, "look at the host's routes: out of memory");
	nl_socket_free(sock);
	free(l.routes);
	if (r == 0)
		*ret = host;
	return r;
}

struct own {
	struct corral_prefix *list;
	size_t n, room;
	bool failed;
};

static void own_add(struct own *own, const uint8_t *address, int family, unsigned int prefix)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (family == AF_INET ? address[0] == 127
	                      : !memcmp(address, one, sizeof(one)) ||
	                                (address[0] == 0xfe && (address[1] & 0xc0) == 0x80))
		return;
	if (own->n == own->room) {
		size_t room = own->room ? 2 * own->room : 16;
		void *grown = realloc(own->list, room * sizeof(*own->list));

		if (!grown) {
			own->failed = true;
			return;
		}
		own->list = grown;
		own->room = room;
	}
	own->list[own->n++] = (struct corral_prefix) {
		.address = corral_address_of(address, family == AF_INET ? 4 : 16),
		.len = (uint8_t)prefix,
	};
}

/* Also anycast: the first address of each IPv6 network of one that forwards is its own. */
static void local_see(struct nl_object *object, void *arg)
{
	struct rtnl_route *route = (struct rtnl_route *)object;
	struct nl_addr *to = rtnl_route_get_dst(route);
	int family = rtnl_route_get_family(route), type = rtnl_route_get_type(route);

	if (to && rtnl_route_get_table(route) == RT_TABLE_LOCAL &&
	    (type == RTN_LOCAL || type == RTN_ANYCAST) &&
	    nl_addr_get_len(to) == (family == AF_INET ? 4 : 16))
		own_add(arg, nl_addr_get_binary_addr(to), family, nl_addr_get_prefixlen(to));
}

/* Of links that are down, and of those with a table of their own (VRF), routes do not tell. */
static int addresses_see(struct own *own, struct corral_error *err)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return corral_error_sys(err, errno, "list the host's addresses");
	for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
		if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET)
			own_add(own, (void *)&((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr,
			        AF_INET, 32);
		else if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6)
			own_add(own,
			        (void *)&((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr,
			        AF_INET6, 128);
	}
	freeifaddrs(list);
	return 0;
}

int corral_net_host_own(struct corral_prefix **ret, size_t *ret_n, struct corral_error *err)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct own own = { .n = 0 };
	int r = addresses_see(&own, err);

	if (r == 0 && (!sock || nl_connect(sock, NETLINK_ROUTE) < 0))
		r = corral_error_set(err, EIO, "open a netlink socket");
	if (r == 0)
		r = routes_see(sock, AF_INET, local_see, &own, err);
	/* A kernel without IPv6 has no such routes. */
	if (r == 0)
		(void)routes_see(sock, AF_INET6, local_see, &own, NULL);
	nl_socket_free(sock);
	if (r == 0 && own.failed)
		r = corral_error_set(err, ENOMEM, "list the host's addresses: out of memory");
	if (r < 0) {
		free(own.list);
		return r;
	}
	*ret = own.list;
	*ret_n = own.n;
	return 0;
}
