/*
 * Sets of nf_tables and what is in them: those with a name, and those without one that belong to
 * the rule which is added next.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_NFT_SET_H
#define CORRAL_KERNEL_NETWORK_HELPER_NFT_SET_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/network/helper/nft_batch.h"
#include "kernel/network/helper/nft_field.h"
#include "policy/egress.h"

#define CORRAL_NFT_KEY_FIELDS_MAX 3
/* The kernel gives it a number. */
#define CORRAL_NFT_SET_ANONYMOUS "__set%d"

/* flags: NFT_SET_*; size: 0 for no limit; key: of n fields, one behind the other. */
void corral_nft_set_add(struct corral_nft_batch *b, const char *name, uint32_t flags, uint32_t size,
                        const enum corral_nft_field *key, size_t n);

/* Elements that are added to a set, or taken away from it. */
struct corral_nft_elements {
	struct corral_nft_batch *batch;
	struct corral_nft_message message;
	struct nlattr *list;
	int type;
	const char *set;
	uint32_t set_id; /* where it is made in the same transaction, else 0 */
	size_t n, left;  /* in this message, and still to come */
};

/* type: NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM; n: at most so many. Borrows the name. */
void corral_nft_elements_begin(struct corral_nft_elements *e, struct corral_nft_batch *b, int type,
                               const char *set, uint32_t set_id, size_t n);
/* flags: NFT_SET_ELEM_*; timeout_ms: 0 for none. A key of several fields has each padded to four
 * bytes. */
void corral_nft_element(struct corral_nft_elements *e, const void *key, size_t len, uint32_t flags,
                        uint64_t timeout_ms);
void corral_nft_elements_end(struct corral_nft_elements *e);

/* Sets without a name; their number in this transaction. */
uint32_t corral_nft_set_of_numbers(struct corral_nft_batch *b, enum corral_nft_field field,
                                   const uint32_t *numbers, size_t n);
/* Which may overlap; all are of the field's family. */
uint32_t corral_nft_set_of_prefixes(struct corral_nft_batch *b, enum corral_nft_field field,
                                    const struct corral_prefix *prefixes, size_t n);

#endif
