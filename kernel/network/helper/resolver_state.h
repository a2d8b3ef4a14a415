/* What a resolver keeps: for resolver.c alone. */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_RESOLVER_STATE_H
#define CORRAL_KERNEL_NETWORK_HELPER_RESOLVER_STATE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/network/helper/dns_message.h"
#include "kernel/network/helper/rate.h"
#include "kernel/network/helper/resolver.h"

#define REFUSED_NAMES_MAX 64
/* All that corral_dns_answer_write() can have to say. */
#define ANSWER_MAX       6144
#define UPSTREAM_UDP_MAX 4096

enum corral_watch_kind {
	WATCH_UDP,
	WATCH_TCP,
	WATCH_TIMER,
	WATCH_QUERY,
	WATCH_CONNECTION,
};

/* One of the guest's connections: a question at a time, the next is read when it is answered. */
struct connection {
	int fd; /* -1: free */
	uint32_t generation;
	bool busy;
	uint64_t deadline_ms;
	uint8_t in[2 + CORRAL_DNS_QUERY_MAX];
	size_t in_len;
	uint8_t *out;
	size_t out_len, out_at;
};

/* Where an answer goes. */
struct origin {
	struct sockaddr_in address;
	struct connection *connection; /* NULL: by UDP */
	uint32_t generation;
};

/* A question on its way. */
struct query {
	bool used, by_tcp;
	uint16_t id;
	unsigned int tries;
	size_t upstream;
	int fd;
	uint64_t deadline_ms, sets;
	struct origin from;
	struct corral_dns_question question;
	char name[CORRAL_EGRESS_NAME_SIZE];
	uint8_t *in; /* by TCP: what came so far */
	size_t in_len;
};

struct corral_refused_name {
	char *name;
	enum corral_refusal_reason reason;
	struct corral_address address;
	uint64_t count;
};

struct corral_resolver {
	const struct corral_egress *egress;
	const struct corral_resolver_ops *ops;
	void *context;
	int epoll_fd, timer_fd, udp_fd, tcp_fd;
	uint64_t timer_ms; /* when it ends; 0: it is not set */
	struct corral_net_rate rate;
	bool tcp_rests; /* no descriptor is left for another connection */
	struct corral_upstream upstreams[CORRAL_RESOLVER_UPSTREAMS_MAX];
	size_t n_upstreams, first_upstream, n_queries;
	struct query queries[CORRAL_RESOLVER_QUERIES_MAX];
	struct connection connections[CORRAL_RESOLVER_CONNECTIONS_MAX];
	struct corral_refused_name refused[REFUSED_NAMES_MAX];
	size_t n_refused;
	uint64_t refused_dropped;
};

#endif
