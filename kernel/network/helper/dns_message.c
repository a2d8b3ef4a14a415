#include "kernel/network/helper/dns_message.h"

#include <errno.h>
#include <string.h>

#include "kernel/base/cleanup.h"

#define HEADER      12
#define CLASS_IN    1
#define FLAG_QR     0x8000u
#define FLAG_TC     0x0200u
#define FLAG_RD     0x0100u
#define FLAG_RA     0x0080u
#define OPCODE_MASK 0x7800u
#define LABEL_MAX   63
/* More pointers than that are no name, but a chase. */
#define HOPS_MAX 32
/* "Filtered" of RFC 8914: who asks may not know. */
#define EDE_OPTION   15
#define EDE_FILTERED 17
#define WHY_MAX      64

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* Where the message is read. */
struct reader {
	const uint8_t *data;
	size_t len, at;
};

static bool read_bytes(struct reader *r, size_t n, const uint8_t **ret)
{
	if (r->len - r->at < n)
		return false;
	*ret = r->data + r->at;
	r->at += n;
	return true;
}

/* Pointers only ever lead to before the name they stand in: no circle is possible. ret may be NULL.
 */
static bool read_name(struct reader *r, struct corral_dns_name *ret)
{
	size_t at = r->at, lowest = at, end = 0, len = 0;
	unsigned int hops = 0;

	for (;;) {
		uint8_t n;

		if (at >= r->len)
			return false;
		n = r->data[at];
		if ((n & 0xc0) == 0xc0) {
			size_t to;

			if (r->len - at < 2 || ++hops > HOPS_MAX)
				return false;
			to = (size_t)(n & 0x3f) << 8 | r->data[at + 1];
			if (to >= lowest)
				return false;
			end = end ? end : at + 2;
			at = lowest = to;
			continue;
		}
		if (n > LABEL_MAX || r->len - at < 1 + (size_t)n ||
		    len + 1 + n > CORRAL_DNS_WIRE_MAX)
			return false;
		if (ret)
			memcpy(ret->wire + len, r->data + at, 1 + (size_t)n);
		len += 1 + (size_t)n;
		at += 1 + (size_t)n;
		if (!n)
			break;
	}
	r->at = end ? end : at;
	if (ret)
		ret->len = (uint8_t)len;
	return true;
}

struct record {
	size_t owner_at, data_at;
	uint16_t type, class, data_len;
	uint32_t ttl_s;
};

static bool read_record(struct reader *r, struct record *ret)
{
	const uint8_t *fixed, *data;

	ret->owner_at = r->at;
	if (!read_name(r, NULL) || !read_bytes(r, 10, &fixed))
		return false;
	ret->type = get16(fixed);
	ret->class = get16(fixed + 2);
	ret->ttl_s = get32(fixed + 4);
	/* The highest bit means 0 (RFC 2181, section 8). */
	if (ret->ttl_s > INT32_MAX)
		ret->ttl_s = 0;
	ret->data_len = get16(fixed + 8);
	ret->data_at = r->at;
	return read_bytes(r, ret->data_len, &data);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Lengths are at most 63 and so no letters: they may be lowered with the rest. */
static bool same_name(const struct corral_dns_name *a, const struct corral_dns_name *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (lower(a->wire[i]) != lower(b->wire[i]))
			return false;
	return true;
}

void corral_dns_name_text(const struct corral_dns_name *name, char ret[CORRAL_EGRESS_NAME_SIZE])
{
	size_t at = 0, to = 0;

	while (at < name->len && name->wire[at]) {
		uint8_t n = name->wire[at++];

		if (to)
			ret[to++] = '.';
		for (; n; n--, at++) {
			uint8_t c = lower(name->wire[at]);
			bool known = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			             c == '_';

			ret[to++] = (char)(known ? c : '?');
		}
	}
	ret[to] = '\0';
}

bool corral_dns_name_from_text(const char *name, struct corral_dns_name *ret)
{
	size_t at = 0;

	while (*name) {
		size_t n = strcspn(name, ".");

		if (!n || n > LABEL_MAX || at + n + 2 > CORRAL_DNS_WIRE_MAX)
			return false;
		ret->wire[at++] = (uint8_t)n;
		memcpy(ret->wire + at, name, n);
		at += n;
		name += n + (name[n] == '.');
	}
	ret->wire[at++] = 0;
	ret->len = (uint8_t)at;
	return true;
}

/* The OPT record, of which there is at most one, among what comes behind the question. */
static bool read_edns(struct reader *r, unsigned int n_records, struct corral_dns_question *ret)
{
	for (unsigned int i = 0; i < n_records; i++) {
		struct record rr;

		if (!read_record(r, &rr))
			return false;
		if (rr.type != CORRAL_DNS_OPT)
			continue;
		if (ret->edns || r->data[rr.owner_at])
			return false;
		ret->edns = true;
		ret->udp_size = rr.class < 512 ? 512 : rr.class;
	}
	return true;
}

int corral_dns_question_parse(const uint8_t *guest_message, size_t len,
                              struct corral_dns_question *ret)
{
	struct reader r = { guest_message, len, HEADER };
	const uint8_t *fixed;
	unsigned int flags, n_records;

	memset(ret, 0, sizeof(*ret));
	ret->udp_size = 512;
	if (len < HEADER)
		return -EBADMSG;
	ret->id = get16(guest_message);
	flags = get16(guest_message + 2);
	if (flags & FLAG_QR)
		return -EBADMSG;
	ret->recursion = flags & FLAG_RD;
	if (flags & OPCODE_MASK)
		return -EOPNOTSUPP;
	n_records = (unsigned int)get16(guest_message + 6) + get16(guest_message + 8) +
	            get16(guest_message + 10);
	if (get16(guest_message + 4) != 1 || n_records > 4 || len > CORRAL_DNS_QUERY_MAX ||
	    !read_name(&r, &ret->name) || !read_bytes(&r, 4, &fixed)) {
		ret->name.len = 0;
		return -EINVAL;
	}
	ret->type = get16(fixed);
	ret->class = get16(fixed + 2);
	if (!read_edns(&r, n_records, ret))
		return -EINVAL;
	return ret->class == CLASS_IN ? 0 : -EOPNOTSUPP;
}

/* Types that stand for no record, or many: transfers, ANY, keys of transactions. */
#define TYPE_META_FIRST 128
#define TYPE_META_LAST  255

int corral_dns_may_forward(const uint8_t *guest_message, size_t len,
                           struct corral_dns_question *ret)
{
	switch (corral_dns_question_parse(guest_message, len, ret)) {
	case 0:
		break;
	case -EINVAL:
		return CORRAL_DNS_FORMERR;
	case -EOPNOTSUPP:
		return CORRAL_DNS_NOTIMP;
	default:
		return -EBADMSG;
	}
	/* What a question has no business to bring along: records to be believed or changed. */
	if (get16(guest_message + 6) || get16(guest_message + 8))
		return CORRAL_DNS_REFUSED;
	return ret->type >= TYPE_META_FIRST && ret->type <= TYPE_META_LAST ? CORRAL_DNS_REFUSED
	       : ret->type == 0 || ret->type == CORRAL_DNS_OPT             ? CORRAL_DNS_FORMERR
	                                                                   : CORRAL_DNS_NOERROR;
}

/* Where a message is written; what does not fit is not written, and remembered. */
struct writer {
	uint8_t *data;
	size_t size, len;
	bool full;
};

static void put(struct writer *w, const void *data, size_t n)
{
	if (w->full || w->size - w->len < n) {
		w->full = true;
		return;
	}
	memcpy(w->data + w->len, data, n);
	w->len += n;
}

static void put16(struct writer *w, unsigned int v)
{
	put(w, (const uint8_t[]) { (uint8_t)(v >> 8), (uint8_t)v }, 2);
}

static void put32(struct writer *w, uint32_t v)
{
	put16(w, v >> 16);
	put16(w, v & 0xffff);
}

static void put_header(struct writer *w, unsigned int id, unsigned int flags, unsigned int n_answer,
                       unsigned int n_more)
{
	put16(w, id);
	put16(w, flags);
	put16(w, 1);
	put16(w, n_answer);
	put16(w, 0);
	put16(w, n_more);
}

static void put_question(struct writer *w, const struct corral_dns_question *q)
{
	put(w, q->name.wire, q->name.len);
	put16(w, q->type);
	put16(w, q->class);
}

static void put_opt(struct writer *w, const char *why)
{
	size_t len = why ? strnlen(why, WHY_MAX) : 0;

	put(w, "", 1);
	put16(w, CORRAL_DNS_OPT);
	put16(w, CORRAL_DNS_UDP_MAX);
	put32(w, 0);
	put16(w, why ? (unsigned int)len + 6 : 0);
	if (!why)
		return;
	put16(w, EDE_OPTION);
	put16(w, (unsigned int)len + 2);
	put16(w, EDE_FILTERED);
	put(w, why, len);
}

size_t corral_dns_query_write(const struct corral_dns_question *q, uint16_t id, uint8_t *buf)
{
	struct writer w = { buf, CORRAL_DNS_QUERY_MAX, 0, false };
	struct corral_dns_question plain = *q;

	/* The guest's capital letters could tell things to the name's servers. Lengths of labels
	 * are below them. */
	for (size_t i = 0; i < plain.name.len; i++)
		if (plain.name.wire[i] >= 'A' && plain.name.wire[i] <= 'Z')
			plain.name.wire[i] = (uint8_t)(plain.name.wire[i] | 0x20);
	put_header(&w, id, FLAG_RD, 0, 1);
	put_question(&w, &plain);
	put_opt(&w, NULL);
	return w.len;
}

static bool record_is(const uint8_t *message, size_t len, const struct record *rr, uint16_t type,
                      const struct corral_dns_name *owner)
{
	struct reader r = { message, len, rr->owner_at };
	struct corral_dns_name name;

	return rr->type == type && rr->class == CLASS_IN && read_name(&r, &name) &&
	       same_name(&name, owner);
}

static void ttl_least(struct corral_dns_answer *a, uint32_t ttl_s)
{
	if (ttl_s < a->ttl_s)
		a->ttl_s = ttl_s;
}

/* One step along the chain: 1, 0 at its end, -EBADMSG. */
static int alias_follow(const uint8_t *message, size_t len, const struct record *rrs, size_t n,
                        struct corral_dns_name *at, struct corral_dns_answer *ret)
{
	for (size_t i = 0; i < n; i++) {
		struct reader r = { message, len, rrs[i].data_at };
		struct corral_dns_alias *alias = &ret->chain[ret->n_chain];

		if (!record_is(message, len, &rrs[i], CORRAL_DNS_CNAME, at))
			continue;
		if (ret->n_chain == CORRAL_DNS_CHAIN_MAX || !read_name(&r, &alias->target) ||
		    r.at != rrs[i].data_at + rrs[i].data_len)
			return -EBADMSG;
		alias->ttl_s = rrs[i].ttl_s;
		ttl_least(ret, alias->ttl_s);
		*at = alias->target;
		ret->n_chain++;
		return 1;
	}
	return 0;
}

static void addresses_take(const uint8_t *message, size_t len, const struct record *rrs, size_t n,
                           const struct corral_dns_name *owner, uint16_t type,
                           struct corral_dns_answer *ret)
{
	size_t size = type == CORRAL_DNS_A ? 4 : 16;

	for (size_t i = 0; i < n; i++) {
		if (rrs[i].data_len != size || !record_is(message, len, &rrs[i], type, owner))
			continue;
		if (ret->n_addresses == CORRAL_DNS_ADDRESSES_MAX) {
			ret->left_out++;
			continue;
		}
		ret->addresses[ret->n_addresses++] =
		        corral_address_of(message + rrs[i].data_at, size);
		ttl_least(ret, rrs[i].ttl_s);
	}
}

int corral_dns_answer_parse(const uint8_t *message, size_t len, const struct corral_dns_question *q,
                            uint16_t id, struct corral_dns_answer *ret)
{
	struct reader r = { message, len, HEADER };
	struct corral_dns_name at;
	struct record rrs[CORRAL_DNS_RECORDS_MAX];
	const uint8_t *fixed;
	unsigned int flags, n_answer;
	size_t n = 0;
	int step;

	memset(ret, 0, sizeof(*ret));
	ret->ttl_s = UINT32_MAX;
	if (len < HEADER || get16(message) != id)
		return -EBADMSG;
	flags = get16(message + 2);
	n_answer = get16(message + 6);
	if (!(flags & FLAG_QR) || (flags & OPCODE_MASK))
		return -EBADMSG;
	ret->code = flags & 0xf;
	ret->truncated = flags & FLAG_TC;
	/* Some servers leave the question out when they refuse it; nothing good comes so. */
	if (get16(message + 4) != 1 || !read_name(&r, &at) || !read_bytes(&r, 4, &fixed) ||
	    !same_name(&at, &q->name) || get16(fixed) != q->type || get16(fixed + 2) != q->class)
		return -EBADMSG;
	if (ret->truncated || ret->code)
		return 0;
	while (n < n_answer && n < CORRAL_DNS_RECORDS_MAX) {
		if (!read_record(&r, &rrs[n]))
			return -EBADMSG;
		n++;
	}
	do {
		step = alias_follow(message, len, rrs, n, &at, ret);
		if (step < 0)
			return step;
	} while (step > 0);
	addresses_take(message, len, rrs, n, &at, q->type, ret);
	return 0;
}

static void put_record(struct writer *w, size_t owner_at, unsigned int type, uint32_t ttl_s,
                       const void *data, size_t len)
{
	put16(w, 0xc000u | (unsigned int)owner_at);
	put16(w, type);
	put16(w, CLASS_IN);
	put32(w, ttl_s);
	put16(w, (unsigned int)len);
	put(w, data, len);
}

/* Owners are pointers to where their names stand: the question's, or the alias' before. */
static unsigned int put_answers(struct writer *w, const struct corral_dns_question *q,
                                const struct corral_dns_answer *a)
{
	size_t owner_at = HEADER;

	for (unsigned int i = 0; i < a->n_chain; i++) {
		size_t next = w->len + 12;

		put_record(w, owner_at, CORRAL_DNS_CNAME, a->ttl_s, a->chain[i].target.wire,
		           a->chain[i].target.len);
		owner_at = next;
	}
	for (unsigned int i = 0; i < a->n_addresses; i++)
		put_record(w, owner_at, q->type, a->ttl_s, a->addresses[i].bytes,
		           a->addresses[i].family == 4 ? 4 : 16);
	return (unsigned int)a->n_chain + a->n_addresses;
}

size_t corral_dns_answer_write(const struct corral_dns_question *q,
                               const struct corral_dns_answer *a, const char *why, uint8_t *buf,
                               size_t size)
{
	struct writer w = { buf, size, 0, false };
	unsigned int flags = FLAG_QR | FLAG_RA | (q->recursion ? FLAG_RD : 0) | (a->code & 0xfu);
	unsigned int n;

	if (!q->name.len) {
		/* Nothing that could be asked back. */
		memset(buf, 0, HEADER);
		buf[0] = (uint8_t)(q->id >> 8);
		buf[1] = (uint8_t)q->id;
		buf[2] = (uint8_t)(flags >> 8);
		buf[3] = (uint8_t)flags;
		return HEADER;
	}
	put_header(&w, q->id, flags, 0, q->edns);
	put_question(&w, q);
	n = put_answers(&w, q, a);
	if (q->edns)
		put_opt(&w, why);
	if (w.full) {
		w = (struct writer) { buf, size, 0, false };
		put_header(&w, q->id, flags | FLAG_TC, 0, q->edns);
		put_question(&w, q);
		if (q->edns)
			put_opt(&w, NULL);
		return w.len;
	}
	buf[6] = (uint8_t)(n >> 8);
	buf[7] = (uint8_t)n;
	return w.len;
}
