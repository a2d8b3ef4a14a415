/* The text of the table that decides, for filter.c and its tests. Pure. */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_FILTER_RULES_H
#define CORRAL_KERNEL_NETWORK_HELPER_FILTER_RULES_H

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/network/helper/filter.h"

#define CORRAL_FILTER_TABLE       "corral"
#define CORRAL_FILTER_TABLE_ALIVE "corral-alive"
#define CORRAL_FILTER_MARK_ALIVE  0x636f7272u
/* Destinations that are counted apart. */
#define CORRAL_FILTER_COUNTED_MAX 256u
#define CORRAL_FILTER_REFUSED_MAX 64u
/* Counters of what was not, as those were so many already. */
#define CORRAL_FILTER_BEGUN_MORE   "begun_more"
#define CORRAL_FILTER_REFUSED_MORE "refused_more"

/* -E2BIG, -ENOMEM. */
int corral_filter_rules(const struct corral_egress *e, struct corral_buf *ret,
                        struct corral_error *err);

#endif
