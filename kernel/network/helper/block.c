#include "kernel/network/helper/block.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/network/helper/beyond.h"
#include "kernel/network/helper/conntrack.h"
#include "kernel/network/helper/nft.h"

/* Where services seldom are: 51820 is WireGuard's, 41641 Tailscale's. */
#define NAT_PORTS "52000-65535"

/* fd63:6f72:7261:BLOCK::/64, of which the middle spells corral. */
static const uint8_t ula[6] = { 0xfd, 0x63, 0x6f, 0x72, 0x72, 0x61 };

struct corral_net_block {
	unsigned int number;
	struct corral_net_host host;
	int lock_fd; /* the block is ours while this description is open anywhere */
	struct corral_nft *nft;
	bool owned; /* the table goes with nft */
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
	ret->table_fd = b->owned ? corral_nft_fd(b->nft) : -1;
}

static void guests_add(struct corral_buf *out, unsigned int n, struct in_addr base, int family)
{
	char text[INET6_ADDRSTRLEN];
	struct corral_net_place p;

	corral_buf_fmt(out, " set guests%s { type ifname . %s; elements = {",
	               family == AF_INET ? "4" : "6",
	               family == AF_INET ? "ipv4_addr" : "ipv6_addr");
	for (unsigned int i = 0; i < CORRAL_NET_BLOCK_PLACES; i++) {
		block_place(n, base, true, i, &p);
		(void)inet_ntop(family, family == AF_INET ? (void *)&p.guest : (void *)&p.guest6,
		                text, sizeof(text));
		corral_buf_fmt(out, "%s \"%s\" . %s", i ? "," : "", p.link, text);
	}
	corral_buf_str(out, " } }\n");
}

/*
 * In the order of a packet's way. Verdicts of a drop are final; an acceptance is not, other tables
 * have their say. Where a guest is refused it is told, so that nothing of it hangs.
 */
static const char rules_before[] =
        " chain from { type filter hook prerouting priority -310; policy accept;\n"
        "  iifname != \"%s*\" accept\n"
        /* Nobody's address but its own leaves a sandbox. */
        "  meta nfproto ipv4 iifname . ip saddr != @guests4 drop\n";
static const char rules[] =
        " chain host { type filter hook input priority -10; policy accept;\n"
        "  iifname \"%s*\" reject with icmpx admin-prohibited\n"
        " }\n"
        " chain forward { type filter hook forward priority -10; policy accept;\n"
        "  iifname \"%s*\" jump out\n"
        "  oifname \"%s*\" ct state established,related accept\n"
        "  oifname \"%s*\" drop\n"
        " }\n"
        /* Nobody of the host begins anything with a guest, whose answers would be refused above.
         * What is no user's (of whom none is the last number) is an error that the kernel tells. */
        " chain local { type filter hook output priority -10; policy accept;\n"
        "  oifname \"%s*\" ct state != { established, related } meta skuid != 4294967295"
        " reject with icmpx admin-prohibited\n"
        " }\n"
        " chain out {\n"
        /* Other sandboxes, of any corral. */
        "  oifname \"" CORRAL_NET_LINK_PREFIX "*\" reject with icmpx admin-prohibited\n"
        /* A port of the host's that is sent on to somewhere. */
        "  ct status dnat ct state new reject with icmpx admin-prohibited\n";
/* Last, as only what is not refused is tracked. Counted by "nft list table". */
static const char rules_after[] =
        "  ct state new add @connections { iifname ct count over %u } counter"
        " reject with icmpx admin-prohibited\n"
        " }\n";

/*
 * Never by the port that a guest took: a bare "masquerade" keeps it where it is free, and what a
 * peer sends to a service of the host's at that port would then be the guest's.
 */
static void nat_add(struct corral_buf *out, const char *ip, const char *from, unsigned int prefix)
{
	corral_buf_fmt(out,
	               "  %s saddr %s/%u meta l4proto { tcp, udp, udplite, dccp, sctp }"
	               " masquerade to :" NAT_PORTS " fully-random\n"
	               "  %s saddr %s/%u masquerade\n",
	               ip, from, prefix, ip, from, prefix);
}

unsigned int corral_net_connections_max(unsigned int conntrack_max)
{
	unsigned int share = conntrack_max / CORRAL_NET_BLOCK_PLACES;

	if (!conntrack_max || share > CORRAL_NET_CONNECTIONS_MAX)
		return CORRAL_NET_CONNECTIONS_MAX;
	return share < CORRAL_NET_CONNECTIONS_MIN ? CORRAL_NET_CONNECTIONS_MIN : share;
}

void corral_net_block_rules(unsigned int n, const struct corral_net_host *host, bool owner,
                            struct corral_buf *ret)
{
	const struct in_addr base = host->base;
	const bool has_ipv6 = host->has_ipv6;
	struct corral_net_place first;
	char prefix[16], text[INET6_ADDRSTRLEN];

	block_place(n, base, has_ipv6, 0, &first);
	(void)snprintf(prefix, sizeof(prefix), CORRAL_NET_LINK_PREFIX "%u-", n);
	corral_buf_fmt(ret, "table inet corral-%u {%s\n", n, owner ? " flags owner;" : "");
	guests_add(ret, n, base, AF_INET);
	if (has_ipv6)
		guests_add(ret, n, base, AF_INET6);
	corral_buf_fmt(ret, " set connections { type ifname; flags dynamic; size %d; }\n",
	               CORRAL_NET_BLOCK_PLACES);
	/* NOLINTNEXTLINE: the formats are above, and take prefixes and a number alone */
	corral_buf_fmt(ret, rules_before, prefix);
	corral_buf_str(ret,
	               has_ipv6 ? "  meta nfproto ipv6 iifname . ip6 saddr != @guests6 drop\n }\n"
	                        : "  meta nfproto ipv6 drop\n }\n");
	corral_buf_fmt(ret, rules, prefix, prefix, prefix, prefix, prefix);
	corral_net_beyond_refuse(ret, "reject with icmpx admin-prohibited");
	corral_buf_fmt(ret, rules_after, corral_net_connections_max(host->conntrack_max));
	corral_buf_str(ret,
	               " chain nat { type nat hook postrouting priority 100; policy accept;\n");
	(void)inet_ntop(AF_INET, &first.host, text, sizeof(text));
	nat_add(ret, "ip", text, 25);
	if (has_ipv6) {
		(void)inet_ntop(AF_INET6, &first.host6, text, sizeof(text));
		nat_add(ret, "ip6", text, 64);
	}
	corral_buf_str(ret, " }\n}\n");
}

_Static_assert(2 * CORRAL_NET_BLOCK_PLACES == 1u << (32 - 25), "a block is a /25");
_Static_assert(CORRAL_NET_BLOCKS <= 512, "all blocks together are a /16");

/* anew: what was left by one that could not own it is in the way, and nobody's, as the block is
 * ours. Not at once, as libnftables takes half a megabyte for each mention of a table; one that is
 * there has another owner or none, for which the kernel refuses it (nf_tables_updtable()). */
static int table_make(struct corral_net_block *b, bool owner, bool anew, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r = corral_nft_new(&b->nft, err);

	if (r < 0)
		return r;
	if (anew)
		corral_buf_fmt(&text, "table inet corral-%u\ndelete table inet corral-%u\n",
		               b->number, b->number);
	corral_net_block_rules(b->number, &b->host, owner, &text);
	r = text.failed ? corral_error_set(err, ENOMEM, "nftables: out of memory")
	                : corral_nft_run(b->nft, text.data, err);
	if (r < 0) {
		corral_nft_free(b->nft);
		b->nft = NULL;
		return r;
	}
	b->owned = owner;
	return 0;
}

/* Whether any chain drops what is forwarded: asked first, since libnftables takes long to list. */
static int chain_see(struct nl_msg *msg, void *ret_found)
{
	struct nla_policy none_chain[NFTA_CHAIN_MAX + 1] = { { 0 } };
	struct nla_policy none_hook[NFTA_HOOK_MAX + 1] = { { 0 } };
	struct nlattr *chain[NFTA_CHAIN_MAX + 1], *hook[NFTA_HOOK_MAX + 1];

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), chain, NFTA_CHAIN_MAX,
	                none_chain) < 0 ||
	    !chain[NFTA_CHAIN_HOOK] || !chain[NFTA_CHAIN_POLICY] ||
	    nla_parse_nested(hook, NFTA_HOOK_MAX, chain[NFTA_CHAIN_HOOK], none_hook) < 0 ||
	    !hook[NFTA_HOOK_HOOKNUM])
		return NL_OK;
	if (ntohl(nla_get_u32(hook[NFTA_HOOK_HOOKNUM])) == NF_INET_FORWARD &&
	    ntohl(nla_get_u32(chain[NFTA_CHAIN_POLICY])) == NF_DROP)
		*(bool *)ret_found = true;
	return NL_OK;
}

/* Also when it cannot be told. */
static bool firewall_may_drop(void)
{
	struct nfgenmsg any = { AF_UNSPEC, NFNETLINK_V0, 0 };
	struct nl_sock *sock = nl_socket_alloc();
	bool found = false;

	if (!sock || nl_connect(sock, NETLINK_NETFILTER) < 0 ||
	    nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, chain_see, &found) < 0 ||
	    nl_send_simple(sock, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, &any,
	                   sizeof(any)) < 0 ||
	    nl_recvmsgs_default(sock) < 0)
		found = true;
	nl_socket_free(sock);
	return found;
}

static int firewall_look(const char *uplink, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_auto(corral_nft_freep) struct corral_nft *nft = NULL;
	char command[96];
	const char *table;

	if (!firewall_may_drop())
		return 0;
	/* What cannot be listed cannot be judged, and is left to those who made it. */
	if (corral_nft_new(&nft, NULL) < 0 || corral_nft_ask(nft, "list chains", &text, NULL) < 0 ||
	    !text.data)
		return 0;
	table = corral_net_firewall_in_the_way(text.data);
	if (!table)
		return 0;
	/* Its rules as well, of which there may be very many. */
	(void)snprintf(command, sizeof(command), "list table %.64s", table);
	corral_buf_done(&text);
	if (corral_nft_ask(nft, command, &text, NULL) < 0 || !text.data)
		return 0;
	table = corral_net_firewall_in_the_way(text.data);
	if (!table)
		return 0;
	return corral_error_set(
	        err, EPERM,
	        "network 'bridge': the host's firewall (table %.40s) drops what is forwarded: let "
	        "sandboxes through: iptables -I FORWARD -i crl+ -o %.15s -j ACCEPT; iptables -I "
	        "FORWARD -o crl+ -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
	        table, uplink && *uplink ? uplink : "UPLINK");
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
	const char mark = used;

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
	int r = firewall_look(host->uplink, err);

	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b));
	if (!b)
		return corral_error_set(err, ENOMEM, "network: out of memory");
	b->host = *host;
	b->lock_fd = r = lock_open(runtime_dir, err);
	if (r >= 0)
		r = block_make(b, err);
	if (r >= 0) {
		marks_read(b);
		r = places_clean(b, err);
		/* Somewhere: the links of whoever had the block just now may still be about to go. */
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
	char text[64];

	if (!b)
		return;
	if (b->nft && !b->owned) {
		(void)snprintf(text, sizeof(text), "delete table inet corral-%u", b->number);
		(void)corral_nft_run(b->nft, text, NULL);
	}
	corral_nft_free(b->nft);
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
