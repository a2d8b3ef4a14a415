/*
 * Published ports: listeners on the host's loopback, or at a path, whose connections and datagrams
 * are carried to a port of the guest's loopback. The host's side is opened before anything of the
 * guest's runs; the other is made for each connection, in the guest's network namespace.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_PORTS_H
#define CORRAL_KERNEL_NETWORK_HELPER_PORTS_H

#include "kernel/base/error.h"
#include "kernel/network/helper/child.h"

/* From the host's side. -EADDRINUSE with the place when somebody listens there. */
int corral_net_ports_open(struct corral_net_child *c, struct corral_error *err);
/* From now on connections are taken. */
int corral_net_ports_start(struct corral_net_child *c, struct corral_error *err);
/* Nobody is heard any more; what is at a path is left to corral_net_ports_sweep(). */
void corral_net_ports_close(struct corral_net_child *c);
/* Removes the sockets at the paths of a request that nobody listens at. */
void corral_net_ports_sweep(const struct corral_net_connect *request);

#endif
