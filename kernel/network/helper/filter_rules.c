/*
 * The table "corral" as nftables' own text: what filter.h promises, rule by rule.
 */
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/beyond.h"
#include "kernel/network/helper/filter_rules.h"

/* Holes in one entry's network: all that is special, and all that is the host's. */
#define HOLES_MAX 600

/* Counted by address, protocol and port, and kept as long as the namespace. */
static void put_counted_sets(struct corral_buf *b)
{
	static const struct {
		const char *name;
		unsigned int size;
	} sets[] = {
		{ "begun", CORRAL_FILTER_COUNTED_MAX },
		{ "sent", CORRAL_FILTER_COUNTED_MAX },
		{ "received", CORRAL_FILTER_COUNTED_MAX },
		{ "refused", CORRAL_FILTER_REFUSED_MAX },
	};

	for (size_t i = 0; i < CORRAL_COUNT(sets); i++)
		for (int family = 4; family <= 6; family += 2)
			corral_buf_fmt(b,
			               "set %s%d { type ipv%d_addr . inet_proto . inet_service; "
			               "flags dynamic; size %u; }\n",
			               sets[i].name, family, family, sets[i].size);
	/* Of protocols without ports. */
	corral_buf_fmt(b,
	               "set odd4 { type ipv4_addr . inet_proto; flags dynamic; size %u; }\n"
	               "set odd6 { type ipv6_addr . inet_proto; flags dynamic; size %u; }\n",
	               CORRAL_FILTER_REFUSED_MAX, CORRAL_FILTER_REFUSED_MAX);
}

static void put_name_sets(struct corral_buf *b, const struct corral_egress *e)
{
	for (size_t i = 0; i < e->n_sets; i++)
		for (int family = 4; family <= 6; family += 2)
			corral_buf_fmt(b,
			               "set name%zu_%d { type ipv%d_addr; flags timeout; size %u; "
			               "}\n",
			               i, family, family, CORRAL_FILTER_LEASES_MAX);
}

/* A rule whose set is full is broken off before its verdict, and the next one is asked: what comes
 * to a counter found no room. */
static void put_chains(struct corral_buf *b)
{
	corral_buf_str(
	        b,
	        "counter " CORRAL_FILTER_BEGUN_MORE " { }\n"
	        "counter " CORRAL_FILTER_REFUSED_MORE " { }\n"
	        "chain unreachable {\n"
	        "meta l4proto 6 reject with tcp reset\n"
	        "reject with icmpx admin-prohibited\n"
	        "}\n"
	        "chain unlisted {\n"
	        "meta l4proto { 6, 17 } add @refused4 { ip daddr . meta l4proto . th dport counter "
	        "} goto unreachable\n"
	        "meta l4proto { 6, 17 } add @refused6 { ip6 daddr . meta l4proto . th dport "
	        "counter "
	        "} goto unreachable\n"
	        "meta l4proto != { 6, 17 } add @odd4 { ip daddr . meta l4proto counter } "
	        "goto unreachable\n"
	        "meta l4proto != { 6, 17 } add @odd6 { ip6 daddr . meta l4proto counter } "
	        "goto unreachable\n"
	        "counter name " CORRAL_FILTER_REFUSED_MORE " goto unreachable\n"
	        "}\n"
	        "chain passes {\n"
	        "meta l4proto 6 add @sent4 { ip daddr . meta l4proto . th dport counter } accept\n"
	        "meta l4proto { 6, 17 } add @sent4 { ip daddr . meta l4proto . th dport counter } "
	        "accept\n"
	        "meta l4proto { 6, 17 } add @sent6 { ip6 daddr . meta l4proto . th dport counter } "
	        "accept\n"
	        "accept\n"
	        "}\n"
	        /* What got no answer yet begins nothing anew. */
	        "chain begins {\n"
	        "ct status confirmed goto passes\n");
	corral_buf_fmt(b, "ct count over %u goto unreachable\n", CORRAL_FILTER_CONNECTIONS_MAX);
	corral_buf_str(
	        b,
	        "meta l4proto { 6, 17 } add @begun4 { ip daddr . meta l4proto . th dport counter "
	        "} goto passes\n"
	        "meta l4proto { 6, 17 } add @begun6 { ip6 daddr . meta l4proto . th dport counter "
	        "} goto passes\n"
	        "meta l4proto { 6, 17 } counter name " CORRAL_FILTER_BEGUN_MORE " goto passes\n"
	        "goto passes\n"
	        "}\n"
	        /* Whoever may set marks is not the guest; who does so by mistake has no gain. */
	        "chain unmark {\n"
	        "type filter hook output priority -20; policy accept;\n");
	corral_buf_fmt(b,
	               "meta mark != 0x%x meta mark set 0\n"
	               "}\n",
	               CORRAL_FILTER_MARK_OWN);
}

/*
 * "th dport" is where TCP and UDP have it: the protocol is said in every rule. Spelled with the
 * braces off when there is one, which saves an anonymous set.
 */
static bool put_ports(struct corral_buf *b, const struct corral_ports *p)
{
	unsigned int both = CORRAL_EGRESS_TCP | CORRAL_EGRESS_UDP;

	if (!(p->protocols & both))
		return false;
	if ((p->protocols & both) == both)
		corral_buf_str(b, "meta l4proto { 6, 17 } ");
	else
		corral_buf_fmt(b, "meta l4proto %d ", p->protocols & CORRAL_EGRESS_TCP ? 6 : 17);
	if (p->first == p->last)
		corral_buf_fmt(b, "th dport %u ", p->first);
	else
		corral_buf_fmt(b, "th dport %u-%u ", p->first, p->last);
	return true;
}

static const char *keyword(int family)
{
	return family == 4 ? "ip" : "ip6";
}

static const char *echo(int family)
{
	return family == 4 ? "icmp type 8" : "icmpv6 type 128";
}

/* Of an IPv4 network also what a translator (NAT64) calls it. */
static void put_destination(struct corral_buf *b, const struct corral_prefix *p,
                            const struct corral_prefix *holes, int n_holes, bool translated)
{
	const char *ip = keyword(translated ? 6 : p->address.family);

	corral_buf_fmt(b, "%s daddr ", ip);
	corral_net_prefix_put(b, p, translated);
	for (int i = 0; i < n_holes; i++) {
		if (i == 0)
			corral_buf_fmt(b, " %s daddr != { ", ip);
		corral_net_prefix_put(b, &holes[i], translated);
		corral_buf_str(b, i + 1 < n_holes ? ", " : " }");
	}
}

static int put_entry(struct corral_buf *b, const struct corral_egress *e,
                     const struct corral_egress_entry *entry)
{
	const struct corral_prefix *p = &entry->prefix;
	struct corral_prefix holes[HOLES_MAX];
	int n_holes = corral_egress_holes(e, p, holes, HOLES_MAX);

	if (n_holes < 0)
		return n_holes;
	for (int translated = 0; translated <= (p->address.family == 4); translated++) {
		int family = translated ? 6 : p->address.family;

		for (uint8_t i = 0; i < entry->ports.n; i++) {
			const struct corral_ports *ports = &entry->ports.ranges[i];

			if (put_ports(b, ports)) {
				put_destination(b, p, holes, n_holes, translated);
				corral_buf_str(b, " goto begins\n");
			}
			if (ports->protocols & CORRAL_EGRESS_ECHO) {
				corral_buf_fmt(b, "%s ", echo(family));
				put_destination(b, p, holes, n_holes, translated);
				corral_buf_str(b, " goto begins\n");
			}
		}
	}
	return 0;
}

static void put_names(struct corral_buf *b, const struct corral_egress *e)
{
	/* Whoever asks another name server asks one that an address entry names. */
	corral_buf_str(b, "meta l4proto { 6, 17 } th dport { 53, 853 } goto unlisted\n");
	for (size_t i = 0; i < e->n_sets; i++) {
		for (uint8_t k = 0; k < e->sets[i].n; k++) {
			const struct corral_ports *ports = &e->sets[i].ranges[k];

			for (int family = 4; family <= 6; family += 2) {
				if (put_ports(b, ports))
					corral_buf_fmt(b, "%s daddr @name%zu_%d goto begins\n",
					               keyword(family), i, family);
				if (ports->protocols & CORRAL_EGRESS_ECHO)
					corral_buf_fmt(b, "%s %s daddr @name%zu_%d goto begins\n",
					               echo(family), keyword(family), i, family);
			}
		}
	}
}

/*
 * Loopback is free, and that is also where the resolver is. Of ICMPv6, neighbour discovery is
 * untracked, and the kernel's own; reports of multicast groups are nobody's attempt at anything.
 */
static int put_output(struct corral_buf *b, const struct corral_egress *e)
{
	int r;

	/* Whoever sends from an address that is not his, as IPv6 lets everybody do on loopback,
	 * would otherwise make a connection of which what he sends out is the answer. */
	corral_buf_str(b, "chain loopback_out {\n"
	                  "type filter hook output priority raw; policy accept;\n"
	                  "meta oiftype 772 notrack\n"
	                  "}\n"
	                  "chain loopback_in {\n"
	                  "type filter hook prerouting priority raw; policy accept;\n"
	                  "meta iiftype 772 notrack\n"
	                  "}\n"
	                  "chain forward {\n"
	                  "type filter hook forward priority 0; policy drop;\n"
	                  "}\n");
	/* First what nearly every packet is, with all that the rules behind ask of it. */
	corral_buf_fmt(b,
	               "chain output {\n"
	               "type filter hook output priority 0; policy drop;\n"
	               "meta mark 0x%x ct state established ct direction original "
	               "ip hdrlength 5 ip frag-off & 0x3fff 0 meta l4proto 6 goto passes\n"
	               "meta oiftype 772 accept\n"
	               "meta mark 0x%x accept\n"
	               "meta mark != 0x%x goto unreachable\n"
	               "icmpv6 type { 133, 135, 136 } ip6 hoplimit 255 accept\n"
	               "icmpv6 type { 131, 132, 143 } drop\n"
	               "ip protocol 2 drop\n"
	               "ip hdrlength != 5 goto unlisted\n"
	               "ip frag-off & 0x3fff != 0 goto unlisted\n"
	               "meta nfproto ipv6 ip6 nexthdr != { 6, 17, 58 } goto unlisted\n"
	               "ct state established ct direction original goto passes\n"
	               "ct state != new goto unlisted\n",
	               CORRAL_FILTER_MARK_ALIVE, CORRAL_FILTER_MARK_OWN,
	               CORRAL_FILTER_MARK_ALIVE);
	/* Here it is known as refused, and does not look like somebody who was talked to. */
	corral_net_beyond_refuse(b, "goto unlisted");
	corral_net_prefixes_refuse(b, e->own, e->n_own, "goto unlisted");
	for (size_t i = 0; i < e->n_entries; i++) {
		if (e->entries[i].kind != CORRAL_EGRESS_ADDRESS)
			continue;
		r = put_entry(b, e, &e->entries[i]);
		if (r < 0)
			return r;
	}
	put_names(b, e);
	corral_buf_str(b, "goto unlisted\n}\n");
	return 0;
}

static void put_input(struct corral_buf *b)
{
	corral_buf_str(
	        b, "chain input {\n"
	           "type filter hook input priority 0; policy drop;\n"
	           "meta iiftype 772 accept\n"
	           "ct state established meta l4proto { 6, 17 } add @received4 { ip saddr . meta "
	           "l4proto . th sport counter } accept\n"
	           "ct state established meta l4proto { 6, 17 } add @received6 { ip6 saddr . meta "
	           "l4proto . th sport counter } accept\n"
	           "ct state { established, related } accept\n"
	           "icmpv6 type { 134, 135, 136 } ip6 hoplimit 255 accept\n"
	           "}\n");
}

int corral_filter_rules(const struct corral_egress *e, struct corral_buf *ret,
                        struct corral_error *err)
{
	int r;

	corral_buf_fmt(ret, "table inet " CORRAL_FILTER_TABLE " {\n");
	put_counted_sets(ret);
	put_name_sets(ret, e);
	put_chains(ret);
	r = put_output(ret, e);
	if (r < 0)
		return corral_error_set(err, -r,
		                        "the list's addresses have more than %d exceptions",
		                        HOLES_MAX);
	put_input(ret);
	corral_buf_str(ret, "}\n");
	return ret->failed ? corral_error_set(err, ENOMEM, "filter: out of memory") : 0;
}
