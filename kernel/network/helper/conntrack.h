/*
 * What the host remembers of a sandbox's connections (conntrack), and has to forget before another
 * has its address: an established connection that is taken over is neither counted nor judged as
 * new, and answers to it arrive.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_CONNTRACK_H
#define CORRAL_KERNEL_NETWORK_HELPER_CONNTRACK_H

#include <stddef.h>

#include "kernel/base/error.h"
#include "kernel/network/helper/block.h"

/*
 * In the calling thread's network namespace: every connection that one of the guests has begun, or
 * that was begun to one of them. One look at the whole table, whose cost is that of its size.
 */
int corral_net_conntrack_forget(const struct corral_net_place *places, size_t n,
                                struct corral_error *err);

#endif
