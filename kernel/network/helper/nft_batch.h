/*
 * One transaction of nf_tables: a table of the family "inet" and what is in it, sent at once; all
 * of it or nothing. Written by hand, as it is on the way of every start: a library that reads
 * nftables' language takes longer to be loaded than the kernel to be told.
 *
 * Rules: nft_rule.h, sets: nft_set.h.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_NFT_BATCH_H
#define CORRAL_KERNEL_NETWORK_HELPER_NFT_BATCH_H

#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/network/helper/nft_message.h"

struct corral_nft_batch {
	struct corral_buf buf;
	char table[32];
	uint32_t sequence; /* of the next message */
	uint32_t set_id;   /* of the last set, within this transaction */
	size_t last;       /* where the last message begins */
};

#define CORRAL_NFT_BATCH_INIT           \
	{                               \
		.buf = CORRAL_BUF_INIT, \
	}

/* A socket of the calling thread's network namespace. Whatever table it owns goes with its last
 * copy, which forks have. */
int corral_nft_open(int *ret_fd, struct corral_error *err);

void corral_nft_batch_begin(struct corral_nft_batch *b, const char *table, uint32_t sequence);
void corral_nft_batch_done(struct corral_nft_batch *b);

/* For what else belongs to the table; flags: NLM_F_CREATE, ... */
void corral_nft_batch_message(struct corral_nft_batch *b, struct corral_nft_message *m, int type,
                              int flags, size_t room);
void corral_nft_batch_add(struct corral_nft_batch *b, struct corral_nft_message *m);

/* Which must not be there; flags: NFT_TABLE_F_*. */
void corral_nft_table_add(struct corral_nft_batch *b, uint32_t flags);
void corral_nft_table_delete(struct corral_nft_batch *b);
/* The same, whether it is there or not. */
void corral_nft_table_clear(struct corral_nft_batch *b);
/* For jumps. All chains of a table are there before the first rule. */
void corral_nft_chain_add(struct corral_nft_batch *b, const char *name);
/* hook: NF_INET_*; policy: NF_ACCEPT, NF_DROP. */
void corral_nft_chain_hook(struct corral_nft_batch *b, const char *name, const char *type,
                           uint32_t hook, int priority, uint32_t policy);
void corral_nft_counter_add(struct corral_nft_batch *b, const char *name);
/* Of TCP: how long the host remembers one whose sides have closed it, and one that was reset. The
 * kernel has them by CONFIG_NF_CONNTRACK_TIMEOUT, and refuses with -ENOENT or -EOPNOTSUPP without.
 */
void corral_nft_timeouts_add(struct corral_nft_batch *b, const char *name, uint32_t time_wait_s,
                             uint32_t close_s);

/*
 * Sends it, and waits for what the kernel says of it. 0, or -errno with what was refused: of the
 * first that was. -EOPNOTSUPP where there is no nf_tables at all. The next transaction by the same
 * socket goes on with b->sequence.
 */
int corral_nft_batch_send(struct corral_nft_batch *b, int fd, struct corral_error *err);

#endif
