/*
 * What the kernel answers to one request by netlink(7).
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_ANSWERS_H
#define CORRAL_KERNEL_NETWORK_HELPER_ANSWERS_H

#include <linux/netlink.h>

/*
 * Hands each message to see() until the kernel says that it was all, by the end of a dump or an
 * acknowledgement. 0, the kernel's -errno, or -errno of recv(2): a socket with a time limit has
 * one here.
 */
int corral_net_answers(int fd, void (*see)(void *context, struct nlmsghdr *h), void *context);

#endif
