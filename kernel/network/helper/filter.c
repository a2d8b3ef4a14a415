#include "kernel/network/helper/filter.h"

#include <endian.h>
#include <errno.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/network/helper/filter_rules.h"
#include "kernel/network/helper/nft_set.h"
#include "kernel/network/helper/nft_words.h"

#define PRIORITY_MARK (-10)
/* For the attributes of a question. */
#define ROOM 128

struct corral_filter {
	struct corral_filter_fds fds;
	const struct corral_egress *egress;
	uint32_t sequence;
	struct corral_leases leases;
};

/* "meta mark set ..." on what has no mark. */
static void alive_compose(struct corral_nft_batch *b)
{
	corral_nft_batch_begin(b, CORRAL_FILTER_TABLE_ALIVE, 1);
	corral_nft_table_add(b, NFT_TABLE_F_OWNER);
	corral_nft_chain_hook(b, "output", "filter", NF_INET_LOCAL_OUT, PRIORITY_MARK, NF_ACCEPT);
	RULE(b, "output", IS(MARK, 0), SET_MARK(CORRAL_FILTER_MARK_ALIVE));
}

static int alive_install(int fd, struct corral_error *err)
{
	corral_auto(corral_nft_batch_done) struct corral_nft_batch b = CORRAL_NFT_BATCH_INIT;
	int r;

	alive_compose(&b);
	r = corral_nft_batch_send(&b, fd, err);
	if (r == -EINVAL || r == -EOPNOTSUPP)
		return corral_error_set(err, EOPNOTSUPP,
		                        "this kernel's nf_tables has no tables that end with their "
		                        "owner: Linux 5.12 has them");
	return r < 0 ? corral_error_wrap(err, r, "the table that lives as long as its owner") : 0;
}

static int rules_install(const struct corral_egress *e, int fd, struct corral_error *err)
{
	corral_auto(corral_nft_batch_done) struct corral_nft_batch b = CORRAL_NFT_BATCH_INIT;
	int r;

	corral_nft_batch_begin(&b, CORRAL_FILTER_TABLE, 1);
	r = corral_filter_rules(e, &b, err);
	return r < 0 ? r : corral_nft_batch_send(&b, fd, err);
}

int corral_filter_install(const struct corral_egress *e, struct corral_filter_fds *ret,
                          struct corral_error *err)
{
	corral_autofd int rules = -1, alive = -1;
	int r = corral_nft_open(&rules, err);

	/* What refuses is there before what lets anything pass. */
	if (r == 0)
		r = rules_install(e, rules, err);
	if (r == 0)
		r = corral_nft_open(&alive, err);
	if (r == 0)
		r = alive_install(alive, err);
	if (r < 0)
		return corral_error_wrap(err, r, "network allow");
	*ret = (struct corral_filter_fds) { corral_take_fd(&rules), corral_take_fd(&alive) };
	return 0;
}

int corral_filter_new(struct corral_filter_fds *take_fds, const struct corral_egress *e,
                      struct corral_filter **ret, struct corral_error *err)
{
	struct corral_filter *f = calloc(1, sizeof(*f));

	if (!f) {
		corral_fd_closep(&take_fds->rules);
		corral_fd_closep(&take_fds->alive);
		return corral_error_sys(err, ENOMEM, "network allow");
	}
	f->fds = *take_fds;
	*take_fds = (struct corral_filter_fds) { -1, -1 };
	f->egress = e;
	f->sequence = 1;
	*ret = f;
	return 0;
}

void corral_filter_free(struct corral_filter *f)
{
	if (!f)
		return;
	corral_fd_closep(&f->fds.alive);
	corral_fd_closep(&f->fds.rules);
	corral_leases_done(&f->leases);
	free(f);
}

struct corral_filter_fds corral_filter_fds(const struct corral_filter *f)
{
	return f->fds;
}

/* --- leases -------------------------------------------------------------------------------- */

static bool same_address(const struct corral_address *a, const struct corral_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Adds (or takes away) those of the n addresses whose bit is set. */
static void elements_add(struct corral_nft_batch *b, int type, unsigned int set,
                         const struct corral_address *addresses, size_t n, uint64_t which,
                         uint64_t timeout_ms)
{
	char name[CORRAL_FILTER_SET_NAME_SIZE];
	struct corral_nft_elements e;

	corral_filter_set_name(name, set, addresses[0].family);
	corral_nft_elements_begin(&e, b, type, name, 0, n);
	for (size_t i = 0; i < n; i++)
		if (which >> i & 1)
			corral_nft_element(&e, addresses[i].bytes,
			                   addresses[i].family == 4 ? 4 : 16, 0, timeout_ms);
	corral_nft_elements_end(&e);
}

static int elements_change(struct corral_filter *f, unsigned int set,
                           const struct corral_address *addresses, size_t n, uint64_t renewed,
                           uint64_t which, uint64_t timeout_ms)
{
	corral_auto(corral_nft_batch_done) struct corral_nft_batch b = CORRAL_NFT_BATCH_INIT;
	int r;

	corral_nft_batch_begin(&b, CORRAL_FILTER_TABLE, f->sequence);
	/* Kernels before 6.12 do not give an element that is there another time. */
	if (renewed)
		elements_add(&b, NFT_MSG_DELSETELEM, set, addresses, n, renewed, 0);
	elements_add(&b, NFT_MSG_NEWSETELEM, set, addresses, n, which, timeout_ms);
	r = corral_nft_batch_send(&b, f->fds.rules, NULL);
	f->sequence = b.sequence;
	return r;
}

/* Which of the addresses are to be opened, and which of these are open already. */
static int set_look(struct corral_filter *f, const char *name, unsigned int set,
                    const struct corral_address *addresses, size_t n, uint32_t ttl_s,
                    uint64_t now_ms, uint64_t *ret_which, uint64_t *ret_renewed)
{
	for (size_t i = 0; i < n; i++) {
		const struct corral_lease *l = corral_leases_find(&f->leases, &addresses[i], set);
		uint64_t left_ms = l && l->until_ms > now_ms ? l->until_ms - now_ms : 0;
		int r;

		/* Long enough as it is: the answer's time and half of the grace. Also one that
		 * the answer has twice. */
		if (left_ms >= (ttl_s + CORRAL_FILTER_GRACE_S / 2) * 1000ull)
			continue;
		if (!l) {
			r = corral_leases_take(&f->leases, &addresses[i], set, name, now_ms);
			if (r < 0)
				return r;
		}
		*ret_which |= (uint64_t)1 << i;
		*ret_renewed |= left_ms ? (uint64_t)1 << i : 0;
	}
	return 0;
}

/* Of one family and one set. */
static int set_open(struct corral_filter *f, const char *name, unsigned int set,
                    const struct corral_address *addresses, size_t n, uint32_t ttl_s)
{
	uint64_t now_ms = corral_now_ms(), renewed = 0, which = 0, timeout_ms;
	uint32_t kept_s = ttl_s < CORRAL_FILTER_TTL_MIN_S   ? CORRAL_FILTER_TTL_MIN_S
	                  : ttl_s > CORRAL_FILTER_TTL_MAX_S ? CORRAL_FILTER_TTL_MAX_S
	                                                    : ttl_s;
	int r;

	timeout_ms = (kept_s + CORRAL_FILTER_GRACE_S) * 1000ull;
	r = set_look(f, name, set, addresses, n, ttl_s, now_ms, &which, &renewed);
	if (!which)
		return r;
	if (r == 0)
		r = elements_change(f, set, addresses, n, renewed, which, timeout_ms);
	if (r == -ENOENT && renewed) {
		/* One of them ended a moment before its time: each by itself. */
		for (size_t i = 0; i < n; i++)
			if (renewed >> i & 1)
				(void)elements_change(f, set, &addresses[i], 1, 1, 1, timeout_ms);
		r = elements_change(f, set, addresses, n, 0, which, timeout_ms);
	}
	for (size_t i = 0; i < n; i++)
		if (which >> i & 1)
			corral_leases_settle(&f->leases, &addresses[i], set,
			                     r < 0 ? 0 : now_ms + timeout_ms);
	return r;
}

int corral_filter_lease(struct corral_filter *f, const char *name, uint64_t sets,
                        const struct corral_address *addresses, size_t n, uint32_t ttl_s,
                        struct corral_error *err)
{
	struct corral_address of[2][64];
	size_t n_of[2] = { 0, 0 };
	int r = 0;

	if (ttl_s > CORRAL_FILTER_TTL_MAX_S)
		ttl_s = CORRAL_FILTER_TTL_MAX_S;
	for (size_t i = 0; i < n; i++) {
		struct corral_address a = addresses[i];
		/* What is mapped leaves as IPv4; what is translated leaves as it is. */
		struct corral_address plain = corral_address_plain(&a);
		unsigned int at;

		if (a.family == 6 && plain.family == 4 && a.bytes[0] == 0 && a.bytes[1] == 0)
			a = plain;
		at = a.family == 6;
		if (n_of[at] < CORRAL_COUNT(of[0]))
			of[at][n_of[at]++] = a;
	}
	for (unsigned int set = 0; set < f->egress->n_sets && r == 0; set++) {
		for (unsigned int at = 0; at < 2 && r == 0; at++)
			if ((sets >> set & 1) && n_of[at])
				r = set_open(f, name, set, of[at], n_of[at], ttl_s);
	}
	if (r < 0)
		return corral_error_sys(err, -r, "open the addresses of '%.100s'", name);
	return 0;
}

/* --- what was counted ---------------------------------------------------------------------- */

struct count {
	struct corral_address address;
	uint8_t protocol;
	uint16_t port;
	uint64_t packets, bytes;
};

struct counts {
	struct count *list;
	size_t n, max;
	int family;
	bool with_port;
};

static void counter_read(struct nlattr *expression, struct count *ret)
{
	struct nlattr *attrs[NFTA_EXPR_MAX + 1], *data[NFTA_COUNTER_MAX + 1];
	struct nla_policy none_expr[NFTA_EXPR_MAX + 1] = { { 0 } };
	struct nla_policy none_counter[NFTA_COUNTER_MAX + 1] = { { 0 } };

	if (nla_parse_nested(attrs, NFTA_EXPR_MAX, expression, none_expr) < 0 ||
	    !attrs[NFTA_EXPR_DATA] ||
	    nla_parse_nested(data, NFTA_COUNTER_MAX, attrs[NFTA_EXPR_DATA], none_counter) < 0)
		return;
	if (data[NFTA_COUNTER_PACKETS] && nla_len(data[NFTA_COUNTER_PACKETS]) == 8)
		ret->packets = be64toh(nla_get_u64(data[NFTA_COUNTER_PACKETS]));
	if (data[NFTA_COUNTER_BYTES] && nla_len(data[NFTA_COUNTER_BYTES]) == 8)
		ret->bytes = be64toh(nla_get_u64(data[NFTA_COUNTER_BYTES]));
}

/* A key's parts are padded to four bytes each. */
static bool key_read(const struct counts *c, struct nlattr *key, struct count *ret)
{
	size_t size = c->family == 4 ? 4 : 16;
	struct nlattr *value = nla_find(nla_data(key), nla_len(key), NFTA_DATA_VALUE);
	const uint8_t *data;

	if (!value || (size_t)nla_len(value) < size + 4 + (c->with_port ? 4 : 0))
		return false;
	data = nla_data(value);
	ret->address = corral_address_of(data, size);
	ret->protocol = data[size];
	if (c->with_port)
		ret->port = (uint16_t)(data[size + 4] << 8 | data[size + 5]);
	return true;
}

static void element_read(struct counts *c, struct nlattr *element)
{
	struct nla_policy none[NFTA_SET_ELEM_MAX + 1] = { { 0 } };
	struct nlattr *attrs[NFTA_SET_ELEM_MAX + 1];
	struct count count = { .packets = 0 };

	if (c->n == c->max || nla_parse_nested(attrs, NFTA_SET_ELEM_MAX, element, none) < 0 ||
	    !attrs[NFTA_SET_ELEM_KEY] || !key_read(c, attrs[NFTA_SET_ELEM_KEY], &count))
		return;
	if (attrs[NFTA_SET_ELEM_EXPR])
		counter_read(attrs[NFTA_SET_ELEM_EXPR], &count);
	c->list[c->n++] = count;
}

static void elements_read(void *context, struct nlmsghdr *h)
{
	struct counts *c = context;
	struct nlattr *list =
	        nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *element;
	int left;

	if (list)
		nla_for_each_nested(element, list, left)
		{
			element_read(c, element);
		}
}

/* Of a counter's answer: packets. */
static void object_read(void *context, struct nlmsghdr *h)
{
	uint64_t *ret = context;
	struct nlattr *data = nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_OBJ_DATA), *packets;

	packets = data ? nla_find(nla_data(data), nla_len(data), NFTA_COUNTER_PACKETS) : NULL;
	if (packets && nla_len(packets) == 8)
		*ret = be64toh(nla_get_u64(packets));
}

/* Asks for what belongs to the table; a name of a set or of a counter, which are the same
 * attribute; kind: NFT_OBJECT_*, or 0. */
static int ask(struct corral_filter *f, int type, int flags, const char *name, uint32_t kind,
               void (*see)(void *context, struct nlmsghdr *h), void *context)
{
	struct corral_nft_message m;

	_Static_assert((int)NFTA_SET_ELEM_LIST_TABLE == (int)NFTA_OBJ_TABLE &&
	                       (int)NFTA_SET_ELEM_LIST_SET == (int)NFTA_OBJ_NAME,
	               "names of a table, and of what is in it");
	corral_nft_message_begin(&m, type, flags, f->sequence++, NFPROTO_INET, ROOM);
	corral_nft_put_string(&m, NFTA_OBJ_TABLE, CORRAL_FILTER_TABLE);
	corral_nft_put_string(&m, NFTA_OBJ_NAME, name);
	if (kind)
		corral_nft_put_u32(&m, NFTA_OBJ_TYPE, kind);
	return corral_nft_message_ask(&m, f->fds.rules, see, context);
}

/* Of one counted set, "sent4"; c->list has room for c->max. */
static int counts_read(struct corral_filter *f, const char *set, struct counts *c)
{
	c->n = 0;
	return ask(f, NFT_MSG_GETSETELEM, NLM_F_DUMP, set, 0, elements_read, c);
}

static const struct count *count_find(const struct counts *c, const struct count *like)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].port == like->port && c->list[i].protocol == like->protocol &&
		    same_address(&c->list[i].address, &like->address))
			return &c->list[i];
	return NULL;
}

/* Of a counter with a name: packets. */
static int counter_ask(struct corral_filter *f, const char *name, uint64_t *ret)
{
	return ask(f, NFT_MSG_GETOBJ, NLM_F_ACK, name, NFT_OBJECT_COUNTER, object_read, ret);
}

static int contacts_report(struct corral_filter *f, int family, struct corral_ledger *to)
{
	struct count lists[3][CORRAL_FILTER_COUNTED_MAX];
	struct counts c[3];
	static const char *const names[] = { "begun", "sent", "received" };
	int r = 0;

	for (size_t i = 0; i < 3 && r == 0; i++) {
		char set[16];

		/* cppcheck-suppress legacyUninitvar; where to put them, not what is there */
		c[i] = (struct counts) { lists[i], 0, CORRAL_FILTER_COUNTED_MAX, family, true };
		(void)snprintf(set, sizeof(set), "%s%d", names[i], family);
		r = counts_read(f, set, &c[i]);
	}
	for (size_t i = 0; r == 0 && i < c[0].n; i++) {
		const struct count *begun = &c[0].list[i];
		const struct count *sent = count_find(&c[1], begun);
		const struct count *received = count_find(&c[2], begun);
		const struct corral_contact contact = {
			.address = begun->address,
			.protocol = begun->protocol,
			.port = begun->port,
			.connections =
			        begun->packets > UINT32_MAX ? UINT32_MAX : (uint32_t)begun->packets,
			.sent_bytes = sent ? sent->bytes : 0,
			.received_bytes = received ? received->bytes : 0,
		};

		corral_ledger_add_contact(to, &contact,
		                          corral_leases_name(&f->leases, &begun->address));
	}
	return r;
}

static int refusals_report(struct corral_filter *f, const char *what, int family, bool with_port,
                           struct corral_ledger *to)
{
	struct count list[CORRAL_FILTER_REFUSED_MAX];
	struct counts c = { list, 0, CORRAL_FILTER_REFUSED_MAX, family, with_port };
	char set[16];
	int r;

	(void)snprintf(set, sizeof(set), "%s%d", what, family);
	r = counts_read(f, set, &c);
	for (size_t i = 0; r == 0 && i < c.n; i++) {
		const struct corral_refusal refusal = {
			.reason = corral_egress_beyond(f->egress, &list[i].address)
			                  ? CORRAL_REFUSAL_BEYOND
			                  : CORRAL_REFUSAL_ADDRESS,
			.protocol = list[i].protocol,
			.port = list[i].port,
			.address = list[i].address,
			.count = list[i].packets,
		};

		corral_ledger_add_refusal(to, &refusal,
		                          corral_leases_name(&f->leases, &list[i].address));
	}
	return r;
}

/* What found no room in its set, each as one: their destinations are not known. */
static int left_out_report(struct corral_filter *f, struct corral_ledger *to)
{
	uint64_t begun = 0, refused = 0;
	int r = counter_ask(f, CORRAL_FILTER_BEGUN_MORE, &begun);

	if (r == 0)
		r = counter_ask(f, CORRAL_FILTER_REFUSED_MORE, &refused);
	to->contacts_dropped += begun;
	to->refusals_dropped += refused;
	return r;
}

int corral_filter_report(struct corral_filter *f, struct corral_ledger *to,
                         struct corral_error *err)
{
	int r = left_out_report(f, to);

	for (int family = 4; family <= 6 && r == 0; family += 2) {
		r = contacts_report(f, family, to);
		if (r == 0)
			r = refusals_report(f, "refused", family, true, to);
		if (r == 0)
			r = refusals_report(f, "odd", family, false, to);
	}
	if (r < 0)
		return corral_error_sys(err, -r, "read the counters of network allow");
	return 0;
}
