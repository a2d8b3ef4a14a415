/*
 * Sockets of the other network namespace than the one a process is in, without a privilege: a
 * thread that went there while it could, and makes them when it is asked. Descriptors belong to the
 * process, and so do sockets made there.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_FAR_SIDE_H
#define CORRAL_KERNEL_NETWORK_HELPER_FAR_SIDE_H

#include "kernel/base/error.h"

struct corral_net_far_side;

/* Takes CAP_SYS_ADMIN; the thread keeps none of its capabilities, and ends with the process. */
int corral_net_far_side_open(int net_ns_fd, struct corral_net_far_side **ret,
                             struct corral_error *err);
/* As socket(2): a descriptor, or -errno. */
int corral_net_far_side_socket(struct corral_net_far_side *f, int family, int type);

#endif
