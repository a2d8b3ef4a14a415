#include "kernel/network/helper/nft_field.h"

#include <netinet/in.h>

#include <assert.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <string.h>

#define META(key, len, type)                               \
	{                                                  \
		CORRAL_NFT_LOAD_META, key, len, type, 0, 0 \
	}
#define CT(key, len, type)                               \
	{                                                \
		CORRAL_NFT_LOAD_CT, key, len, type, 0, 0 \
	}
#define IP(at, len, type)                                               \
	{                                                               \
		CORRAL_NFT_LOAD_NETWORK, at, len, type, NFPROTO_IPV4, 0 \
	}
#define IP6(at, len, type)                                              \
	{                                                               \
		CORRAL_NFT_LOAD_NETWORK, at, len, type, NFPROTO_IPV6, 0 \
	}
#define TRANSPORT(at, len, type, family, prot)                         \
	{                                                              \
		CORRAL_NFT_LOAD_TRANSPORT, at, len, type, family, prot \
	}

/* enum datatypes of nftables, for those who list. */
enum {
	TYPE_NFPROTO = 2,
	TYPE_INTEGER = 4,
	TYPE_IPADDR = 7,
	TYPE_IP6ADDR = 8,
	TYPE_INET_PROTOCOL = 12,
	TYPE_INET_SERVICE = 13,
	TYPE_ICMP_TYPE = 14,
	TYPE_MARK = 19,
	TYPE_ARPHRD = 21,
	TYPE_UID = 24,
	TYPE_CT_STATE = 26,
	TYPE_CT_DIR = 27,
	TYPE_CT_STATUS = 28,
	TYPE_ICMP6_TYPE = 29,
	TYPE_IFNAME = 41,
};

/* clang-format off */
static const struct corral_nft_field_like fields[CORRAL_NFT_FIELDS] = {
	[CORRAL_NFT_NFPROTO] = META(NFT_META_NFPROTO, 1, TYPE_NFPROTO),
	[CORRAL_NFT_L4PROTO] = META(NFT_META_L4PROTO, 1, TYPE_INET_PROTOCOL),
	[CORRAL_NFT_MARK] = META(NFT_META_MARK, 4, TYPE_MARK),
	[CORRAL_NFT_RANDOM] = META(NFT_META_PRANDOM, 4, TYPE_MARK),
	[CORRAL_NFT_IIFNAME] = META(NFT_META_IIFNAME, 16, TYPE_IFNAME),
	[CORRAL_NFT_OIFNAME] = META(NFT_META_OIFNAME, 16, TYPE_IFNAME),
	[CORRAL_NFT_IIFTYPE] = META(NFT_META_IIFTYPE, 2, TYPE_ARPHRD),
	[CORRAL_NFT_OIFTYPE] = META(NFT_META_OIFTYPE, 2, TYPE_ARPHRD),
	[CORRAL_NFT_SKUID] = META(NFT_META_SKUID, 4, TYPE_UID),
	[CORRAL_NFT_STATE] = CT(NFT_CT_STATE, 4, TYPE_CT_STATE),
	[CORRAL_NFT_STATUS] = CT(NFT_CT_STATUS, 4, TYPE_CT_STATUS),
	[CORRAL_NFT_DIRECTION] = CT(NFT_CT_DIRECTION, 1, TYPE_CT_DIR),
	[CORRAL_NFT_IP_SADDR] = IP(12, 4, TYPE_IPADDR),
	[CORRAL_NFT_IP_DADDR] = IP(16, 4, TYPE_IPADDR),
	[CORRAL_NFT_IP_PROTOCOL] = IP(9, 1, TYPE_INET_PROTOCOL),
	[CORRAL_NFT_IP_VERSION_AND_LENGTH] = IP(0, 1, TYPE_INTEGER),
	[CORRAL_NFT_IP_FRAGMENT] = IP(6, 2, TYPE_INTEGER),
	[CORRAL_NFT_IP6_SADDR] = IP6(8, 16, TYPE_IP6ADDR),
	[CORRAL_NFT_IP6_DADDR] = IP6(24, 16, TYPE_IP6ADDR),
	[CORRAL_NFT_IP6_NEXTHDR] = IP6(6, 1, TYPE_INET_PROTOCOL),
	[CORRAL_NFT_IP6_HOPLIMIT] = IP6(7, 1, TYPE_INTEGER),
	[CORRAL_NFT_ICMP_TYPE] = TRANSPORT(0, 1, TYPE_ICMP_TYPE, NFPROTO_IPV4, IPPROTO_ICMP),
	[CORRAL_NFT_ICMP6_TYPE] = TRANSPORT(0, 1, TYPE_ICMP6_TYPE, NFPROTO_IPV6, IPPROTO_ICMPV6),
	[CORRAL_NFT_SPORT] = TRANSPORT(0, 2, TYPE_INET_SERVICE, 0, 0),
	[CORRAL_NFT_DPORT] = TRANSPORT(2, 2, TYPE_INET_SERVICE, 0, 0),
};
/* clang-format on */

const struct corral_nft_field_like *corral_nft_field(enum corral_nft_field f)
{
	assert(f > CORRAL_NFT_NONE && f < CORRAL_NFT_FIELDS);
	return &fields[f];
}

uint8_t corral_nft_number(enum corral_nft_field f, uint32_t number,
                          uint8_t ret[CORRAL_NFT_NUMBER_MAX])
{
	const struct corral_nft_field_like *like = corral_nft_field(f);
	const bool packet =
	        like->load == CORRAL_NFT_LOAD_NETWORK || like->load == CORRAL_NFT_LOAD_TRANSPORT;
	const uint16_t two = packet ? htons((uint16_t)number) : (uint16_t)number;
	const uint32_t four = packet ? htonl(number) : number;
	const uint8_t one = (uint8_t)number;

	assert(like->len <= CORRAL_NFT_NUMBER_MAX);
	memcpy(ret,
	       like->len == 1   ? (const void *)&one
	       : like->len == 2 ? (const void *)&two
	                        : &four,
	       like->len);
	return like->len;
}
