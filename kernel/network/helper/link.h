/*
 * The pair of links that connects a guest's network namespace with the host, with address and
 * routes.
 *
 * Both ends have the same hardware address and ask nobody for one (IFF_NOARP): each is all that the
 * other ever talks to, so there is nothing to find out, and nothing to forge. The host's end has no
 * address: a service of the host's is not to be reached there.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_LINK_H
#define CORRAL_KERNEL_NETWORK_HELPER_LINK_H

#include <stdbool.h>

#include "kernel/base/error.h"
#include "kernel/network/helper/child.h"

#define CORRAL_NET_GUEST_LINK "eth0"

/* From the host's side to the guest's, where the process is afterwards. */
int corral_net_link_open(struct corral_net_child *c, struct corral_error *err);
/* Takes the link away, if it is there. In the calling thread's network namespace. */
void corral_net_link_remove(const char *name);
/* Whether a packet came from the guest by it; true where that cannot be told. */
bool corral_net_link_was_used(const char *name);

#endif
