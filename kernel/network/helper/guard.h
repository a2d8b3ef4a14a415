/*
 * What a guest that is connected by pasta may not reach: pasta sends as a process of the host, so
 * the host's own services are as near to it as to any other. Rules in the guest's network
 * namespace, over which the guest has no capability.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_GUARD_H
#define CORRAL_KERNEL_NETWORK_HELPER_GUARD_H

#include <stddef.h>

#include "kernel/base/error.h"
#include "kernel/network/helper/nft_batch.h"
#include "policy/egress.h"

/* Rules for these addresses, which are the host's. Pure. */
void corral_net_guard_rules(const struct corral_prefix *own, size_t n,
                            struct corral_nft_batch *ret);
/* For the host's addresses as they are now, in the calling thread's network namespace. */
int corral_net_guard_compose(struct corral_nft_batch *ret, struct corral_error *err);
/* Puts them in force, in the guest's. */
int corral_net_guard_open(struct corral_nft_batch *rules, struct corral_error *err);

#endif
