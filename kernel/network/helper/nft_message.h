/*
 * One message to nf_tables by netlink(7), while it is composed. What found no room or no memory is
 * remembered, and such a message is never sent: a rule that lacks a part of itself would let
 * something pass.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_NFT_MESSAGE_H
#define CORRAL_KERNEL_NETWORK_HELPER_NFT_MESSAGE_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"

struct nl_msg;

struct corral_nft_message {
	struct nl_msg *nl; /* NULL without memory */
	bool failed;
};

/* type: NFT_MSG_*; family: NFPROTO_*; room: bytes that its attributes take, at most. */
void corral_nft_message_begin(struct corral_nft_message *m, int type, int flags, uint32_t sequence,
                              uint8_t family, size_t room);
/* One of the two that frame a transaction: NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END. */
void corral_nft_message_frame(struct corral_nft_message *m, int type, uint32_t sequence);
/* Behind what to has already; to fails when the message did. */
void corral_nft_message_end(struct corral_nft_message *m, struct corral_buf *to);

/* Sends it by itself, and hands the answers to see(): corral_net_answers(). */
int corral_nft_message_ask(struct corral_nft_message *m, int fd,
                           void (*see)(void *context, struct nlmsghdr *h), void *context);

void corral_nft_put(struct corral_nft_message *m, int attribute, const void *data, size_t len);
void corral_nft_put_string(struct corral_nft_message *m, int attribute, const char *text);
void corral_nft_put_u8(struct corral_nft_message *m, int attribute, uint8_t value);
/* Numbers of nf_tables are sent in the network's order. */
void corral_nft_put_u32(struct corral_nft_message *m, int attribute, uint32_t value);
void corral_nft_put_u64(struct corral_nft_message *m, int attribute, uint64_t value);
/* Attributes within one, until its end. */
struct nlattr *corral_nft_nest(struct corral_nft_message *m, int attribute);
void corral_nft_nest_end(struct corral_nft_message *m, struct nlattr *nest);

#endif
