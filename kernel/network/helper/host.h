/*
 * What a bridge has to know of the host: its routes, its addresses, its uplink, whether it
 * forwards.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_HOST_H
#define CORRAL_KERNEL_NETWORK_HELPER_HOST_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "policy/egress.h"

#define CORRAL_NET_ROUTES_MAX 4096

struct corral_net_route {
	uint32_t network; /* in the host's byte order */
	unsigned int prefix;
};

struct corral_net_host {
	char uplink[IFNAMSIZ]; /* of the default route; "" without */
	uint32_t mtu;          /* its, or 1500 */
	bool forwards;         /* IPv4, for what comes in by the uplink */
	bool has_ipv6;         /* a default route of IPv6, and it forwards that as well */
	struct in_addr base;   /* a /16 that collides with no route */
	unsigned int
	        conntrack_max; /* connections that it tracks at a time; 0 where it does not say */
	/* How long it remembers those that have ended, where its kernel cannot be told for each;
	 * else 0. Not looked for by corral_net_host_look(). */
	unsigned int time_wait_s;
};

/* -EOPNOTSUPP where it forwards nothing, with the line that mends it; -EADDRNOTAVAIL where no range
 * is free. */
int corral_net_host_look(struct corral_net_host *ret, struct corral_error *err);

/* Of the host's own connections: how long it remembers one that has ended. */
unsigned int corral_net_host_time_wait_s(void);

/*
 * All that the host takes for itself, now: its addresses, on whichever link ("lo" as well), and
 * prefixes that are local without being anybody's address (AnyIP). Without 127.0.0.0/8, ::1 and
 * fe80::/10, which are refused anyhow; some may be there twice. *ret is malloc()ed.
 */
int corral_net_host_own(struct corral_prefix **ret, size_t *ret_n, struct corral_error *err);

/* The first of the ranges that no route has a part of, in the host's byte order; 0 when there is
 * none. Pure. */
uint32_t corral_net_range_choose(const struct corral_net_route *routes, unsigned int n);

#endif
