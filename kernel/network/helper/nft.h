/*
 * nftables, by its own language. Whose network namespace: that of the thread which opens.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_NFT_H
#define CORRAL_KERNEL_NETWORK_HELPER_NFT_H

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

struct corral_nft;

int corral_nft_new(struct corral_nft **ret, struct corral_error *err);
/* A table with "flags owner" goes with the last copy of its descriptor, which forks have. */
void corral_nft_free(struct corral_nft *nft);
static inline void corral_nft_freep(struct corral_nft **nft)
{
	corral_nft_free(*nft);
}
/* The socket that such a table belongs to: whoever has a copy keeps it. Borrowed; -1 when it cannot
 * be told. */
int corral_nft_fd(const struct corral_nft *nft);
/*
 * One transaction: all of it or nothing. The error has nftables' own first line. After a table with
 * "flags owner" was made, nothing else should be run with the same nft: libnftables may open its
 * socket anew where another program changes rules at the same moment, and the table would go.
 */
int corral_nft_run(struct corral_nft *nft, const char *commands, struct corral_error *err);
/* The same, and what it prints is appended. */
int corral_nft_ask(struct corral_nft *nft, const char *commands, struct corral_buf *ret,
                   struct corral_error *err);

#endif
