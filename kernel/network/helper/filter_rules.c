/*
 * The table "corral": what filter.h promises, rule by rule.
 */
#include "kernel/network/helper/filter_rules.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter_ipv4.h>
#include <stdio.h>

#include "kernel/network/helper/beyond.h"
#include "kernel/network/helper/nft_set.h"
#include "kernel/network/helper/nft_words.h"

/* Holes in one entry's network: all that is special, and all that is the host's. */
#define HOLES_MAX 600

/* ARPHRD_LOOPBACK, which is in a header that others do not go along with. */
#define LOOPBACK 772
#define TCP      IPPROTO_TCP
#define UDP      IPPROTO_UDP

/* Keys of what is counted. */
#define TO4   CORRAL_NFT_IP_DADDR, CORRAL_NFT_L4PROTO, CORRAL_NFT_DPORT
#define TO6   CORRAL_NFT_IP6_DADDR, CORRAL_NFT_L4PROTO, CORRAL_NFT_DPORT
#define ODD4  CORRAL_NFT_IP_DADDR, CORRAL_NFT_L4PROTO
#define ODD6  CORRAL_NFT_IP6_DADDR, CORRAL_NFT_L4PROTO
#define FROM4 CORRAL_NFT_IP_SADDR, CORRAL_NFT_L4PROTO, CORRAL_NFT_SPORT
#define FROM6 CORRAL_NFT_IP6_SADDR, CORRAL_NFT_L4PROTO, CORRAL_NFT_SPORT

static enum corral_nft_field daddr(int family)
{
	return family == 4 ? CORRAL_NFT_IP_DADDR : CORRAL_NFT_IP6_DADDR;
}

/* Counted by address, protocol and port, and kept as long as the namespace. */
static void add_counted_sets(struct corral_nft_batch *b)
{
	static const struct {
		const char *names[2];
		uint32_t size;
		size_t n; /* without a port: of protocols without ports */
	} sets[] = {
		{ { "begun4", "begun6" }, CORRAL_FILTER_COUNTED_MAX, 3 },
		{ { "sent4", "sent6" }, CORRAL_FILTER_COUNTED_MAX, 3 },
		{ { "received4", "received6" }, CORRAL_FILTER_COUNTED_MAX, 3 },
		{ { "refused4", "refused6" }, CORRAL_FILTER_REFUSED_MAX, 3 },
		{ { "odd4", "odd6" }, CORRAL_FILTER_REFUSED_MAX, 2 },
	};
	static const enum corral_nft_field keys[2][3] = { { TO4 }, { TO6 } };

	for (size_t i = 0; i < CORRAL_COUNT(sets); i++)
		for (size_t at = 0; at < 2; at++)
			corral_nft_set_add(b, sets[i].names[at], NFT_SET_EVAL, sets[i].size,
			                   keys[at], sets[i].n);
}

void corral_filter_set_name(char ret[CORRAL_FILTER_SET_NAME_SIZE], size_t set, int family)
{
	(void)snprintf(ret, CORRAL_FILTER_SET_NAME_SIZE, "name%zu_%d", set, family);
}

static void add_name_sets(struct corral_nft_batch *b, const struct corral_egress *e)
{
	char name[CORRAL_FILTER_SET_NAME_SIZE];

	for (size_t i = 0; i < e->n_sets; i++) {
		for (int family = 4; family <= 6; family += 2) {
			const enum corral_nft_field key = daddr(family);

			corral_filter_set_name(name, i, family);
			corral_nft_set_add(b, name, NFT_SET_TIMEOUT, CORRAL_FILTER_LEASES_MAX, &key,
			                   1);
		}
	}
}

static void add_chains(struct corral_nft_batch *b)
{
	corral_nft_chain_add(b, "unreachable");
	corral_nft_chain_add(b, "unlisted");
	corral_nft_chain_add(b, "passes");
	corral_nft_chain_add(b, "begins");
	corral_nft_chain_hook(b, "unmark", "filter", NF_INET_LOCAL_OUT, -20, NF_ACCEPT);
	corral_nft_chain_hook(b, "loopback_out", "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_RAW,
	                      NF_ACCEPT);
	corral_nft_chain_hook(b, "loopback_in", "filter", NF_INET_PRE_ROUTING, NF_IP_PRI_RAW,
	                      NF_ACCEPT);
	corral_nft_chain_hook(b, "forward", "filter", NF_INET_FORWARD, 0, NF_DROP);
	corral_nft_chain_hook(b, "output", "filter", NF_INET_LOCAL_OUT, 0, NF_DROP);
	corral_nft_chain_hook(b, "input", "filter", NF_INET_LOCAL_IN, 0, NF_DROP);
}

/* A rule whose set is full is broken off before its verdict, and the next one is asked: what comes
 * to a counter found no room. */
static void add_ends(struct corral_nft_batch *b)
{
	RULE(b, "unreachable", IS(L4PROTO, TCP), RESET);
	RULE(b, "unreachable", PROHIBIT);

	RULE(b, "unlisted", ONE_OF(L4PROTO, TCP, UDP), COUNT_IN("refused4", TO4),
	     GOTO("unreachable"));
	RULE(b, "unlisted", ONE_OF(L4PROTO, TCP, UDP), COUNT_IN("refused6", TO6),
	     GOTO("unreachable"));
	RULE(b, "unlisted", NONE_OF(L4PROTO, TCP, UDP), COUNT_IN("odd4", ODD4),
	     GOTO("unreachable"));
	RULE(b, "unlisted", NONE_OF(L4PROTO, TCP, UDP), COUNT_IN("odd6", ODD6),
	     GOTO("unreachable"));
	RULE(b, "unlisted", COUNTED_AS(CORRAL_FILTER_REFUSED_MORE), GOTO("unreachable"));

	RULE(b, "passes", IS(L4PROTO, TCP), COUNT_IN("sent4", TO4), ACCEPT);
	RULE(b, "passes", ONE_OF(L4PROTO, TCP, UDP), COUNT_IN("sent4", TO4), ACCEPT);
	RULE(b, "passes", ONE_OF(L4PROTO, TCP, UDP), COUNT_IN("sent6", TO6), ACCEPT);
	RULE(b, "passes", ACCEPT);

	/* What got no answer yet begins nothing anew. */
	RULE(b, "begins", HAS(STATUS, IPS_CONFIRMED), GOTO("passes"));
	RULE(b, "begins", CONNECTIONS_OVER(CORRAL_FILTER_CONNECTIONS_MAX),
	     COUNTED_AS(CORRAL_FILTER_REFUSED_MORE), GOTO("unreachable"));
	RULE(b, "begins", ONE_OF(L4PROTO, TCP, UDP), COUNT_IN("begun4", TO4), GOTO("passes"));
	RULE(b, "begins", ONE_OF(L4PROTO, TCP, UDP), COUNT_IN("begun6", TO6), GOTO("passes"));
	RULE(b, "begins", ONE_OF(L4PROTO, TCP, UDP), COUNTED_AS(CORRAL_FILTER_BEGUN_MORE),
	     GOTO("passes"));
	RULE(b, "begins", GOTO("passes"));
}

/* TCP, UDP or both: not neither. */
static struct corral_nft_term protocol_term(const struct corral_ports *p)
{
	const bool tcp = p->protocols & CORRAL_EGRESS_TCP, udp = p->protocols & CORRAL_EGRESS_UDP;
	static const uint32_t both[] = { TCP, UDP };

	if (tcp && udp)
		return TERM(.kind = CORRAL_NFT_TERM_NUMBERS, .key = { CORRAL_NFT_L4PROTO },
		            .numbers = both, .n = CORRAL_COUNT(both));
	return IS(L4PROTO, tcp ? TCP : UDP);
}

static struct corral_nft_term port_term(const struct corral_ports *p)
{
	return p->first == p->last ? IS(DPORT, p->first) : BETWEEN(DPORT, p->first, p->last);
}

static struct corral_nft_term echo_term(int family)
{
	return family == 4 ? IS(ICMP_TYPE, ICMP_ECHO) : IS(ICMP6_TYPE, ICMP6_ECHO_REQUEST);
}

/* What such ports open to the destinations of two terms: of one family. */
static void add_ports(struct corral_nft_batch *b, const struct corral_ports *p, int family,
                      const struct corral_nft_term *to, const struct corral_nft_term *but)
{
	if (p->protocols & (CORRAL_EGRESS_TCP | CORRAL_EGRESS_UDP))
		RULE(b, "output", protocol_term(p), port_term(p), *to, *but, GOTO("begins"));
	if (p->protocols & CORRAL_EGRESS_ECHO)
		RULE(b, "output", echo_term(family), *to, *but, GOTO("begins"));
}

/* Of an IPv4 network also what a translator (NAT64) calls it. */
static int add_entry(struct corral_nft_batch *b, const struct corral_egress *e,
                     const struct corral_egress_entry *entry)
{
	struct corral_prefix p = entry->prefix, holes[HOLES_MAX];
	const int times = p.address.family == 4 ? 2 : 1;
	int n = corral_egress_holes(e, &p, holes, HOLES_MAX);

	if (n < 0)
		return n;
	for (int translated = 0; translated < times; translated++) {
		struct corral_nft_term to, but = ANYTHING;

		if (translated)
			p = corral_net_prefix_translated(&p);
		for (int i = 0; translated && i < n; i++)
			holes[i] = corral_net_prefix_translated(&holes[i]);
		to = TO(&p);
		if (n)
			but = TO_NONE_OF(holes, (size_t)n);
		for (uint8_t i = 0; i < entry->ports.n; i++)
			add_ports(b, &entry->ports.ranges[i], p.address.family, &to, &but);
	}
	return 0;
}

static void add_names(struct corral_nft_batch *b, const struct corral_egress *e)
{
	const struct corral_nft_term nothing_but = ANYTHING;
	char name[CORRAL_FILTER_SET_NAME_SIZE];

	/* Whoever asks another name server asks one that an address entry names. */
	RULE(b, "output", ONE_OF(L4PROTO, TCP, UDP), ONE_OF(DPORT, 53, 853), GOTO("unlisted"));
	for (size_t i = 0; i < e->n_sets; i++) {
		for (uint8_t k = 0; k < e->sets[i].n; k++) {
			for (int family = 4; family <= 6; family += 2) {
				const struct corral_nft_term opened = IN_SET(name, daddr(family));

				corral_filter_set_name(name, i, family);
				add_ports(b, &e->sets[i].ranges[k], family, &opened, &nothing_but);
			}
		}
	}
}

/*
 * Loopback is free, and that is also where the resolver is. Of ICMPv6, neighbour discovery is
 * untracked, and the kernel's own; reports of multicast groups are nobody's attempt at anything.
 */
static int add_output(struct corral_nft_batch *b, const struct corral_egress *e)
{
	int r;

	/* First what nearly every packet is, with all that the rules behind ask of it. */
	RULE(b, "output", IS(MARK, CORRAL_FILTER_MARK_ALIVE), HAS(STATE, ESTABLISHED),
	     IS(DIRECTION, IP_CT_DIR_ORIGINAL), PART_IS(IP_VERSION_AND_LENGTH, 0x0f, 5),
	     PART_IS(IP_FRAGMENT, 0x3fff, 0), IS(L4PROTO, TCP), GOTO("passes"));
	RULE(b, "output", IS(OIFTYPE, LOOPBACK), ACCEPT);
	RULE(b, "output", IS(MARK, CORRAL_FILTER_MARK_OWN), ACCEPT);
	RULE(b, "output", IS_NOT(MARK, CORRAL_FILTER_MARK_ALIVE), GOTO("unreachable"));
	RULE(b, "output", ONE_OF(ICMP6_TYPE, 133, 135, 136), IS(IP6_HOPLIMIT, 255), ACCEPT);
	RULE(b, "output", ONE_OF(ICMP6_TYPE, 131, 132, 143), DROP);
	RULE(b, "output", IS(IP_PROTOCOL, IPPROTO_IGMP), DROP);
	/* Options; fragments, the first included. */
	RULE(b, "output", PART_IS_NOT(IP_VERSION_AND_LENGTH, 0x0f, 5), GOTO("unlisted"));
	RULE(b, "output", HAS(IP_FRAGMENT, 0x3fff), GOTO("unlisted"));
	RULE(b, "output", NONE_OF(IP6_NEXTHDR, TCP, UDP, IPPROTO_ICMPV6), GOTO("unlisted"));
	RULE(b, "output", HAS(STATE, ESTABLISHED), IS(DIRECTION, IP_CT_DIR_ORIGINAL),
	     GOTO("passes"));
	RULE(b, "output", IS_NOT(STATE, NEW), GOTO("unlisted"));
	/* Here it is known as refused, and does not look like somebody who was talked to. */
	corral_net_beyond_refuse(b, "output", &GOTO("unlisted"));
	corral_net_prefixes_refuse(b, "output", e->own, e->n_own, &GOTO("unlisted"));
	for (size_t i = 0; i < e->n_entries; i++) {
		if (e->entries[i].kind != CORRAL_EGRESS_ADDRESS)
			continue;
		r = add_entry(b, e, &e->entries[i]);
		if (r < 0)
			return r;
	}
	add_names(b, e);
	RULE(b, "output", GOTO("unlisted"));
	return 0;
}

static void add_input(struct corral_nft_batch *b)
{
	RULE(b, "input", IS(IIFTYPE, LOOPBACK), ACCEPT);
	RULE(b, "input", HAS(STATE, ESTABLISHED), ONE_OF(L4PROTO, TCP, UDP),
	     COUNT_IN("received4", FROM4), ACCEPT);
	RULE(b, "input", HAS(STATE, ESTABLISHED), ONE_OF(L4PROTO, TCP, UDP),
	     COUNT_IN("received6", FROM6), ACCEPT);
	RULE(b, "input", ONE_OF(STATE, ESTABLISHED, RELATED), ACCEPT);
	RULE(b, "input", ONE_OF(ICMP6_TYPE, 134, 135, 136), IS(IP6_HOPLIMIT, 255), ACCEPT);
}

int corral_filter_rules(const struct corral_egress *e, struct corral_nft_batch *b,
                        struct corral_error *err)
{
	int r;

	corral_nft_table_add(b, 0);
	add_chains(b);
	corral_nft_counter_add(b, CORRAL_FILTER_BEGUN_MORE);
	corral_nft_counter_add(b, CORRAL_FILTER_REFUSED_MORE);
	add_counted_sets(b);
	add_name_sets(b, e);
	add_ends(b);
	/* Whoever may set marks is not the guest; who does so by mistake has no gain. */
	RULE(b, "unmark", IS_NOT(MARK, CORRAL_FILTER_MARK_OWN), SET_MARK(0));
	/* Whoever sends from an address that is not his, as IPv6 lets everybody do on loopback,
	 * would otherwise make a connection of which what he sends out is the answer. */
	RULE(b, "loopback_out", IS(OIFTYPE, LOOPBACK), UNTRACKED);
	RULE(b, "loopback_in", IS(IIFTYPE, LOOPBACK), UNTRACKED);
	r = add_output(b, e);
	if (r < 0)
		return corral_error_set(err, -r,
		                        "the list's addresses have more than %d exceptions",
		                        HOLES_MAX);
	add_input(b);
	return 0;
}
