/*
 * A connection carried to a port of the guest's loopback, byte for byte, both ways; each direction
 * ends by itself.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_STREAM_H
#define CORRAL_KERNEL_NETWORK_HELPER_STREAM_H

#include <stdint.h>

#include "kernel/network/helper/child.h"

/* At a time, of one sandbox's; for one more the longest idle is closed, where nothing came of it
 * for that long, else it is refused. */
#define CORRAL_NET_STREAMS_MAX    128
#define CORRAL_NET_STREAM_IDLE_MS 10000

/* Takes fd, which does not block. Tries 127.0.0.1, then ::1; closes fd when nobody listens. */
void corral_net_stream_open(struct corral_net_child *c, int fd, uint16_t guest_port);

#endif
