/*
 * A network by pasta(1), of passt: what the guest sends is taken from a tap device, and sent again
 * by sockets of an ordinary process of the caller's. It can do no more than the caller, and needs
 * nothing of root.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_PASTA_H
#define CORRAL_KERNEL_NETWORK_HELPER_PASTA_H

#include "kernel/base/error.h"
#include "kernel/network/helper/child.h"

/* Where pasta hears questions of names, and asks the host's own server. */
#define CORRAL_NET_PASTA_DNS "169.254.1.1"

/*
 * From the host's side to the guest's, where the process is afterwards. -EOPNOTSUPP where pasta is
 * not installed, with the package's name.
 */
int corral_net_pasta_open(struct corral_net_child *c, struct corral_error *err);
/* Ends it, and waits until it is gone. */
void corral_net_pasta_close(struct corral_net_child *c);

#endif
