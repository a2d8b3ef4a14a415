#include "kernel/network/helper/nft_batch.h"

/* Before the kernel's own headers, which know when it is there. */
#include <netinet/in.h>

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_cttimeout.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

#define TIMEOUT_S   5
#define RECEIVE_MAX (64u << 10)
/* For the attributes of a table, a chain or an object. */
#define ROOM 256

int corral_nft_open(int *ret_fd, struct corral_error *err)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	corral_autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	const int on = 1;

	if (fd < 0 && errno == EPROTONOSUPPORT)
		return corral_error_set(err, EOPNOTSUPP,
		                        "this kernel has no nf_tables: modprobe nf_tables");
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		return corral_error_sys(err, errno, "open a socket of nf_tables");
	/* Refusals name what was refused, and do not repeat the whole message (Linux 4.12). Of more
	 * than there is room for the first are the ones that matter. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

static void frame(struct corral_nft_batch *b, int type)
{
	struct corral_nft_message m;

	corral_nft_message_frame(&m, type, b->sequence++);
	corral_nft_message_end(&m, &b->buf);
}

void corral_nft_batch_begin(struct corral_nft_batch *b, const char *table, uint32_t sequence)
{
	*b = (struct corral_nft_batch) { .buf = CORRAL_BUF_INIT, .sequence = sequence };
	(void)snprintf(b->table, sizeof(b->table), "%s", table);
	frame(b, NFNL_MSG_BATCH_BEGIN);
}

void corral_nft_batch_done(struct corral_nft_batch *b)
{
	corral_buf_done(&b->buf);
}

/* The table's name is the first attribute of all: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, ... */
void corral_nft_batch_message(struct corral_nft_batch *b, struct corral_nft_message *m, int type,
                              int flags, size_t room)
{
	_Static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
	                       NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1 &&
	                       NFTA_OBJ_TABLE == 1,
	               "the table's name");
	corral_nft_message_begin(m, type, flags, b->sequence++, NFPROTO_INET,
	                         NLA_HDRLEN + sizeof(b->table) + room);
	corral_nft_put_string(m, NFTA_TABLE_NAME, b->table);
}

void corral_nft_batch_add(struct corral_nft_batch *b, struct corral_nft_message *m)
{
	b->last = b->buf.len;
	corral_nft_message_end(m, &b->buf);
}

static void table_message(struct corral_nft_batch *b, int type, int message_flags, uint32_t flags)
{
	struct corral_nft_message m;

	corral_nft_batch_message(b, &m, type, message_flags, ROOM);
	if (type == NFT_MSG_NEWTABLE)
		corral_nft_put_u32(&m, NFTA_TABLE_FLAGS, flags);
	corral_nft_batch_add(b, &m);
}

void corral_nft_table_add(struct corral_nft_batch *b, uint32_t flags)
{
	table_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, flags);
}

void corral_nft_table_delete(struct corral_nft_batch *b)
{
	table_message(b, NFT_MSG_DELTABLE, 0, 0);
}

void corral_nft_table_clear(struct corral_nft_batch *b)
{
	table_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, 0);
	corral_nft_table_delete(b);
}

void corral_nft_chain_add(struct corral_nft_batch *b, const char *name)
{
	struct corral_nft_message m;

	corral_nft_batch_message(b, &m, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, ROOM);
	corral_nft_put_string(&m, NFTA_CHAIN_NAME, name);
	corral_nft_batch_add(b, &m);
}

void corral_nft_chain_hook(struct corral_nft_batch *b, const char *name, const char *type,
                           uint32_t hook, int priority, uint32_t policy)
{
	struct corral_nft_message m;
	struct nlattr *nest;

	corral_nft_batch_message(b, &m, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, ROOM);
	corral_nft_put_string(&m, NFTA_CHAIN_NAME, name);
	corral_nft_put_string(&m, NFTA_CHAIN_TYPE, type);
	corral_nft_put_u32(&m, NFTA_CHAIN_POLICY, policy);
	nest = corral_nft_nest(&m, NFTA_CHAIN_HOOK);
	corral_nft_put_u32(&m, NFTA_HOOK_HOOKNUM, hook);
	corral_nft_put_u32(&m, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	corral_nft_nest_end(&m, nest);
	corral_nft_batch_add(b, &m);
}

/* Until its data has ended. */
static struct nlattr *object_begin(struct corral_nft_batch *b, struct corral_nft_message *m,
                                   uint32_t type, const char *name)
{
	corral_nft_batch_message(b, m, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL, ROOM);
	corral_nft_put_string(m, NFTA_OBJ_NAME, name);
	corral_nft_put_u32(m, NFTA_OBJ_TYPE, type);
	return corral_nft_nest(m, NFTA_OBJ_DATA);
}

void corral_nft_counter_add(struct corral_nft_batch *b, const char *name)
{
	struct corral_nft_message m;
	struct nlattr *nest = object_begin(b, &m, NFT_OBJECT_COUNTER, name);

	corral_nft_put_u64(&m, NFTA_COUNTER_BYTES, 0);
	corral_nft_put_u64(&m, NFTA_COUNTER_PACKETS, 0);
	corral_nft_nest_end(&m, nest);
	corral_nft_batch_add(b, &m);
}

void corral_nft_timeouts_add(struct corral_nft_batch *b, const char *name, uint32_t time_wait_s,
                             uint32_t close_s)
{
	struct corral_nft_message m;
	struct nlattr *nest = object_begin(b, &m, NFT_OBJECT_CT_TIMEOUT, name), *list;

	corral_nft_put_u8(&m, NFTA_CT_TIMEOUT_L4PROTO, IPPROTO_TCP);
	list = corral_nft_nest(&m, NFTA_CT_TIMEOUT_DATA);
	corral_nft_put_u32(&m, CTA_TIMEOUT_TCP_TIME_WAIT, time_wait_s);
	corral_nft_put_u32(&m, CTA_TIMEOUT_TCP_CLOSE, close_s);
	corral_nft_nest_end(&m, list);
	corral_nft_nest_end(&m, nest);
	corral_nft_batch_add(b, &m);
}

/* --- what the kernel says of it ------------------------------------------------------------- */

struct refusal {
	int error; /* negative; 0: it was taken */
	uint32_t sequence;
	uint32_t at; /* of the attribute in its message; 0 where it is not said */
};

static void refusal_read(struct nlmsghdr *h, struct refusal *ret)
{
	const struct nlmsgerr *e = nlmsg_data(h);
	/* CAP_ACK: without what the message had. */
	const size_t head = NLMSG_LENGTH(sizeof(*e));
	struct nlattr *at = NULL;

	*ret = (struct refusal) { .error = e->error, .sequence = e->msg.nlmsg_seq };
	if ((h->nlmsg_flags & NLM_F_ACK_TLVS) && (h->nlmsg_flags & NLM_F_CAPPED))
		at = nla_find((struct nlattr *)(void *)((uint8_t *)h + head),
		              (int)(h->nlmsg_len - head), NLMSGERR_ATTR_OFFS);
	if (at && nla_len(at) >= (int)sizeof(uint32_t))
		ret->at = nla_get_u32(at);
}

/* The kernel has answered by the time the send returns; the first error is the transaction's. */
static int answers_read(int fd, struct refusal *ret)
{
	corral_autofree uint8_t *buf = malloc(RECEIVE_MAX);
	bool heard = false;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = recv(fd, buf, RECEIVE_MAX, MSG_DONTWAIT);
		struct nlmsghdr *h = (struct nlmsghdr *)(void *)buf;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno != EAGAIN ? -errno : heard ? 0 : -EPROTO;
		for (; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			if (h->nlmsg_type != NLMSG_ERROR ||
			    h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
				continue;
			if (!heard || !ret->error)
				refusal_read(h, ret);
			heard = true;
		}
	}
}

/* "rule of chain", and the attribute that has its name. */
static const char *noun(int type, int *ret_name)
{
	switch (type & 0xff) {
	case NFT_MSG_NEWCHAIN:
		*ret_name = NFTA_CHAIN_NAME;
		return "chain";
	case NFT_MSG_NEWRULE:
		*ret_name = NFTA_RULE_CHAIN;
		return "a rule of chain";
	case NFT_MSG_NEWSET:
		*ret_name = NFTA_SET_NAME;
		return "set";
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		*ret_name = NFTA_SET_ELEM_LIST_SET;
		return "elements of set";
	case NFT_MSG_NEWOBJ:
		*ret_name = NFTA_OBJ_NAME;
		return "object";
	default:
		*ret_name = NFTA_TABLE_NAME;
		return "table";
	}
}

/* What the kernel points at within a message, where it is a word: "masq". */
static const char *word_at(struct nlmsghdr *h, uint32_t at)
{
	struct nlattr *a = (struct nlattr *)(void *)((uint8_t *)h + at);

	if (at < NLMSG_HDRLEN || at % NLA_ALIGNTO || at + NLA_HDRLEN > h->nlmsg_len ||
	    !nla_ok(a, (int)(h->nlmsg_len - at)))
		return NULL;
	for (int i = 0; i < nla_len(a); i++) {
		char c = ((const char *)nla_data(a))[i];

		if (!c)
			return i > 1 ? nla_data(a) : NULL;
		if (c < ' ' || c > '~')
			return NULL;
	}
	return NULL;
}

static int refused(const struct corral_nft_batch *b, const struct refusal *r,
                   struct corral_error *err)
{
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)b->buf.data;
	const char *kind, *word;
	struct nlattr *name;
	int left = (int)b->buf.len, attribute;

	while (nlmsg_ok(h, left) && h->nlmsg_seq != r->sequence)
		h = nlmsg_next(h, &left);
	/* Of the transaction itself. */
	if (!nlmsg_ok(h, left) || h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES) {
		if (r->error == -EOPNOTSUPP)
			return corral_error_set(err, EOPNOTSUPP,
			                        "this kernel has no nf_tables: modprobe nf_tables");
		return corral_error_sys(err, -r->error, "nf_tables: table '%s'", b->table);
	}
	kind = noun(h->nlmsg_type, &attribute);
	name = nlmsg_find_attr(h, sizeof(struct nfgenmsg), attribute);
	if (attribute == NFTA_TABLE_NAME || !name)
		return corral_error_sys(err, -r->error, "nf_tables: table '%s'", b->table);
	word = word_at(h, r->at);
	if (word && (!strcmp(word, b->table) || word == nla_data(name)))
		word = NULL;
	return corral_error_sys(err, -r->error, "nf_tables: table '%s': %s '%.40s'%s%.40s",
	                        b->table, kind, (const char *)nla_data(name), word ? ", " : "",
	                        word ? word : "");
}

int corral_nft_batch_send(struct corral_nft_batch *b, int fd, struct corral_error *err)
{
	struct refusal refusal = { .error = 0 };
	const int room = (int)b->buf.len + 4096;
	int r;

	/* What asks for an answer is the last of all. */
	if (!b->buf.failed && b->last)
		((struct nlmsghdr *)(void *)(b->buf.data + b->last))->nlmsg_flags |= NLM_F_ACK;
	frame(b, NFNL_MSG_BATCH_END);
	if (b->buf.failed)
		return corral_error_set(err, ENOMEM, "nf_tables: out of memory");
	/* It has some 200 KiB, else; many addresses take more. */
	if (b->buf.len > (64u << 10) &&
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (send(fd, b->buf.data, b->buf.len, 0) < 0)
		return corral_error_sys(err, errno, "nf_tables: send the table '%s'", b->table);
	r = answers_read(fd, &refusal);
	if (r < 0)
		return corral_error_sys(err, -r, "nf_tables: hear of the table '%s'", b->table);
	return refusal.error ? refused(b, &refusal, err) : 0;
}
