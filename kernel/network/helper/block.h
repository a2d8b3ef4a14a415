/*
 * A block of addresses on this host that one corral-net has for itself: CORRAL_NET_BLOCK_PLACES
 * pairs of addresses, the names of as many links, and a table of nftables which says what these
 * links may do. Everything about the places of a block is fixed when it is opened, so that
 * connecting a sandbox changes no rule.
 *
 * The table belongs to a netlink socket ("flags owner", Linux 5.12), which every child inherits: it
 * is there as long as any of them lives, and so longer than any link. Before 5.12 a table that
 * nobody took away is replaced by whoever opens that block next.
 *
 * Which places were used since the host last forgot their connections is written into the file of
 * locks, before they are used: so nobody inherits an answer or a translation (NAT) that was meant
 * for the one before, also when that one's corral-net was killed.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_BLOCK_H
#define CORRAL_KERNEL_NETWORK_HELPER_BLOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/network/helper/host.h"

#define CORRAL_NET_BLOCK_PLACES 64
#define CORRAL_NET_BLOCKS       512
#define CORRAL_NET_LINK_PREFIX  "crl"
/* Connections that the host tracks for one sandbox at a time; one more is refused. Less where the
 * host's table (net.netfilter.nf_conntrack_max) would be full with a block of such sandboxes. */
#define CORRAL_NET_CONNECTIONS_MAX 4096
#define CORRAL_NET_CONNECTIONS_MIN 64
/* It may begin as many at once, and again within so many seconds, whatever became of them: a steady
 * 256 a second hold 15,000 places of the host's table, of mostly 262,144. */
#define CORRAL_NET_REFILL_S 16
/* What has ended stays for its peer's own TIME-WAIT: until then the host gives that port to nobody,
 * whose first packet the peer would not take. The kernel's own would be two minutes. */
#define CORRAL_NET_TIME_WAIT_S 60
#define CORRAL_NET_CLOSE_S     10

/* One sandbox's: /31 and /127, the host's end is the even address. */
struct corral_net_place {
	char link[16]; /* the host's end: "crl3-17" */
	struct in_addr host, guest;
	bool has_ipv6;
	struct in6_addr host6, guest6;
	uint32_t mtu;
	int table_fd; /* keeps the rules in force while anybody has it; borrowed, or -1 */
};

struct corral_net_block;

/* runtime_dir: where blocks are locked. The first that is free. */
int corral_net_block_open(const char *runtime_dir, const struct corral_net_host *host,
                          struct corral_net_block **ret, struct corral_error *err);
/* Takes its table away. Takes NULL. */
void corral_net_block_close(struct corral_net_block *b);
/* False when all of its places are taken. */
bool corral_net_block_take(struct corral_net_block *b, struct corral_net_place *ret,
                           unsigned int *ret_index);
/* used: packets may have come from there. The host then forgets its connections before anybody has
 * that place again. */
void corral_net_block_give(struct corral_net_block *b, unsigned int index, bool used);
void corral_net_block_place(const struct corral_net_block *b, unsigned int index,
                            struct corral_net_place *ret);

/* How many connections a sandbox may have, of a host whose table takes conntrack_max (0: unknown).
 * Pure. */
unsigned int corral_net_connections_max(unsigned int conntrack_max);

/*
 * What all sandboxes of the host together may have: a quarter of its table open, and begin no more
 * than another quarter's worth within the time that one stays which has ended. So at most half of
 * the table is theirs. The open ones are counted in parts, in any of which a connection is at
 * random: as the kernel looks through all that it counts together.
 */
struct corral_net_share {
	unsigned int parts; /* a power of two */
	unsigned int each;  /* open connections in a part */
	unsigned int a_second, at_once;
	/* Before that, what each sandbox has of its own. */
	unsigned int own, own_a_second;
};

/* time_wait_s: for so long one stays that has ended. Pure. */
struct corral_net_share corral_net_share(unsigned int conntrack_max, unsigned int time_wait_s);

/* The table of block number n, for tests: added to a batch that was begun with its name. */
struct corral_nft_batch;
void corral_net_block_rules(unsigned int n, const struct corral_net_host *host, bool owner,
                            struct corral_nft_batch *b);

#endif
