#include "kernel/network/helper/conntrack.h"

#include <netinet/in.h>

#include <errno.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/network/helper/answers.h"

#define TIMEOUT_S 5
/* Sent at a time: what a socket's buffer takes. */
#define DELETE_MAX (16u << 10)
/* Of connections that have ended: nobody's limit counts them (nf_conncount(), already_closed()). */
#define ENDED_MAX 512

struct forget {
	const struct corral_net_place *places;
	size_t n;
	size_t n_ended;            /* that are kept */
	struct corral_buf deletes; /* messages, one behind the other */
};

static bool is_guest(const struct forget *f, const struct nlattr *address)
{
	const void *data = nla_data(address);

	for (size_t i = 0; i < f->n; i++) {
		const struct corral_net_place *p = &f->places[i];

		if (nla_len(address) == sizeof(p->guest) &&
		    !memcmp(data, &p->guest, sizeof(p->guest)))
			return true;
		if (nla_len(address) == sizeof(p->guest6) &&
		    !memcmp(data, &p->guest6, sizeof(p->guest6)))
			return true;
	}
	return false;
}

/* Any address of a direction's: CTA_IP_V4_SRC, _V4_DST, _V6_SRC, _V6_DST. */
static bool is_of_guest(const struct forget *f, struct nlattr *tuple)
{
	struct nlattr *ip = nla_find(nla_data(tuple), nla_len(tuple), CTA_TUPLE_IP), *address;
	int left;

	if (ip)
		nla_for_each_nested(address, ip, left) if (is_guest(f, address)) return true;
	return false;
}

/*
 * A connection that has ended is kept for its minute: while the host remembers it, it gives
 * that port to nobody else, whose first packet the peer, in TIME-WAIT itself, would drop. Nothing
 * comes of it to the next of that address: its socket is closed, and no packet of the peer's opens
 * it again (a SYN of either side ends it, nf_conntrack_tcp_packet()). So many of them at most, as
 * whoever means harm to the host's table has as many as it likes.
 */
static bool has_ended(struct nlmsghdr *h)
{
	struct nlattr *info = nlmsg_find_attr(h, sizeof(struct nfgenmsg), CTA_PROTOINFO);
	struct nlattr *tcp =
	        info ? nla_find(nla_data(info), nla_len(info), CTA_PROTOINFO_TCP) : NULL;
	struct nlattr *state =
	        tcp ? nla_find(nla_data(tcp), nla_len(tcp), CTA_PROTOINFO_TCP_STATE) : NULL;

	return state && nla_len(state) == 1 && nla_get_u8(state) == TCP_CONNTRACK_TIME_WAIT;
}

static void delete_add(struct forget *f, const struct nfgenmsg *gen, const struct nlattr *tuple,
                       const struct nlattr *zone)
{
	struct nl_msg *m = nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
	                                      NLM_F_REQUEST);

	/* The tuple as it came, nested as it is. */
	if (!m || nlmsg_append(m, (void *)(uintptr_t)gen, sizeof(*gen), NLMSG_ALIGNTO) < 0 ||
	    nla_put(m, CTA_TUPLE_ORIG | NLA_F_NESTED, nla_len(tuple), nla_data(tuple)) < 0 ||
	    (zone && nla_put(m, CTA_ZONE, nla_len(zone), nla_data(zone)) < 0))
		f->deletes.failed = true;
	else
		corral_buf_add(&f->deletes, nlmsg_hdr(m), NLMSG_ALIGN(nlmsg_hdr(m)->nlmsg_len));
	nlmsg_free(m);
}

static void entry_see(void *context, struct nlmsghdr *h)
{
	struct forget *f = context;
	struct nlattr *original = nlmsg_find_attr(h, sizeof(struct nfgenmsg), CTA_TUPLE_ORIG);
	struct nlattr *reply = nlmsg_find_attr(h, sizeof(struct nfgenmsg), CTA_TUPLE_REPLY);
	const struct nfgenmsg *gen = nlmsg_data(h);

	if (h->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW) || !original ||
	    (!is_of_guest(f, original) && !(reply && is_of_guest(f, reply))))
		return;
	if (f->n_ended < ENDED_MAX && has_ended(h)) {
		f->n_ended++;
		return;
	}
	delete_add(f, gen, original, nlmsg_find_attr(h, sizeof(*gen), CTA_ZONE));
}

static int table_ask(int fd)
{
	const struct {
		struct nlmsghdr head;
		struct nfgenmsg gen;
	} m = { { .nlmsg_len = sizeof(m),
		  .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
		  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		{ AF_UNSPEC, NFNETLINK_V0, 0 } };

	return send(fd, &m, sizeof(m), 0) < 0 ? -errno : 0;
}

/* Nothing is answered to those that succeed; one that ended by itself (ENOENT) is what was wanted.
 */
static int deletes_send(int fd, const struct corral_buf *deletes)
{
	size_t at = 0;

	while (at < deletes->len) {
		size_t end = at;

		while (end < deletes->len && end - at < DELETE_MAX)
			end += NLMSG_ALIGN(
			        ((const struct nlmsghdr *)(const void *)(deletes->data + end))
			                ->nlmsg_len);
		if (send(fd, deletes->data + at, end - at, 0) < 0)
			return -errno;
		at = end;
	}
	return 0;
}

int corral_net_conntrack_forget(const struct corral_net_place *places, size_t n,
                                struct corral_error *err)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	struct forget f = { .places = places, .n = n, .deletes = CORRAL_BUF_INIT };
	corral_autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	int r = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		r = -errno;
	if (r == 0)
		r = table_ask(fd);
	if (r == 0)
		r = corral_net_answers(fd, entry_see, &f);
	if (r == 0 && f.deletes.failed)
		r = -ENOMEM;
	if (r == 0)
		r = deletes_send(fd, &f.deletes);
	corral_buf_done(&f.deletes);
	if (r < 0)
		return corral_error_sys(err, -r,
		                        "forget the connections of earlier sandboxes "
		                        "(nf_conntrack_netlink)");
	return 0;
}
