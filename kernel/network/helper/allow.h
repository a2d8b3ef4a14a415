/*
 * A sandbox's child under CORRAL_NETWORK_ALLOW: brings the list, the filter (filter.h) and the
 * resolver (resolver.h) together. The child is the process whose death closes all.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_ALLOW_H
#define CORRAL_KERNEL_NETWORK_HELPER_ALLOW_H

#include "kernel/base/error.h"
#include "kernel/network/helper/child.h"

/* On the host's side, before the guest is connected: reads the list, and which addresses are the
 * host's own. */
int corral_net_allow_prepare(struct corral_net_child *c, struct corral_error *err);
/* Goes to the guest's side, closes it, and listens at CORRAL_NET_RESOLVER. */
int corral_net_allow_open(struct corral_net_child *c, struct corral_error *err);
/* What the caller asked for: sends it a LEDGER. */
void corral_net_allow_report(struct corral_net_child *c);

#endif
