/*
 * An empty network namespace with its loopback up, kept by its descriptor. One sandbox's only:
 * abstract sockets live there.
 */
#ifndef CORRAL_KERNEL_NETNS_H
#define CORRAL_KERNEL_NETNS_H

#include "kernel/base/error.h"

/*
 * The calling thread leaves its own network namespace for a moment and comes back; no other thread
 * notices. -ENOTRECOVERABLE when it could not come back, which a caller must not survive.
 */
int corral_netns_open(int *ret_fd, struct corral_error *err);

#endif
