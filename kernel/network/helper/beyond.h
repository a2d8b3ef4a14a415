/*
 * Rules for what no sandbox reaches, whatever it may: corral_egress_beyond_at(). For whoever
 * filters what a guest sends, in its own namespace or on the host. Pure.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_BEYOND_H
#define CORRAL_KERNEL_NETWORK_HELPER_BEYOND_H

#include "kernel/base/buf.h"
#include "policy/egress.h"

/* A prefix as nft reads it; translated: one of IPv4 as NAT64 writes it, 64:ff9b::/96 (RFC 6052). */
void corral_net_prefix_put(struct corral_buf *b, const struct corral_prefix *p, bool translated);
/* A rule of IPv4, one of IPv6 and one of translated addresses, which end with the verdict: as far
 * as the list, in which nothing is there twice, has such. */
void corral_net_prefixes_refuse(struct corral_buf *b, const struct corral_prefix *list, size_t n,
                                const char *verdict);
/* The same for those that are beyond on every host, and for IPv4 written as IPv6. */
void corral_net_beyond_refuse(struct corral_buf *b, const char *verdict);

#endif
