/*
 * The name server of a sandbox whose network is "allow": the only one it can reach.
 *
 * It answers for names on the list and knows no others, of which nothing leaves the host. A
 * question for a listed name goes to the host's name servers under a number and a port of its own;
 * the addresses that come back are opened for the name's ports before the guest hears of them. What
 * comes back is as hostile as what asks: addresses that are not of the public internet are left out
 * unless an address entry names them, times to live are cut, records that were not asked for are
 * not handed on, nor is anything that is no address (HTTPS records would carry some).
 *
 * A name that is not listed does not exist (NXDOMAIN): clients give up on that at once, where they
 * would ask again after REFUSED. Those who can read it are told why (RFC 8914).
 *
 * One thread, one epoll descriptor that waits for everything; bounded in questions, connections,
 * bytes and time. If the process dies, the filter closes all (filter.h).
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_RESOLVER_H
#define CORRAL_KERNEL_NETWORK_HELPER_RESOLVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "kernel/base/error.h"
#include "kernel/network/ledger.h"
#include "policy/egress.h"

#define CORRAL_RESOLVER_QUERIES_MAX     64 /* on their way at a time */
#define CORRAL_RESOLVER_CONNECTIONS_MAX 16
#define CORRAL_RESOLVER_PER_SECOND      200 /* questions, in the long run; twice as many at once */
#define CORRAL_RESOLVER_UPSTREAMS_MAX   3
/* Asked anew after that, and given up after so many times: before a client gives up, who mostly
 * waits for 5 seconds. */
#define CORRAL_RESOLVER_TRY_MS 1500
#define CORRAL_RESOLVER_TRIES  3

struct corral_upstream {
	struct sockaddr_storage address;
	socklen_t len;
};

/* What it needs of others; the context is handed to each. */
struct corral_resolver_ops {
	/* A socket that does not block, from which name servers are reached. */
	int (*socket)(void *context, int family, int type, struct corral_error *err);
	/* As corral_filter_lease(). */
	int (*lease)(void *context, const char *name, uint64_t sets,
	             const struct corral_address *addresses, size_t n, uint32_t ttl_s,
	             struct corral_error *err);
};

struct corral_resolver;

/*
 * Listens on the two sockets, bound and (tcp_fd) listening in the guest's namespace, which it
 * takes, also when it fails. Borrows the list, the ops and the context; copies the upstreams, of
 * which there may be none: then nothing is resolved.
 */
int corral_resolver_new(const struct corral_egress *e, const struct corral_resolver_ops *ops,
                        void *context, const struct corral_upstream *upstreams, size_t n_upstreams,
                        int take_udp_fd, int take_tcp_fd, struct corral_resolver **ret,
                        struct corral_error *err);
void corral_resolver_free(struct corral_resolver *r);
/* For corral_auto(). */
static inline void corral_resolver_freep(struct corral_resolver **p)
{
	corral_resolver_free(*p);
}

/* From now on asks these, of which it copies CORRAL_RESOLVER_UPSTREAMS_MAX. */
void corral_resolver_ask(struct corral_resolver *r, const struct corral_upstream *upstreams,
                         size_t n_upstreams);
/* Readable when there is something to do, time that passed included. Borrowed. */
int corral_resolver_fd(const struct corral_resolver *r);
/* Does it, and never waits. What fails is one question's matter. */
void corral_resolver_step(struct corral_resolver *r);

/* Adds the names that were refused. */
void corral_resolver_report(const struct corral_resolver *r, struct corral_ledger *to);

/* "nameserver" lines of a resolv.conf(5). Returns how many, at most max. */
size_t corral_resolver_upstreams(const char *resolv_conf, struct corral_upstream *ret, size_t max);

/* The two sockets to listen on, of the namespace of whoever calls: address is IPv4, port 53. */
int corral_resolver_listen(const char *address, int *ret_udp_fd, int *ret_tcp_fd,
                           struct corral_error *err);

#endif
