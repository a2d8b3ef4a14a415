#include "kernel/network/helper/block.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/beyond.h"
#include "kernel/network/helper/conntrack.h"
#include "kernel/network/helper/firewall.h"
#include "kernel/network/helper/nft_set.h"
#include "kernel/network/helper/nft_words.h"

/* Where services seldom are: 51820 is WireGuard's, 41641 Tailscale's. */
#define NAT_PORT_FIRST 52000
#define NAT_PORT_LAST  65535

/* Names of sets. */
#define GUESTS4     "guests4"
#define GUESTS6     "guests6"
#define CONNECTIONS "connections"
#define BEGINNINGS  "beginnings"
#define ALL         "all_connections"
/* What each has of its own, whatever the others do. */
#define OWN       "own_connections"
#define OWN_BEGUN "own_beginnings"
/* Of timeouts. */
#define ENDED "ended"

/* Of a table whose size is not known: the most usual one. */
#define CONNTRACK_USUAL 262144
#define PART_MIN        512
/* Of what a sandbox may have. */
#define OWN_SHARE 16

/* fd63:6f72:7261:BLOCK::/64, of which the middle spells corral. */
static const uint8_t ula[6] = { 0xfd, 0x63, 0x6f, 0x72, 0x72, 0x61 };

struct corral_net_block {
	unsigned int number;
	struct corral_net_host host;
	int lock_fd;  /* the block is ours while this description is open anywhere */
	int rules_fd; /* of the table, or -1 */
	bool owned;   /* the table goes with it */
	bool taken[CORRAL_NET_BLOCK_PLACES];
	bool used[CORRAL_NET_BLOCK_PLACES]; /* since the host last forgot its connections */
	unsigned int next;
};

static void block_place(unsigned int n, struct in_addr base, bool has_ipv6, unsigned int index,
                        struct corral_net_place *ret)
{
	uint32_t first = ntohl(base.s_addr) + 2 * (n * CORRAL_NET_BLOCK_PLACES + index);

	*ret = (struct corral_net_place) { .has_ipv6 = has_ipv6, .table_fd = -1 };
	(void)snprintf(ret->link, sizeof(ret->link), CORRAL_NET_LINK_PREFIX "%u-%u", n, index);
	ret->host.s_addr = htonl(first);
	ret->guest.s_addr = htonl(first + 1);
	memcpy(&ret->host6, ula, sizeof(ula));
	ret->host6.s6_addr[6] = (uint8_t)(n >> 8);
	ret->host6.s6_addr[7] = (uint8_t)n;
	ret->host6.s6_addr[15] = (uint8_t)(2 * index);
	ret->guest6 = ret->host6;
	ret->guest6.s6_addr[15]++;
}

void corral_net_block_place(const struct corral_net_block *b, unsigned int index,
                            struct corral_net_place *ret)
{
	block_place(b->number, b->host.base, b->host.has_ipv6, index, ret);
	ret->mtu = b->host.mtu;
	ret->table_fd = b->owned ? b->rules_fd : -1;
}

/* Links and the addresses of their guests: a link's name has the length of any, with zeros. */
static void guests_add(struct corral_nft_batch *b, unsigned int n, struct in_addr base, int family)
{
	const enum corral_nft_field key[] = { CORRAL_NFT_IIFNAME, family == AF_INET
		                                                          ? CORRAL_NFT_IP_SADDR
		                                                          : CORRAL_NFT_IP6_SADDR };
	const char *name = family == AF_INET ? GUESTS4 : GUESTS6;
	struct corral_nft_elements e;
	struct corral_net_place p;
	struct {
		char link[sizeof(p.link)];
		uint8_t address[sizeof(p.guest6)];
	} of = { .link = "" };
	const size_t size = family == AF_INET ? sizeof(p.guest) : sizeof(p.guest6);

	corral_nft_set_add(b, name, 0, 0, key, CORRAL_COUNT(key));
	corral_nft_elements_begin(&e, b, NFT_MSG_NEWSETELEM, name, b->set_id,
	                          CORRAL_NET_BLOCK_PLACES);
	for (unsigned int i = 0; i < CORRAL_NET_BLOCK_PLACES; i++) {
		block_place(n, base, true, i, &p);
		memcpy(of.link, p.link, sizeof(of.link));
		memcpy(of.address, family == AF_INET ? (void *)&p.guest : (void *)&p.guest6, size);
		corral_nft_element(&e, &of, sizeof(of.link) + size, 0, 0);
	}
	corral_nft_elements_end(&e);
}

static void chains_add(struct corral_nft_batch *b)
{
	corral_nft_chain_hook(b, "from", "filter", NF_INET_PRE_ROUTING, -310, NF_ACCEPT);
	corral_nft_chain_hook(b, "host", "filter", NF_INET_LOCAL_IN, -10, NF_ACCEPT);
	corral_nft_chain_hook(b, "forward", "filter", NF_INET_FORWARD, -10, NF_ACCEPT);
	corral_nft_chain_hook(b, "local", "filter", NF_INET_LOCAL_OUT, -10, NF_ACCEPT);
	corral_nft_chain_add(b, "out");
	corral_nft_chain_hook(b, "everybody", "filter", NF_INET_FORWARD, -9, NF_ACCEPT);
	corral_nft_chain_add(b, "begins");
	corral_nft_chain_hook(b, "nat", "nat", NF_INET_POST_ROUTING, 100, NF_ACCEPT);
}

/*
 * In the order of a packet's way; ours: how the names of the block's links begin. Verdicts of a
 * drop are final; an acceptance is not, other tables have their say. Where a guest is refused it is
 * told, so that nothing of it hangs.
 */
static void rules_add(struct corral_nft_batch *b, const char *ours,
                      const struct corral_net_host *host)
{
	const uint32_t each = corral_net_connections_max(host->conntrack_max);
	struct corral_prefix own[] = {
		{ corral_address_of((const uint8_t *)&host->base, sizeof(host->base)), 16 },
		{ .address.family = 6, .len = 8 * sizeof(ula) },
	};

	memcpy(own[1].address.bytes, ula, sizeof(ula));
	RULE(b, "from", BEGINS_NOT(IIFNAME, ours), ACCEPT);
	/* Nobody's address but its own leaves a sandbox. */
	RULE(b, "from", NOT_IN_SET(GUESTS4, CORRAL_NFT_IIFNAME, CORRAL_NFT_IP_SADDR), DROP);
	if (host->has_ipv6)
		RULE(b, "from", NOT_IN_SET(GUESTS6, CORRAL_NFT_IIFNAME, CORRAL_NFT_IP6_SADDR),
		     DROP);
	else
		RULE(b, "from", IS(NFPROTO, NFPROTO_IPV6), DROP);

	RULE(b, "host", BEGINS(IIFNAME, ours), PROHIBIT);

	RULE(b, "forward", BEGINS(IIFNAME, ours), JUMP("out"));
	RULE(b, "forward", BEGINS(OIFNAME, ours), HAS(STATE, ESTABLISHED | RELATED), ACCEPT);
	RULE(b, "forward", BEGINS(OIFNAME, ours), DROP);

	/* Nobody of the host begins anything with a guest, whose answers would be refused above.
	 * What is no user's (of whom none is the last number) is an error that the kernel tells. */
	RULE(b, "local", BEGINS(OIFNAME, ours), NONE_OF(STATE, ESTABLISHED, RELATED),
	     IS_NOT(SKUID, UINT32_MAX), PROHIBIT);

	/* Other sandboxes, of any corral. */
	RULE(b, "out", BEGINS(OIFNAME, CORRAL_NET_LINK_PREFIX), PROHIBIT);
	/* What is none's now, or their side of a link, would leave by the host's default route. */
	corral_net_prefixes_refuse(b, "out", own, CORRAL_COUNT(own), &PROHIBIT);
	/* A port of the host's that is sent on to somewhere. */
	RULE(b, "out", HAS(STATUS, IPS_DST_NAT), HAS(STATE, NEW), PROHIBIT);
	corral_net_beyond_refuse(b, "out", &PROHIBIT);
	/* Last, as only what is not refused is tracked. Counted by "nft list table". */
	RULE(b, "out", HAS(STATE, NEW),
	     CONNECTIONS_EACH_OVER(each, CONNECTIONS, CORRAL_NFT_IIFNAME), COUNTED, PROHIBIT);
	/* Those that have ended are in the host's table for a time, and in no count. */
	RULE(b, "out", HAS(STATE, NEW),
	     RATE_EACH_OVER(each / CORRAL_NET_REFILL_S, each, BEGINNINGS, CORRAL_NFT_IIFNAME),
	     COUNTED, PROHIBIT);
	if (!host->time_wait_s)
		RULE(b, "out", HAS(STATE, NEW), IS(L4PROTO, IPPROTO_TCP), ENDS_BY(ENDED));
}

/*
 * The sandboxes of all corrals together, however many tables like this one there are: each counts
 * what they all begin, so that the oldest has seen everything that those which live have open.
 * Behind the tables' own refusals, by which nobody else loses; and a few are each sandbox's own, so
 * that some that take all they can get do not shut out the others.
 */
static void everybody_add(struct corral_nft_batch *b, const struct corral_net_host *host)
{
	const struct corral_net_share all =
	        corral_net_share(host->conntrack_max,
	                         host->time_wait_s ? host->time_wait_s : CORRAL_NET_TIME_WAIT_S);

	RULE(b, "everybody", BEGINS(IIFNAME, CORRAL_NET_LINK_PREFIX), HAS(STATE, NEW),
	     JUMP("begins"));
	/* What got no answer yet begins nothing anew, and would be counted in another part. */
	RULE(b, "begins", HAS(STATUS, IPS_CONFIRMED), ACCEPT);
	/* In this order: a list is looked through for each connection that it counts, in every
	 * table. That of one sandbox's counts but what it begins while the part is full. */
	RULE(b, "begins", CONNECTIONS_IN_A_PART_OVER(all.each, all.parts, ALL),
	     CONNECTIONS_EACH_OVER(all.own, OWN, CORRAL_NFT_IIFNAME), COUNTED, PROHIBIT);
	RULE(b, "begins", RATE_EACH_OVER(all.own_a_second, all.own, OWN_BEGUN, CORRAL_NFT_IIFNAME),
	     RATE_OVER(all.a_second, all.at_once), COUNTED, PROHIBIT);
}

/*
 * Never by the port that a guest took: a bare masquerade keeps it where it is free, and what a
 * peer sends to a service of the host's at that port would then be the guest's.
 */
static void nat_add(struct corral_nft_batch *b, const void *from, size_t size, unsigned int len)
{
	const struct corral_prefix guests = { corral_address_of(from, size), (uint8_t)len };

	RULE(b, "nat", FROM(&guests),
	     ONE_OF(L4PROTO, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_DCCP, IPPROTO_SCTP),
	     MASQUERADE_FROM(NAT_PORT_FIRST, NAT_PORT_LAST));
	RULE(b, "nat", FROM(&guests), MASQUERADE);
}

unsigned int corral_net_connections_max(unsigned int conntrack_max)
{
	unsigned int share = conntrack_max / CORRAL_NET_BLOCK_PLACES;

	if (!conntrack_max || share > CORRAL_NET_CONNECTIONS_MAX)
		return CORRAL_NET_CONNECTIONS_MAX;
	return share < CORRAL_NET_CONNECTIONS_MIN ? CORRAL_NET_CONNECTIONS_MIN : share;
}

struct corral_net_share corral_net_share(unsigned int conntrack_max, unsigned int time_wait_s)
{
	const unsigned int quarter = (conntrack_max ? conntrack_max : CONNTRACK_USUAL) / 4;
	struct corral_net_share s = { .parts = 2, .at_once = quarter / 8 };

	while (2 * s.parts <= quarter / PART_MIN)
		s.parts *= 2;
	s.each = quarter / s.parts;
	s.a_second = (quarter - s.at_once) / (time_wait_s ? time_wait_s : 1);
	/* The kernel takes no 0, and a table as small as that is nobody's. */
	s.a_second += !s.a_second;
	s.own = corral_net_connections_max(conntrack_max) / OWN_SHARE;
	s.own_a_second = s.own / CORRAL_NET_REFILL_S;
	s.own_a_second += !s.own_a_second;
	return s;
}

void corral_net_block_rules(unsigned int n, const struct corral_net_host *host, bool owner,
                            struct corral_nft_batch *b)
{
	static const enum corral_nft_field link = CORRAL_NFT_IIFNAME, part = CORRAL_NFT_RANDOM;
	const unsigned int parts = corral_net_share(host->conntrack_max, 1).parts;
	struct corral_net_place first;
	char ours[16];

	block_place(n, host->base, host->has_ipv6, 0, &first);
	(void)snprintf(ours, sizeof(ours), CORRAL_NET_LINK_PREFIX "%u-", n);
	corral_nft_table_add(b, owner ? NFT_TABLE_F_OWNER : 0);
	guests_add(b, n, host->base, AF_INET);
	if (host->has_ipv6)
		guests_add(b, n, host->base, AF_INET6);
	corral_nft_set_add(b, CONNECTIONS, NFT_SET_EVAL, CORRAL_NET_BLOCK_PLACES, &link, 1);
	corral_nft_set_add(b, BEGINNINGS, NFT_SET_EVAL, CORRAL_NET_BLOCK_PLACES, &link, 1);
	corral_nft_set_add(b, ALL, NFT_SET_EVAL, parts, &part, 1);
	corral_nft_set_add(b, OWN, NFT_SET_EVAL, CORRAL_NET_BLOCKS * CORRAL_NET_BLOCK_PLACES, &link,
	                   1);
	corral_nft_set_add(b, OWN_BEGUN, NFT_SET_EVAL, CORRAL_NET_BLOCKS * CORRAL_NET_BLOCK_PLACES,
	                   &link, 1);
	if (!host->time_wait_s)
		corral_nft_timeouts_add(b, ENDED, CORRAL_NET_TIME_WAIT_S, CORRAL_NET_CLOSE_S);
	chains_add(b);
	rules_add(b, ours, host);
	everybody_add(b, host);
	nat_add(b, &first.host, sizeof(first.host), 25);
	if (host->has_ipv6)
		nat_add(b, &first.host6, sizeof(first.host6), 64);
}

_Static_assert(2 * CORRAL_NET_BLOCK_PLACES == 1u << (32 - 25), "a block is a /25");
_Static_assert(CORRAL_NET_BLOCKS <= 512, "all blocks together are a /16");

static void table_name(unsigned int n, char ret[16])
{
	(void)snprintf(ret, 16, "corral-%u", n);
}

/* anew: what was left by one that could not own it is in the way, and nobody's, as the block is
 * ours. A table that is there and another's the kernel refuses to take away. */
static int table_send(struct corral_net_block *b, const struct corral_net_host *host, bool owner,
                      bool anew, struct corral_error *err)
{
	corral_auto(corral_nft_batch_done) struct corral_nft_batch batch = CORRAL_NFT_BATCH_INIT;
	corral_autofd int fd = -1;
	char name[16];
	int r = corral_nft_open(&fd, err);

	if (r < 0)
		return r;
	table_name(b->number, name);
	corral_nft_batch_begin(&batch, name, 1);
	if (anew)
		corral_nft_table_clear(&batch);
	corral_net_block_rules(b->number, host, owner, &batch);
	r = corral_nft_batch_send(&batch, fd, err);
	if (r < 0)
		return r;
	b->rules_fd = corral_take_fd(&fd);
	b->owned = owner;
	return 0;
}

/* Where the kernel has no timeouts of a connection's own, what has ended stays for as long as the
 * host has it, and sandboxes begin fewer together: the bound is the same. */
static int table_make(struct corral_net_block *b, bool owner, bool anew, struct corral_error *err)
{
	struct corral_net_host as_it_is = b->host;
	int r = table_send(b, &b->host, owner, anew, err);

	if (r != -ENOENT && r != -EOPNOTSUPP)
		return r;
	as_it_is.time_wait_s = corral_net_host_time_wait_s();
	return table_send(b, &as_it_is, owner, anew, err);
}

static void table_remove(const struct corral_net_block *b)
{
	corral_auto(corral_nft_batch_done) struct corral_nft_batch batch = CORRAL_NFT_BATCH_INIT;
	char name[16];

	table_name(b->number, name);
	corral_nft_batch_begin(&batch, name, 1);
	corral_nft_table_delete(&batch);
	(void)corral_nft_batch_send(&batch, b->rules_fd, NULL);
}

/* The directory is the launcher's as well, and root's alone. */
static int lock_open(const char *runtime_dir, struct corral_error *err)
{
	corral_autofd int dir = -1;
	struct stat st;
	int fd;

	(void)mkdir(runtime_dir, 0700);
	dir = open(runtime_dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0)
		return corral_error_sys(err, errno, "open '%s'", runtime_dir);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return corral_error_set(err, EACCES,
		                        "'%s' must be a directory that only root can write",
		                        runtime_dir);
	fd = openat(dir, "network.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? corral_error_sys(err, errno, "open '%s/network.lock'", runtime_dir) : fd;
}

static bool lock_take(int fd, unsigned int n)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = n, .l_len = 1 };

	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* Behind the bytes that are locked: one for each place. */
static off_t mark_at(const struct corral_net_block *b, unsigned int index)
{
	return CORRAL_NET_BLOCKS + (off_t)b->number * CORRAL_NET_BLOCK_PLACES + index;
}

static int mark_set(struct corral_net_block *b, unsigned int index, bool used)
{
	const char mark = used ? 1 : 0;

	if (b->used[index] == used)
		return 0;
	if (pwrite(b->lock_fd, &mark, 1, mark_at(b, index)) != 1)
		return errno ? -errno : -EIO;
	b->used[index] = used;
	return 0;
}

static void marks_read(struct corral_net_block *b)
{
	char marks[CORRAL_NET_BLOCK_PLACES] = { 0 };

	if (pread(b->lock_fd, marks, sizeof(marks), mark_at(b, 0)) < 0)
		memset(marks, 1, sizeof(marks));
	for (unsigned int i = 0; i < CORRAL_NET_BLOCK_PLACES; i++)
		b->used[i] = marks[i] != 0;
}

/* All that are used and nobody's, in one look at the host's table. */
static int places_clean(struct corral_net_block *b, struct corral_error *err)
{
	struct corral_net_place places[CORRAL_NET_BLOCK_PLACES];
	unsigned int n = 0;
	int r;

	for (unsigned int i = 0; i < CORRAL_NET_BLOCK_PLACES; i++)
		if (b->used[i] && !b->taken[i])
			corral_net_block_place(b, i, &places[n++]);
	if (!n)
		return 0;
	r = corral_net_conntrack_forget(places, n, err);
	for (unsigned int i = 0; r == 0 && i < CORRAL_NET_BLOCK_PLACES; i++)
		if (b->used[i] && !b->taken[i])
			(void)mark_set(b, i, false);
	return r;
}

static int block_make(struct corral_net_block *b, struct corral_error *err)
{
	struct corral_error first = { 0 };
	int r = -EADDRNOTAVAIL;

	for (b->number = 0; b->number < CORRAL_NET_BLOCKS; b->number++) {
		if (!lock_take(b->lock_fd, b->number))
			continue;
		r = table_make(b, true, false, &first);
		if (r < 0)
			r = table_make(b, true, true, &first);
		if (r < 0)
			r = table_make(b, false, true, err);
		/* Somebody's who does not see our locks, but shares the network: the next. */
		if (r != -EPERM && r != -EBUSY && r != -EEXIST)
			return r;
	}
	return r == -EADDRNOTAVAIL
	               ? corral_error_set(err, EADDRNOTAVAIL,
	                                  "network 'bridge': all %u blocks of addresses are taken",
	                                  CORRAL_NET_BLOCKS)
	               : r;
}

int corral_net_block_open(const char *runtime_dir, const struct corral_net_host *host,
                          struct corral_net_block **ret, struct corral_error *err)
{
	struct corral_net_block *b;
	int r = corral_net_firewall_look(host->uplink, err);

	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b));
	if (!b)
		return corral_error_set(err, ENOMEM, "network: out of memory");
	b->host = *host;
	b->rules_fd = -1;
	b->lock_fd = r = lock_open(runtime_dir, err);
	if (r >= 0)
		r = block_make(b, err);
	if (r >= 0) {
		marks_read(b);
		r = places_clean(b, err);
		/* Somewhere: links of whoever had the block just now may still be about to go. */
		b->next = (unsigned int)getpid() % CORRAL_NET_BLOCK_PLACES;
	}
	if (r < 0) {
		corral_net_block_close(b);
		return r;
	}
	*ret = b;
	return 0;
}

void corral_net_block_close(struct corral_net_block *b)
{
	if (!b)
		return;
	/* Also where it would go by itself: closing the last copy of an owner waits for a grace
	 * period of RCU, a transaction leaves that to the kernel's worker
	 * (nf_tables_commit_release()). */
	if (b->rules_fd >= 0)
		table_remove(b);
	corral_fd_closep(&b->rules_fd);
	if (b->lock_fd >= 0)
		(void)close(b->lock_fd);
	free(b);
}

bool corral_net_block_take(struct corral_net_block *b, struct corral_net_place *ret,
                           unsigned int *ret_index)
{
	/* Round and round: the link of one that was given back may still be about to go. */
	for (unsigned int n = 0; n < CORRAL_NET_BLOCK_PLACES; n++) {
		unsigned int i = (b->next + n) % CORRAL_NET_BLOCK_PLACES;

		/* Written down before anything can come of it. */
		if (b->taken[i] || b->used[i] || mark_set(b, i, true) < 0)
			continue;
		b->taken[i] = true;
		b->next = i + 1;
		corral_net_block_place(b, i, ret);
		*ret_index = i;
		return true;
	}
	return false;
}

void corral_net_block_give(struct corral_net_block *b, unsigned int index, bool used)
{
	b->taken[index] = false;
	if (used)
		/* What cannot be forgotten now stays marked, and the place unused. */
		(void)places_clean(b, NULL);
	else
		(void)mark_set(b, index, false);
}
