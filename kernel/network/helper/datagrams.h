/*
 * Datagrams to a port of the host's, carried to one of the guest's loopback; answers go back to
 * whoever asked.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_DATAGRAMS_H
#define CORRAL_KERNEL_NETWORK_HELPER_DATAGRAMS_H

#include <stdint.h>

#include "kernel/network/helper/child.h"

/* Of those who send, so many are known at a time, each for so long after its last. */
#define CORRAL_NET_PEERS_MAX     256
#define CORRAL_NET_PEERS_IDLE_MS 60000

struct corral_net_datagrams;

/* Takes fd, which is bound and does not block, also when it fails. It lives as long as the process.
 */
int corral_net_datagrams_open(struct corral_net_child *c, int fd, uint16_t guest_port,
                              struct corral_net_datagrams **ret, struct corral_error *err);

#endif
