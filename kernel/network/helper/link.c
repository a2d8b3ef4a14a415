#include "kernel/network/helper/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>

#include "kernel/base/cleanup.h"

unsigned int if_nametoindex(const char *name);

static void sock_freep(struct nl_sock **s)
{
	nl_socket_free(*s);
}
#define autosock corral_auto(sock_freep)

static void addr_putp(struct nl_addr **a)
{
	nl_addr_put(*a);
}
#define autoaddr corral_auto(addr_putp)

static void route_putp(struct rtnl_route **r)
{
	rtnl_route_put(*r);
}

static void rtaddr_putp(struct rtnl_addr **a)
{
	rtnl_addr_put(*a);
}

static int refused(int r, const char *what, struct corral_error *err)
{
	switch (-r) {
	case NLE_EXIST:
		return corral_error_set(err, EEXIST, "%s: %s", what, nl_geterror(r));
	case NLE_PERM:
	case NLE_NOACCESS:
		return corral_error_set(err, EPERM, "%s: %s", what, nl_geterror(r));
	case NLE_OPNOTSUPP:
		return corral_error_set(err, EOPNOTSUPP,
		                        "%s: %s: does this kernel have links of type veth? "
		                        "modprobe veth",
		                        what, nl_geterror(r));
	default:
		return corral_error_set(err, EIO, "%s: %s", what, nl_geterror(r));
	}
}

static int sock_open(struct nl_sock **ret, struct corral_error *err)
{
	struct nl_sock *sock = nl_socket_alloc();
	int r;

	if (!sock)
		return corral_error_set(err, ENOMEM, "netlink: out of memory");
	r = nl_connect(sock, NETLINK_ROUTE);
	if (r < 0) {
		nl_socket_free(sock);
		return refused(r, "open a netlink socket", err);
	}
	*ret = sock;
	return 0;
}

static void link_describe(struct rtnl_link *link, const char *name,
                          const struct corral_net_place *place, struct nl_addr *mac)
{
	rtnl_link_set_name(link, name);
	rtnl_link_set_mtu(link, place->mtu);
	rtnl_link_set_addr(link, mac);
	rtnl_link_set_flags(link, IFF_NOARP);
}

static int pair_make(struct nl_sock *sock, const struct corral_net_place *place, int guest_ns_fd,
                     struct corral_error *err)
{
	/* Administered locally; the same for the whole host does no harm, as no two meet. */
	static const uint8_t bytes[6] = { 0x02, 0x63, 0x6f, 0x72, 0x72, 0x61 };
	autoaddr struct nl_addr *mac = nl_addr_build(AF_LLC, bytes, sizeof(bytes));
	struct rtnl_link *link = rtnl_link_veth_alloc(), *peer;
	int r;

	if (!link || !mac) {
		rtnl_link_put(link);
		return corral_error_set(err, ENOMEM, "netlink: out of memory");
	}
	peer = rtnl_link_veth_get_peer(link);
	link_describe(link, place->link, place, mac);
	link_describe(peer, CORRAL_NET_GUEST_LINK, place, mac);
	/* The other end comes to life in its own place: as long as it has no peer it cannot. */
	rtnl_link_set_flags(link, IFF_UP);
	rtnl_link_set_ns_fd(peer, guest_ns_fd);
	r = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
	/* One whose corral-net was killed, and whose block is ours now. */
	if (r == -NLE_EXIST) {
		corral_net_link_remove(place->link);
		r = rtnl_link_add(sock, link, NLM_F_CREATE | NLM_F_EXCL);
	}
	rtnl_link_put(peer);
	rtnl_link_put(link);
	return r < 0 ? refused(r, "make a pair of links", err) : 0;
}

/* The address on one of two, and all that is not there. */
static int address_add(struct nl_sock *sock, int index, int family, const void *address,
                       struct corral_error *err)
{
	const bool is_four = family == AF_INET;
	autoaddr struct nl_addr *local = nl_addr_build(family, address, is_four ? 4 : 16);
	corral_auto(rtaddr_putp) struct rtnl_addr *a = rtnl_addr_alloc();
	int r;

	if (!local || !a)
		return corral_error_set(err, ENOMEM, "netlink: out of memory");
	nl_addr_set_prefixlen(local, is_four ? 31 : 127);
	rtnl_addr_set_ifindex(a, index);
	(void)rtnl_addr_set_local(a, local);
	if (!is_four)
		rtnl_addr_set_flags(a, IFA_F_NODAD);
	r = rtnl_addr_add(sock, a, 0);
	return r < 0 ? refused(r, "give the sandbox an address", err) : 0;
}

/* To one address (prefix -1), or to everything by way of it (0). */
static int route_add(struct nl_sock *sock, int index, int family, const void *address, bool all,
                     struct corral_error *err)
{
	static const uint8_t zeros[16];
	const size_t len = family == AF_INET ? 4 : 16;
	autoaddr struct nl_addr *to = nl_addr_build(family, all ? zeros : address, len);
	autoaddr struct nl_addr *via = nl_addr_build(family, address, len);
	corral_auto(route_putp) struct rtnl_route *route = rtnl_route_alloc();
	struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
	int r;

	if (!to || !via || !route || !hop) {
		if (hop)
			rtnl_route_nh_free(hop);
		return corral_error_set(err, ENOMEM, "netlink: out of memory");
	}
	nl_addr_set_prefixlen(to, all ? 0 : (int)(len * 8));
	rtnl_route_set_family(route, (uint8_t)family);
	(void)rtnl_route_set_dst(route, to);
	rtnl_route_set_table(route, RT_TABLE_MAIN);
	rtnl_route_set_protocol(route, RTPROT_STATIC);
	rtnl_route_set_scope(route, all ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
	rtnl_route_nh_set_ifindex(hop, index);
	if (all)
		rtnl_route_nh_set_gateway(hop, via);
	rtnl_route_add_nexthop(route, hop);
	r = rtnl_route_add(sock, route, NLM_F_EXCL);
	return r < 0 ? refused(r, all ? "give the sandbox a route" : "route to the sandbox", err)
	             : 0;
}

/* Only of our own link: whatever the host says of others stays as it is. */
static void link_set(const char *family, const char *link, const char *what, const char *value)
{
	corral_autofd int fd = -1;
	char path[96], now;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, link, what);
	fd = open(path, O_RDWR | O_CLOEXEC);
	/* Setting what is set already would take the kernel's one lock of all links. */
	if (fd >= 0 && (read(fd, &now, 1) != 1 || now != value[0]))
		(void)!pwrite(fd, value, strlen(value), 0);
}

static int host_side(struct nl_sock *sock, const struct corral_net_place *p,
                     struct corral_error *err)
{
	int index = (int)if_nametoindex(p->link), r;

	if (!index)
		return corral_error_sys(err, errno, "find link '%s'", p->link);
	link_set("ipv4", p->link, "forwarding", "1");
	r = route_add(sock, index, AF_INET, &p->guest, false, err);
	if (r == 0 && p->has_ipv6)
		r = route_add(sock, index, AF_INET6, &p->guest6, false, err);
	return r;
}

static int link_up(struct nl_sock *sock, int index, struct corral_error *err)
{
	struct rtnl_link *link = rtnl_link_alloc(), *up = rtnl_link_alloc();
	int r = -NLE_NOMEM;

	if (link && up) {
		rtnl_link_set_ifindex(link, index);
		rtnl_link_set_flags(up, IFF_UP);
		r = rtnl_link_change(sock, link, up, 0);
	}
	rtnl_link_put(link);
	rtnl_link_put(up);
	return r < 0 ? refused(r, "bring the sandbox's link up", err) : 0;
}

static int guest_side(const struct corral_net_place *p, struct corral_error *err)
{
	autosock struct nl_sock *sock = NULL;
	int index = (int)if_nametoindex(CORRAL_NET_GUEST_LINK), r;

	if (!index)
		return corral_error_sys(err, errno, "find link '" CORRAL_NET_GUEST_LINK "'");
	/* No address of its own making (1 is none): there is nobody to be reached by it, and
	 * without it an attempt fails at once. */
	link_set("ipv6", CORRAL_NET_GUEST_LINK, "addr_gen_mode", "1");
	r = sock_open(&sock, err);
	if (r == 0)
		r = link_up(sock, index, err);
	if (r == 0)
		r = address_add(sock, index, AF_INET, &p->guest, err);
	if (r == 0)
		r = route_add(sock, index, AF_INET, &p->host, true, err);
	if (r == 0 && p->has_ipv6)
		r = address_add(sock, index, AF_INET6, &p->guest6, err);
	if (r == 0 && p->has_ipv6)
		r = route_add(sock, index, AF_INET6, &p->host6, true, err);
	return r;
}

int corral_net_link_open(struct corral_net_child *c, struct corral_error *err)
{
	autosock struct nl_sock *sock = NULL;
	int r = sock_open(&sock, err);

	if (r == 0)
		r = pair_make(sock, &c->place, c->guest_ns_fd, err);
	if (r == 0)
		r = host_side(sock, &c->place, err);
	if (r == 0)
		r = corral_net_enter(c, CORRAL_NET_GUEST, err);
	return r < 0 ? r : guest_side(&c->place, err);
}

void corral_net_link_remove(const char *name)
{
	autosock struct nl_sock *sock = NULL;
	struct rtnl_link *link = rtnl_link_alloc();

	if (!link || sock_open(&sock, NULL) < 0) {
		rtnl_link_put(link);
		return;
	}
	rtnl_link_set_name(link, name);
	(void)rtnl_link_delete(sock, link);
	rtnl_link_put(link);
}

bool corral_net_link_was_used(const char *name)
{
	autosock struct nl_sock *sock = NULL;
	struct rtnl_link *link = NULL;
	bool used = true;

	if (sock_open(&sock, NULL) < 0)
		return true;
	if (rtnl_link_get_kernel(sock, 0, name, &link) == 0)
		used = rtnl_link_get_stat(link, RTNL_LINK_RX_PACKETS) > 0;
	rtnl_link_put(link);
	return used;
}
