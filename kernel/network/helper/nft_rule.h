/*
 * A rule of nf_tables: terms, one behind the other, each of which says something of the packet or
 * does something with it. A packet for which one is not true goes to the next rule.
 *
 * Terms say what they mean as nftables' language does, not as the kernel's machine does it: that an
 * address of IPv4 is looked for in packets of IPv4 alone, for one, nobody can forget.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_NFT_RULE_H
#define CORRAL_KERNEL_NETWORK_HELPER_NFT_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/network/helper/nft_batch.h"
#include "kernel/network/helper/nft_field.h"
#include "kernel/network/helper/nft_set.h"
#include "policy/egress.h"

enum corral_nft_term_kind {
	CORRAL_NFT_TERM_NONE,
	/* Of the packet: */
	CORRAL_NFT_TERM_NUMBER,      /* the field, as far as mask has it, is low */
	CORRAL_NFT_TERM_BETWEEN,     /* it is low to high */
	CORRAL_NFT_TERM_NUMBERS,     /* it is one of numbers */
	CORRAL_NFT_TERM_NAME,        /* of a link; exact: all of it, else how it begins */
	CORRAL_NFT_TERM_PREFIXES,    /* the address is within one of the prefixes */
	CORRAL_NFT_TERM_SET,         /* the key is in the set name */
	CORRAL_NFT_TERM_CONNECTIONS, /* there are more than low; by key, as far as mask has it, in
	                                the set name, if any */
	CORRAL_NFT_TERM_RATE, /* more than low come in a second, by key in the set name, if any,
	                         and high came at once */
	/* With it: */
	CORRAL_NFT_TERM_COUNT,   /* in the set name, by key; while it has room */
	CORRAL_NFT_TERM_TALLY,   /* in the rule itself, or in the counter name */
	CORRAL_NFT_TERM_MARK,    /* set to low */
	CORRAL_NFT_TERM_TIMEOUT, /* its connection ends by those of name */
	CORRAL_NFT_TERM_UNTRACKED,
	CORRAL_NFT_TERM_VERDICT,    /* low: NF_*, NFT_JUMP, NFT_GOTO; to the chain name */
	CORRAL_NFT_TERM_REJECT,     /* low: enum nft_reject_types, high: its code */
	CORRAL_NFT_TERM_MASQUERADE, /* from the ports low to high, at random; 0: from any */
};

struct corral_nft_term {
	enum corral_nft_term_kind kind;
	enum corral_nft_field key[CORRAL_NFT_KEY_FIELDS_MAX]; /* of most: the first */
	bool inverted;
	bool exact;
	uint32_t mask, low, high;
	const uint32_t *numbers;
	const struct corral_prefix *prefixes;
	size_t n;
	const char *name;
};

/* The last of the chain's. What the terms point to is theirs until it returns. */
void corral_nft_rule_add(struct corral_nft_batch *b, const char *chain,
                         const struct corral_nft_term *terms, size_t n);

#endif
