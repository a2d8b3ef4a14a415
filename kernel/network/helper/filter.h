/*
 * What leaves a sandbox's network namespace, decided by nftables within it.
 *
 * Two tables, both in the guest's own namespace and made before any of its code runs; the guest has
 * no capability to touch them.
 *
 * "corral" refuses: at the output hook everything but loopback is answered with a reset or an ICMP
 * error at once, unless the destination is one of an address entry, or in the set of opened
 * addresses of a name's ports. Those sets are filled by the resolver before it answers, and forget
 * by themselves. A connection that was open when its address was forgotten lives on: what a client
 * may have opened it may finish. Whatever is not plain TCP, UDP or an echo request (fragments, IPv4
 * options, IPv6 extension headers, other protocols) is refused; DNS to anybody but an address
 * entry, too. Nothing comes in that is no answer.
 *
 * "corral-alive" marks packets, and "corral" passes marked ones only, from whom all earlier marks
 * were taken. That table belongs to a socket (NFT_TABLE_F_OWNER, Linux 5.12) that is held by the
 * process which answers for the list: when it dies, by whatever signal, the kernel drops the table,
 * and from the next packet on nothing passes, open connections included.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_FILTER_H
#define CORRAL_KERNEL_NETWORK_HELPER_FILTER_H

#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/network/helper/leases.h"
#include "kernel/network/ledger.h"
#include "policy/egress.h"

/* An address is open for its answer's time to live, not less than the first and not more than the
 * second, and for the grace: until the client gets to it. */
#define CORRAL_FILTER_TTL_MIN_S 300u
#define CORRAL_FILTER_TTL_MAX_S 3600u
#define CORRAL_FILTER_GRACE_S   60u

/* Connections that are open at a time in the guest's namespace; one more is refused. */
#define CORRAL_FILTER_CONNECTIONS_MAX 4096u

/*
 * SO_MARK of what the process itself sends from within the namespace, questions to name servers:
 * passes whatever the list. Setting one takes CAP_NET_ADMIN or CAP_NET_RAW, which no guest has
 * whose network is "allow".
 */
#define CORRAL_FILTER_MARK_OWN 0x636f7273u

/* Sockets of the guest's namespace; they work wherever they are held. */
struct corral_filter_fds {
	int rules; /* of nftables: opens addresses, reads counters */
	int alive; /* whose end closes all: to be held by one process alone */
};

/*
 * Called in the guest's namespace, with CAP_NET_ADMIN over it. -EOPNOTSUPP: the kernel lacks
 * something, which is named.
 */
int corral_filter_install(const struct corral_egress *e, struct corral_filter_fds *ret,
                          struct corral_error *err);

struct corral_filter;

/* Takes the sockets, also when it fails; borrows e. */
int corral_filter_new(struct corral_filter_fds *take_fds, const struct corral_egress *e,
                      struct corral_filter **ret, struct corral_error *err);
void corral_filter_free(struct corral_filter *f);
/* Borrowed. */
struct corral_filter_fds corral_filter_fds(const struct corral_filter *f);
/* For corral_auto(). */
static inline void corral_filter_freep(struct corral_filter **p)
{
	corral_filter_free(*p);
}

/* Opens the addresses for the ports of sets, as the name's; in force when it returns 0. -ENOSPC:
 * more than CORRAL_FILTER_LEASES_MAX. */
int corral_filter_lease(struct corral_filter *f, const char *name, uint64_t sets,
                        const struct corral_address *addresses, size_t n, uint32_t ttl_s,
                        struct corral_error *err);

/* Adds whom the guest talked to, and what of its packets was refused. More destinations than are
 * counted apart are counted together, as connections and packets that were left out. */
int corral_filter_report(struct corral_filter *f, struct corral_ledger *to,
                         struct corral_error *err);

#endif
