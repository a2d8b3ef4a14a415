/*
 * Rules for what no sandbox reaches, whatever it may: corral_egress_beyond_at(). For whoever
 * filters what a guest sends, in its own namespace or on the host. Pure.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_BEYOND_H
#define CORRAL_KERNEL_NETWORK_HELPER_BEYOND_H

#include "kernel/network/helper/nft_rule.h"
#include "policy/egress.h"

/* One of IPv4 as NAT64 writes it, 64:ff9b::/96 (RFC 6052). */
struct corral_prefix corral_net_prefix_translated(const struct corral_prefix *p);
/* A rule of IPv4, one of IPv6 and one of translated addresses, which end with the verdict: as far
 * as the list has such. */
void corral_net_prefixes_refuse(struct corral_nft_batch *b, const char *chain,
                                const struct corral_prefix *list, size_t n,
                                const struct corral_nft_term *verdict);
/* The same for those that are beyond on every host, and for IPv4 written as IPv6. */
void corral_net_beyond_refuse(struct corral_nft_batch *b, const char *chain,
                              const struct corral_nft_term *verdict);

#endif
