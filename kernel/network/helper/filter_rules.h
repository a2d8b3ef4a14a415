/* The table that decides, for filter.c and its tests. Pure. */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_FILTER_RULES_H
#define CORRAL_KERNEL_NETWORK_HELPER_FILTER_RULES_H

#include <stddef.h>

#include "kernel/base/error.h"
#include "kernel/network/helper/filter.h"
#include "kernel/network/helper/nft_batch.h"

#define CORRAL_FILTER_TABLE       "corral"
#define CORRAL_FILTER_TABLE_ALIVE "corral-alive"
#define CORRAL_FILTER_MARK_ALIVE  0x636f7272u
/* Destinations that are counted apart. */
#define CORRAL_FILTER_COUNTED_MAX 256u
#define CORRAL_FILTER_REFUSED_MAX 64u
/* Counters of what was not, as those were so many already. */
#define CORRAL_FILTER_BEGUN_MORE   "begun_more"
#define CORRAL_FILTER_REFUSED_MORE "refused_more"

/* Of opened addresses, for the ports of egress's set of that number. */
#define CORRAL_FILTER_SET_NAME_SIZE 16
void corral_filter_set_name(char ret[CORRAL_FILTER_SET_NAME_SIZE], size_t set, int family);

/* Added to a batch that was begun with the table's name. -E2BIG. */
int corral_filter_rules(const struct corral_egress *e, struct corral_nft_batch *b,
                        struct corral_error *err);

#endif
