/*
 * The process that holds the filter of network "allow" (filter.h), beside the one that reads what
 * the guest sends: to change the rules of a network namespace takes CAP_NET_ADMIN over it, and as
 * root that is over every other as well. It hears two kinds of requests of fixed size, and ends
 * with whoever makes them; so does all that passes.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_KEEPER_H
#define CORRAL_KERNEL_NETWORK_HELPER_KEEPER_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/network/helper/filter.h"

/*
 * Forks it. It keeps the filter, and keep_fd (-1: none), which it never uses; the caller closes its
 * own copies of either. ret_fd: to the keeper, readable when it has died.
 */
int corral_net_keeper_start(struct corral_filter *f, int keep_fd, int *ret_fd,
                            struct corral_error *err);

/* As corral_filter_lease() and corral_filter_report(), over there. */
int corral_net_keeper_lease(int keeper_fd, const char *name, uint64_t sets,
                            const struct corral_address *addresses, size_t n, uint32_t ttl_s,
                            struct corral_error *err);
int corral_net_keeper_report(int keeper_fd, struct corral_ledger *ret, struct corral_error *err);

#endif
