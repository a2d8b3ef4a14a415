#include "kernel/network/helper/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/nft_batch.h"
#include "kernel/network/helper/nft_words.h"

/* A socket of nf_tables stays where it was made. */
static int open_there(int guest_ns_fd, int *ret_fd)
{
	corral_autofd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int r;

	if (home < 0 || setns(guest_ns_fd, CLONE_NEWNET) < 0)
		return -errno;
	r = corral_nft_open(ret_fd, NULL);
	/* Whatever was done from there would be done to the wrong host. */
	if (setns(home, CLONE_NEWNET) < 0)
		_exit(1);
	return r;
}

/* What is sent and what is forwarded comes by here, and also what the kernel says again by itself.
 */
int corral_net_seal(int guest_ns_fd)
{
	corral_auto(corral_nft_batch_done) struct corral_nft_batch b = CORRAL_NFT_BATCH_INIT;
	corral_autofd int fd = -1;
	int r = open_there(guest_ns_fd, &fd);

	if (r < 0)
		return r;
	corral_nft_batch_begin(&b, "corral-seal", 1);
	corral_nft_table_add(&b, 0);
	corral_nft_chain_hook(&b, "out", "filter", NF_INET_POST_ROUTING, 0, NF_DROP);
	return corral_nft_batch_send(&b, fd, NULL);
}
