/*
 * The words in which a table's rules are written, one rule to a line:
 *
 *	RULE(b, "output", ONE_OF(ICMP6_TYPE, 133, 135, 136), IS(IP6_HOPLIMIT, 255), ACCEPT);
 *
 * For .c files that write rules alone.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_NFT_WORDS_H
#define CORRAL_KERNEL_NETWORK_HELPER_NFT_WORDS_H

/* Before the kernel's own headers, which know when it is there. */
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/nft_rule.h"

#define TERM(...)                ((struct corral_nft_term) { __VA_ARGS__ })
#define TERM_OF(kind_, ...)      TERM(.kind = CORRAL_NFT_TERM_##kind_, __VA_ARGS__)
#define RULE(b, chain, ...)      RULE_OF(b, chain, ((const struct corral_nft_term[]) { __VA_ARGS__ }))
#define RULE_OF(b, chain, terms) corral_nft_rule_add(b, chain, terms, CORRAL_COUNT(terms))

/* What a rule has nothing in place of. */
#define ANYTHING TERM_OF(NONE, )

/* --- what packets are like ------------------------------------------------------------------ */

/* bits: as far as they say. */
#define NUMBER(field, no, bits, value) \
	TERM_OF(NUMBER, .key = { field }, .inverted = (no), .mask = (bits), .low = (value))
#define IS(field, value)                NUMBER(CORRAL_NFT_##field, false, UINT32_MAX, value)
#define IS_NOT(field, value)            NUMBER(CORRAL_NFT_##field, true, UINT32_MAX, value)
#define PART_IS(field, bits, value)     NUMBER(CORRAL_NFT_##field, false, bits, value)
#define PART_IS_NOT(field, bits, value) NUMBER(CORRAL_NFT_##field, true, bits, value)
/* Any of the bits. */
#define HAS(field, bits) NUMBER(CORRAL_NFT_##field, true, bits, 0)
#define BETWEEN(field, from, to) \
	TERM_OF(BETWEEN, .key = { CORRAL_NFT_##field }, .low = (from), .high = (to))

#define NUMBERS(field, no, ...)                                \
	TERM_OF(NUMBERS, .key = { field }, .inverted = (no),   \
	        .numbers = (const uint32_t[]) { __VA_ARGS__ }, \
	        .n = CORRAL_COUNT(((const uint32_t[]) { __VA_ARGS__ })))
#define ONE_OF(field, ...)  NUMBERS(CORRAL_NFT_##field, false, __VA_ARGS__)
#define NONE_OF(field, ...) NUMBERS(CORRAL_NFT_##field, true, __VA_ARGS__)

#define LINK(field, no, all, text) \
	TERM_OF(NAME, .key = { field }, .inverted = (no), .exact = (all), .name = (text))
#define IS_LINK(field, text)    LINK(CORRAL_NFT_##field, false, true, text)
#define BEGINS(field, text)     LINK(CORRAL_NFT_##field, false, false, text)
#define BEGINS_NOT(field, text) LINK(CORRAL_NFT_##field, true, false, text)

/* By the family of the first one, which they all are of. */
#define PREFIXES(what, no, list, number)                                        \
	TERM_OF(PREFIXES,                                                       \
	        .key = { (list)->address.family == 4 ? CORRAL_NFT_IP_##what     \
	                                             : CORRAL_NFT_IP6_##what }, \
	        .inverted = (no), .prefixes = (list), .n = (number))
#define FROM(prefix)        PREFIXES(SADDR, false, prefix, 1)
#define TO(prefix)          PREFIXES(DADDR, false, prefix, 1)
#define TO_ONE_OF(list, n)  PREFIXES(DADDR, false, list, n)
#define TO_NONE_OF(list, n) PREFIXES(DADDR, true, list, n)

/* Of a set with a name; behind it the fields of its key. */
#define IN_SET(set, ...)     TERM_OF(SET, .name = (set), .key = { __VA_ARGS__ })
#define NOT_IN_SET(set, ...) TERM_OF(SET, .inverted = true, .name = (set), .key = { __VA_ARGS__ })

#define CONNECTIONS_OVER(number) TERM_OF(CONNECTIONS, .low = (number))
#define CONNECTIONS_EACH_OVER(number, set, ...) \
	TERM_OF(CONNECTIONS, .low = (number), .name = (set), .key = { __VA_ARGS__ })

/* Of parts, a power of two, in one of which each connection is at random. */
#define CONNECTIONS_IN_A_PART_OVER(number, parts, set)                           \
	TERM_OF(CONNECTIONS, .low = (number), .mask = (parts)-1u, .name = (set), \
	        .key = { CORRAL_NFT_RANDOM })

#define RATE_OVER(a_second, burst) TERM_OF(RATE, .low = (a_second), .high = (burst))
#define RATE_EACH_OVER(a_second, burst, set, ...) \
	TERM_OF(RATE, .low = (a_second), .high = (burst), .name = (set), .key = { __VA_ARGS__ })

/* --- what becomes of them ------------------------------------------------------------------- */

#define COUNT_IN(set, ...) TERM_OF(COUNT, .name = (set), .key = { __VA_ARGS__ })
#define COUNTED            TERM_OF(TALLY, )
#define COUNTED_AS(text)   TERM_OF(TALLY, .name = (text))
#define SET_MARK(value)    TERM_OF(MARK, .low = (value))
#define ENDS_BY(timeouts)  TERM_OF(TIMEOUT, .name = (timeouts))
#define UNTRACKED          TERM_OF(UNTRACKED, )

#define VERDICT(code, chain) TERM_OF(VERDICT, .low = (uint32_t)(code), .name = (chain))
#define ACCEPT               VERDICT(NF_ACCEPT, NULL)
#define DROP                 VERDICT(NF_DROP, NULL)
#define JUMP(chain)          VERDICT(NFT_JUMP, chain)
#define GOTO(chain)          VERDICT(NFT_GOTO, chain)
#define RESET                TERM_OF(REJECT, .low = NFT_REJECT_TCP_RST)
/* "Administratively prohibited", as ICMP of either family says it. */
#define PROHIBIT \
	TERM_OF(REJECT, .low = NFT_REJECT_ICMPX_UNREACH, .high = NFT_REJECT_ICMPX_ADMIN_PROHIBITED)
#define MASQUERADE                   TERM_OF(MASQUERADE, )
#define MASQUERADE_FROM(first, last) TERM_OF(MASQUERADE, .low = (first), .high = (last))

/* What the connection is that a packet belongs to: one of these bits. */
#define ESTABLISHED NF_CT_STATE_BIT(IP_CT_ESTABLISHED)
#define RELATED     NF_CT_STATE_BIT(IP_CT_RELATED)
#define NEW         NF_CT_STATE_BIT(IP_CT_NEW)

#endif
