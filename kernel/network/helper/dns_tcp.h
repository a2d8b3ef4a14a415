/*
 * Questions of names that the guest asks by connections: read like those by datagrams, one after
 * the other, each carried by a connection of its own.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_DNS_TCP_H
#define CORRAL_KERNEL_NETWORK_HELPER_DNS_TCP_H

#include "kernel/network/helper/child.h"

struct corral_net_dns;

/* Takes connections of listener_fd, which stays the caller's. It lives as long as the process. */
int corral_net_dns_tcp_open(struct corral_net_dns *d, struct corral_net_child *c, int listener_fd,
                            struct corral_error *err);

#endif
