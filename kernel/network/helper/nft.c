#include "kernel/network/helper/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nftables/libnftables.h>

#include "kernel/base/cleanup.h"

struct corral_nft {
	struct nft_ctx *ctx;
	int fd;
};

/* libnftables opens one socket, and tells nobody which: it has the lowest number that is free. */
static int next_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)close(fd);
	return fd;
}

static bool is_nfnetlink(int fd)
{
	int domain = 0, protocol = -1;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_NETLINK &&
	       getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == NETLINK_NETFILTER;
}

int corral_nft_fd(const struct corral_nft *nft)
{
	return nft->fd;
}

int corral_nft_new(struct corral_nft **ret, struct corral_error *err)
{
	struct corral_nft *nft = calloc(1, sizeof(*nft));

	if (!nft)
		return corral_error_set(err, ENOMEM, "nftables: out of memory");
	nft->fd = next_fd();
	nft->ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	if (nft->fd >= 0 && !is_nfnetlink(nft->fd))
		nft->fd = -1;
	if (!nft->ctx || nft_ctx_buffer_output(nft->ctx) || nft_ctx_buffer_error(nft->ctx)) {
		corral_nft_free(nft);
		return corral_error_set(err, EOPNOTSUPP,
		                        "nftables: its socket cannot be had: does this kernel have "
		                        "nf_tables? modprobe nf_tables");
	}
	nft_ctx_output_set_flags(nft->ctx, NFT_CTX_OUTPUT_NUMERIC_ALL);
	*ret = nft;
	return 0;
}

void corral_nft_free(struct corral_nft *nft)
{
	if (!nft)
		return;
	if (nft->ctx)
		nft_ctx_free(nft->ctx);
	free(nft);
}

int corral_nft_run(struct corral_nft *nft, const char *commands, struct corral_error *err)
{
	const char *why;
	int code;

	errno = 0;
	if (nft_run_cmd_from_buffer(nft->ctx, commands) == 0) {
		/* Printed by whoever asks, forgotten by whoever does not. */
		return 0;
	}
	code = errno && errno != ENOENT ? errno : EOPNOTSUPP;
	why = nft_ctx_get_error_buffer(nft->ctx);
	return corral_error_set(err, code, "nftables: %.*s", (int)strcspn(why, "\n"), why);
}

int corral_nft_ask(struct corral_nft *nft, const char *commands, struct corral_buf *ret,
                   struct corral_error *err)
{
	int r = corral_nft_run(nft, commands, err);

	if (r < 0)
		return r;
	corral_buf_str(ret, nft_ctx_get_output_buffer(nft->ctx));
	return ret->failed ? corral_error_set(err, ENOMEM, "nftables: out of memory") : 0;
}
