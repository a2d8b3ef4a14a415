/*
 * The guest's resolver under CORRAL_NETWORK_BRIDGE: it listens at CORRAL_NET_RESOLVER inside, and
 * carries questions to those whom the host itself asks. So the guest needs to know nothing of how
 * the host resolves, and a host whose own resolver is on loopback or on one of its addresses, where
 * no guest comes, serves it all the same.
 *
 * A resolver on loopback takes its askers for the host's own. So nothing is carried but one
 * question of class IN each, for records of one type (corral_dns_may_forward()): no transfers of
 * zones, no updates, no other operation; and only so many at a time.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_DNS_H
#define CORRAL_KERNEL_NETWORK_HELPER_DNS_H

#include "kernel/base/error.h"
#include "kernel/network/helper/child.h"

#define CORRAL_NET_QUESTIONS_MAX        128   /* on their way at a time; one more is refused */
#define CORRAL_NET_QUESTIONS_PER_SECOND 200   /* in the long run; twice as many at once */
#define CORRAL_NET_QUESTION_MS          1500  /* until the next server is asked */
#define CORRAL_NET_LINES_MAX            16    /* connections at a time; one more is refused */
#define CORRAL_NET_LINE_MS              10000 /* until one on which nothing happens is closed */

/* Goes to the guest's side. */
int corral_net_dns_open(struct corral_net_child *c, struct corral_error *err);

/* A socket of the guest's side, bound to port 53 of CORRAL_NET_RESOLVER and, of SOCK_STREAM,
 * listening; or -errno. */
int corral_net_dns_listen(struct corral_net_child *c, int type, struct corral_error *err);

/* For the connections of dns_tcp.c. */
struct corral_net_dns;
/* Whether one more question may be carried now. */
bool corral_net_dns_may_ask(struct corral_net_dns *d);
/* A connection to a server of the host's that is there or about to be; -1 where there is none. */
int corral_net_dns_dial(struct corral_net_dns *d);

#endif
