/*
 * The guest's resolver under CORRAL_NETWORK_BRIDGE: it listens at CORRAL_NET_RESOLVER inside, and
 * carries each question to those whom the host itself asks, unread. So the guest needs to know
 * nothing of how the host resolves, and a host whose own resolver is on loopback or on one of its
 * addresses, where no guest comes, serves it all the same.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_DNS_H
#define CORRAL_KERNEL_NETWORK_HELPER_DNS_H

#include "kernel/base/error.h"
#include "kernel/network/helper/child.h"

#define CORRAL_NET_QUESTIONS_MAX 128
#define CORRAL_NET_QUESTION_MAX  2048 /* bytes; names take 255 */
#define CORRAL_NET_QUESTION_MS   1500 /* until the next server is asked */

/* Goes to the guest's side. */
int corral_net_dns_open(struct corral_net_child *c, struct corral_error *err);

/* A socket of the guest's side, bound to port 53 of CORRAL_NET_RESOLVER and, of SOCK_STREAM,
 * listening; or -errno. */
int corral_net_dns_listen(struct corral_net_child *c, int type, struct corral_error *err);

#endif
