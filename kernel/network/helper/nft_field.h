/*
 * What rules of nf_tables ask of a packet, and keys of sets are made of: where it is found, how
 * long it is, and of which packets it is there at all. Pure.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_NFT_FIELD_H
#define CORRAL_KERNEL_NETWORK_HELPER_NFT_FIELD_H

#include <stdint.h>

enum corral_nft_field {
	CORRAL_NFT_NONE,
	CORRAL_NFT_NFPROTO,
	CORRAL_NFT_L4PROTO,
	CORRAL_NFT_MARK,
	CORRAL_NFT_RANDOM, /* another for each packet */
	CORRAL_NFT_IIFNAME,
	CORRAL_NFT_OIFNAME,
	CORRAL_NFT_IIFTYPE,
	CORRAL_NFT_OIFTYPE,
	CORRAL_NFT_SKUID,
	CORRAL_NFT_STATE,
	CORRAL_NFT_STATUS,
	CORRAL_NFT_DIRECTION,
	CORRAL_NFT_IP_SADDR,
	CORRAL_NFT_IP_DADDR,
	CORRAL_NFT_IP_PROTOCOL,
	CORRAL_NFT_IP_VERSION_AND_LENGTH,
	CORRAL_NFT_IP_FRAGMENT,
	CORRAL_NFT_IP6_SADDR,
	CORRAL_NFT_IP6_DADDR,
	CORRAL_NFT_IP6_NEXTHDR,
	CORRAL_NFT_IP6_HOPLIMIT,
	CORRAL_NFT_ICMP_TYPE,
	CORRAL_NFT_ICMP6_TYPE,
	/* Where TCP and UDP have them: the rule says which protocol it is. */
	CORRAL_NFT_SPORT,
	CORRAL_NFT_DPORT,
	CORRAL_NFT_FIELDS
};

enum corral_nft_load {
	CORRAL_NFT_LOAD_META,
	CORRAL_NFT_LOAD_CT,
	CORRAL_NFT_LOAD_NETWORK,   /* at a place in the packet's header */
	CORRAL_NFT_LOAD_TRANSPORT, /* and in that of its protocol */
};

struct corral_nft_field_like {
	enum corral_nft_load load;
	uint8_t key;      /* NFT_META_*, NFT_CT_*, or the place */
	uint8_t len;      /* bytes */
	uint8_t type;     /* as "nft list" knows types: of no meaning to the kernel */
	uint8_t family;   /* NFPROTO_* of the only packets that have it, or 0 */
	uint8_t protocol; /* IPPROTO_*, or 0 */
};

/* Bits of a type's number; those of a key's fields stand one behind the other in the key's. */
#define CORRAL_NFT_TYPE_BITS 6

#define CORRAL_NFT_NUMBER_MAX 4
#define CORRAL_NFT_VALUE_MAX  16

/* Borrowed, static. */
const struct corral_nft_field_like *corral_nft_field(enum corral_nft_field f);
/* A number of at most four bytes as the field has it: in the order of the packet or of the host.
 * Returns the length. */
uint8_t corral_nft_number(enum corral_nft_field f, uint32_t number,
                          uint8_t ret[CORRAL_NFT_NUMBER_MAX]);

#endif
