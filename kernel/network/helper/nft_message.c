#include "kernel/network/helper/nft_message.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/answers.h"

static void begin(struct corral_nft_message *m, int type, int flags, uint32_t sequence,
                  const struct nfgenmsg *gen, size_t room)
{
	struct nlmsghdr *head;

	*m = (struct corral_nft_message) { .nl = nlmsg_alloc_size(NLMSG_HDRLEN + sizeof(*gen) +
		                                                  room) };
	head = m->nl ? nlmsg_put(m->nl, 0, sequence, type, 0, NLM_F_REQUEST | flags) : NULL;
	m->failed = !head ||
	            nlmsg_append(m->nl, (void *)(uintptr_t)gen, sizeof(*gen), NLMSG_ALIGNTO) < 0;
}

void corral_nft_message_begin(struct corral_nft_message *m, int type, int flags, uint32_t sequence,
                              uint8_t family, size_t room)
{
	const struct nfgenmsg gen = { family, NFNETLINK_V0, 0 };

	begin(m, NFNL_SUBSYS_NFTABLES << 8 | type, flags, sequence, &gen, room);
}

void corral_nft_message_frame(struct corral_nft_message *m, int type, uint32_t sequence)
{
	const struct nfgenmsg gen = { AF_UNSPEC, NFNETLINK_V0, htons(NFNL_SUBSYS_NFTABLES) };

	begin(m, type, 0, sequence, &gen, 0);
}

void corral_nft_message_end(struct corral_nft_message *m, struct corral_buf *to)
{
	if (m->failed)
		to->failed = true;
	else
		corral_buf_add(to, nlmsg_hdr(m->nl), NLMSG_ALIGN(nlmsg_hdr(m->nl)->nlmsg_len));
	nlmsg_free(m->nl);
	m->nl = NULL;
}

int corral_nft_message_ask(struct corral_nft_message *m, int fd,
                           void (*see)(void *context, struct nlmsghdr *h), void *context)
{
	corral_autobuf struct corral_buf buf = CORRAL_BUF_INIT;

	corral_nft_message_end(m, &buf);
	if (buf.failed)
		return -ENOMEM;
	if (send(fd, buf.data, buf.len, 0) < 0)
		return -errno;
	return corral_net_answers(fd, see, context);
}

void corral_nft_put(struct corral_nft_message *m, int attribute, const void *data, size_t len)
{
	if (!m->failed && nla_put(m->nl, attribute, (int)len, data) < 0)
		m->failed = true;
}

void corral_nft_put_string(struct corral_nft_message *m, int attribute, const char *text)
{
	corral_nft_put(m, attribute, text, strlen(text) + 1);
}

void corral_nft_put_u8(struct corral_nft_message *m, int attribute, uint8_t value)
{
	corral_nft_put(m, attribute, &value, sizeof(value));
}

void corral_nft_put_u32(struct corral_nft_message *m, int attribute, uint32_t value)
{
	value = htonl(value);
	corral_nft_put(m, attribute, &value, sizeof(value));
}

void corral_nft_put_u64(struct corral_nft_message *m, int attribute, uint64_t value)
{
	value = htobe64(value);
	corral_nft_put(m, attribute, &value, sizeof(value));
}

struct nlattr *corral_nft_nest(struct corral_nft_message *m, int attribute)
{
	struct nlattr *nest = m->failed ? NULL : nla_nest_start(m->nl, attribute);

	if (!nest)
		m->failed = true;
	return nest;
}

/* An empty one is taken away, as libnl has it; a long one (64 KiB) fails. */
void corral_nft_nest_end(struct corral_nft_message *m, struct nlattr *nest)
{
	if (!m->failed && nla_nest_end(m->nl, nest) < 0)
		m->failed = true;
}
