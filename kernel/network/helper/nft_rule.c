#include "kernel/network/helper/nft_rule.h"

#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <string.h>

/* For the attributes of a rule: the longest here take less than 1 KiB. */
#define ROOM (4u << 10)

struct rule {
	struct corral_nft_batch *batch;
	struct corral_nft_message m;
	uint8_t family, protocol; /* which the rule's packets are known to have */
};

/* An expression of the kernel's machine, until expression_end(). */
struct expression {
	struct nlattr *element, *data;
};

static struct expression expression_in(struct rule *r, int attribute, const char *name)
{
	struct expression e = { .element = corral_nft_nest(&r->m, attribute) };

	corral_nft_put_string(&r->m, NFTA_EXPR_NAME, name);
	e.data = corral_nft_nest(&r->m, NFTA_EXPR_DATA);
	return e;
}

static struct expression expression(struct rule *r, const char *name)
{
	return expression_in(r, NFTA_LIST_ELEM, name);
}

static void expression_end(struct rule *r, struct expression e)
{
	corral_nft_nest_end(&r->m, e.data);
	corral_nft_nest_end(&r->m, e.element);
}

static void put_data(struct rule *r, int attribute, const void *value, size_t len)
{
	struct nlattr *nest = corral_nft_nest(&r->m, attribute);

	corral_nft_put(&r->m, NFTA_DATA_VALUE, value, len);
	corral_nft_nest_end(&r->m, nest);
}

static void meta(struct rule *r, uint32_t key, int direction, uint32_t reg)
{
	struct expression e = expression(r, "meta");

	corral_nft_put_u32(&r->m, NFTA_META_KEY, key);
	corral_nft_put_u32(&r->m, direction, reg);
	expression_end(r, e);
}

static void ct(struct rule *r, uint32_t key, uint32_t reg)
{
	struct expression e = expression(r, "ct");

	corral_nft_put_u32(&r->m, NFTA_CT_KEY, key);
	corral_nft_put_u32(&r->m, NFTA_CT_DREG, reg);
	expression_end(r, e);
}

static void payload(struct rule *r, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct expression e = expression(r, "payload");

	corral_nft_put_u32(&r->m, NFTA_PAYLOAD_DREG, reg);
	corral_nft_put_u32(&r->m, NFTA_PAYLOAD_BASE, base);
	corral_nft_put_u32(&r->m, NFTA_PAYLOAD_OFFSET, offset);
	corral_nft_put_u32(&r->m, NFTA_PAYLOAD_LEN, len);
	expression_end(r, e);
}

static void cmp(struct rule *r, enum nft_cmp_ops op, const void *value, size_t len)
{
	struct expression e = expression(r, "cmp");

	corral_nft_put_u32(&r->m, NFTA_CMP_SREG, NFT_REG_1);
	corral_nft_put_u32(&r->m, NFTA_CMP_OP, op);
	put_data(r, NFTA_CMP_DATA, value, len);
	expression_end(r, e);
}

static void bitwise_and(struct rule *r, const void *mask, size_t len)
{
	static const uint8_t zero[CORRAL_NFT_VALUE_MAX];
	struct expression e = expression(r, "bitwise");

	corral_nft_put_u32(&r->m, NFTA_BITWISE_SREG, NFT_REG_1);
	corral_nft_put_u32(&r->m, NFTA_BITWISE_DREG, NFT_REG_1);
	corral_nft_put_u32(&r->m, NFTA_BITWISE_LEN, (uint32_t)len);
	put_data(r, NFTA_BITWISE_MASK, mask, len);
	put_data(r, NFTA_BITWISE_XOR, zero, len);
	expression_end(r, e);
}

static void immediate(struct rule *r, uint32_t reg, const void *value, size_t len)
{
	struct expression e = expression(r, "immediate");

	corral_nft_put_u32(&r->m, NFTA_IMMEDIATE_DREG, reg);
	put_data(r, NFTA_IMMEDIATE_DATA, value, len);
	expression_end(r, e);
}

/* id: 0 for one that has a name of its own. */
static void lookup(struct rule *r, const char *set, uint32_t id, bool inverted)
{
	struct expression e = expression(r, "lookup");

	corral_nft_put_string(&r->m, NFTA_LOOKUP_SET, set);
	corral_nft_put_u32(&r->m, NFTA_LOOKUP_SREG, NFT_REG_1);
	if (id)
		corral_nft_put_u32(&r->m, NFTA_LOOKUP_SET_ID, id);
	if (inverted)
		corral_nft_put_u32(&r->m, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	expression_end(r, e);
}

/* in: NFTA_LIST_ELEM of the rule, or NFTA_DYNSET_EXPR of each of a set's elements. */
static void counter(struct rule *r, int in)
{
	expression_end(r, expression_in(r, in, "counter"));
}

static void connlimit(struct rule *r, int in, uint32_t over)
{
	struct expression e = expression_in(r, in, "connlimit");

	corral_nft_put_u32(&r->m, NFTA_CONNLIMIT_COUNT, over);
	corral_nft_put_u32(&r->m, NFTA_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
	expression_end(r, e);
}

/* Of a bucket that holds `burst` packets, and gets so many back in a second. */
static void limit(struct rule *r, int in, uint32_t a_second, uint32_t burst)
{
	struct expression e = expression_in(r, in, "limit");

	corral_nft_put_u64(&r->m, NFTA_LIMIT_RATE, a_second);
	corral_nft_put_u64(&r->m, NFTA_LIMIT_UNIT, 1);
	corral_nft_put_u32(&r->m, NFTA_LIMIT_BURST, burst);
	corral_nft_put_u32(&r->m, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
	corral_nft_put_u32(&r->m, NFTA_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	expression_end(r, e);
}

/* --- fields --------------------------------------------------------------------------------- */

static void one_byte_is(struct rule *r, uint32_t key, uint8_t value)
{
	meta(r, key, NFTA_META_DREG, NFT_REG_1);
	cmp(r, NFT_CMP_EQ, &value, 1);
}

/* The packets that have the field, and no others. Of two families or protocols none is, which would
 * be a mistake of ours: such a rule is not sent. */
static void need(struct rule *r, enum corral_nft_field field)
{
	const struct corral_nft_field_like *like = corral_nft_field(field);

	if (like->family && like->family != r->family) {
		r->m.failed |= r->family != 0;
		r->family = like->family;
		one_byte_is(r, NFT_META_NFPROTO, r->family);
	}
	if (like->protocol && like->protocol != r->protocol) {
		r->m.failed |= r->protocol != 0;
		r->protocol = like->protocol;
		one_byte_is(r, NFT_META_L4PROTO, r->protocol);
	}
}

/* Its first len bytes. */
static void load_part(struct rule *r, enum corral_nft_field field, uint32_t len, uint32_t reg)
{
	const struct corral_nft_field_like *like = corral_nft_field(field);

	switch (like->load) {
	case CORRAL_NFT_LOAD_META:
		meta(r, like->key, NFTA_META_DREG, reg);
		break;
	case CORRAL_NFT_LOAD_CT:
		ct(r, like->key, reg);
		break;
	case CORRAL_NFT_LOAD_NETWORK:
		payload(r, NFT_PAYLOAD_NETWORK_HEADER, like->key, len, reg);
		break;
	case CORRAL_NFT_LOAD_TRANSPORT:
		payload(r, NFT_PAYLOAD_TRANSPORT_HEADER, like->key, len, reg);
		break;
	}
}

static void load(struct rule *r, enum corral_nft_field field)
{
	need(r, field);
	load_part(r, field, corral_nft_field(field)->len, NFT_REG_1);
}

/* All fields of a key, one behind the other: registers have four bytes from NFT_REG32_00 on, which
 * is where NFT_REG_1 begins. */
static void load_key(struct rule *r, const struct corral_nft_term *t)
{
	uint32_t reg = NFT_REG32_00;

	for (size_t i = 0; i < CORRAL_NFT_KEY_FIELDS_MAX && t->key[i]; i++)
		need(r, t->key[i]);
	for (size_t i = 0; i < CORRAL_NFT_KEY_FIELDS_MAX && t->key[i]; i++) {
		const uint32_t len = corral_nft_field(t->key[i])->len;

		load_part(r, t->key[i], len, reg);
		reg += (len + 3) / 4;
	}
}

/* --- terms ---------------------------------------------------------------------------------- */

static void number(struct rule *r, const struct corral_nft_term *t)
{
	uint8_t mask[CORRAL_NFT_NUMBER_MAX], value[CORRAL_NFT_NUMBER_MAX];
	const uint8_t len = corral_nft_number(t->key[0], t->low, value);

	load(r, t->key[0]);
	if (t->mask != UINT32_MAX)
		bitwise_and(r, mask, corral_nft_number(t->key[0], t->mask, mask));
	cmp(r, t->inverted ? NFT_CMP_NEQ : NFT_CMP_EQ, value, len);
}

static void between(struct rule *r, const struct corral_nft_term *t)
{
	uint8_t value[CORRAL_NFT_NUMBER_MAX];

	load(r, t->key[0]);
	cmp(r, NFT_CMP_GTE, value, corral_nft_number(t->key[0], t->low, value));
	cmp(r, NFT_CMP_LTE, value, corral_nft_number(t->key[0], t->high, value));
}

/* With its NUL and all behind it, or as far as it goes. */
static void link_name(struct rule *r, const struct corral_nft_term *t)
{
	char name[CORRAL_NFT_VALUE_MAX] = "";
	const size_t len = strnlen(t->name, sizeof(name) - 1);

	memcpy(name, t->name, len);
	load(r, t->key[0]);
	cmp(r, t->inverted ? NFT_CMP_NEQ : NFT_CMP_EQ, name, t->exact ? sizeof(name) : len);
}

static void prefix(struct rule *r, enum corral_nft_field field, const struct corral_prefix *p,
                   bool inverted)
{
	const enum nft_cmp_ops op = inverted ? NFT_CMP_NEQ : NFT_CMP_EQ;
	const uint8_t len = corral_nft_field(field)->len;
	uint8_t mask[CORRAL_NFT_VALUE_MAX] = { 0 };

	need(r, field);
	if (p->len && p->len % 8 == 0) {
		load_part(r, field, p->len / 8, NFT_REG_1);
		cmp(r, op, p->address.bytes, p->len / 8);
		return;
	}
	for (unsigned int i = 0; i < p->len; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	load_part(r, field, len, NFT_REG_1);
	bitwise_and(r, mask, len);
	cmp(r, op, p->address.bytes, len);
}

static void prefixes(struct rule *r, const struct corral_nft_term *t)
{
	uint32_t set;

	if (t->n == 1) {
		prefix(r, t->key[0], t->prefixes, t->inverted);
		return;
	}
	set = corral_nft_set_of_prefixes(r->batch, t->key[0], t->prefixes, t->n);
	load(r, t->key[0]);
	lookup(r, CORRAL_NFT_SET_ANONYMOUS, set, t->inverted);
}

static void numbers(struct rule *r, const struct corral_nft_term *t)
{
	const uint32_t set = corral_nft_set_of_numbers(r->batch, t->key[0], t->numbers, t->n);

	load(r, t->key[0]);
	lookup(r, CORRAL_NFT_SET_ANONYMOUS, set, t->inverted);
}

/* Adds the key where it is not there yet, with what each has of its own. */
static void each(struct rule *r, const struct corral_nft_term *t)
{
	struct expression e;

	load_key(r, t);
	if (t->mask) {
		/* nftables lists what has no order in that of a packet. */
		const uint32_t mask = htonl(t->mask);

		bitwise_and(r, &mask, sizeof(mask));
	}
	e = expression(r, "dynset");
	corral_nft_put_string(&r->m, NFTA_DYNSET_SET_NAME, t->name);
	corral_nft_put_u32(&r->m, NFTA_DYNSET_SREG_KEY, NFT_REG_1);
	corral_nft_put_u32(&r->m, NFTA_DYNSET_OP, NFT_DYNSET_OP_ADD);
	if (t->kind == CORRAL_NFT_TERM_COUNT)
		counter(r, NFTA_DYNSET_EXPR);
	else if (t->kind == CORRAL_NFT_TERM_RATE)
		limit(r, NFTA_DYNSET_EXPR, t->low, t->high);
	else
		connlimit(r, NFTA_DYNSET_EXPR, t->low);
	expression_end(r, e);
}

/* What the table has under a name; type: NFT_OBJECT_*. */
static void object(struct rule *r, uint32_t type, const char *name)
{
	struct expression e = expression(r, "objref");

	corral_nft_put_u32(&r->m, NFTA_OBJREF_IMM_TYPE, type);
	corral_nft_put_string(&r->m, NFTA_OBJREF_IMM_NAME, name);
	expression_end(r, e);
}

static void verdict(struct rule *r, const struct corral_nft_term *t)
{
	struct expression e = expression(r, "immediate");
	struct nlattr *data, *nest;

	corral_nft_put_u32(&r->m, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = corral_nft_nest(&r->m, NFTA_IMMEDIATE_DATA);
	nest = corral_nft_nest(&r->m, NFTA_DATA_VERDICT);
	corral_nft_put_u32(&r->m, NFTA_VERDICT_CODE, t->low);
	if (t->name)
		corral_nft_put_string(&r->m, NFTA_VERDICT_CHAIN, t->name);
	corral_nft_nest_end(&r->m, nest);
	corral_nft_nest_end(&r->m, data);
	expression_end(r, e);
}

static void reject(struct rule *r, const struct corral_nft_term *t)
{
	struct expression e = expression(r, "reject");

	corral_nft_put_u32(&r->m, NFTA_REJECT_TYPE, t->low);
	corral_nft_put_u8(&r->m, NFTA_REJECT_ICMP_CODE, (uint8_t)t->high);
	expression_end(r, e);
}

static void masquerade(struct rule *r, const struct corral_nft_term *t)
{
	const uint16_t first = htons((uint16_t)t->low), last = htons((uint16_t)t->high);
	struct expression e;

	if (!t->high) {
		expression_end(r, expression(r, "masq"));
		return;
	}
	immediate(r, NFT_REG_1, &first, sizeof(first));
	immediate(r, NFT_REG_2, &last, sizeof(last));
	e = expression(r, "masq");
	corral_nft_put_u32(&r->m, NFTA_MASQ_FLAGS,
	                   NF_NAT_RANGE_PROTO_SPECIFIED | NF_NAT_RANGE_PROTO_RANDOM_FULLY);
	corral_nft_put_u32(&r->m, NFTA_MASQ_REG_PROTO_MIN, NFT_REG_1);
	corral_nft_put_u32(&r->m, NFTA_MASQ_REG_PROTO_MAX, NFT_REG_2);
	expression_end(r, e);
}

static void term(struct rule *r, const struct corral_nft_term *t)
{
	switch (t->kind) {
	case CORRAL_NFT_TERM_NONE:
		break;
	case CORRAL_NFT_TERM_NUMBER:
		number(r, t);
		break;
	case CORRAL_NFT_TERM_BETWEEN:
		between(r, t);
		break;
	case CORRAL_NFT_TERM_NUMBERS:
		numbers(r, t);
		break;
	case CORRAL_NFT_TERM_NAME:
		link_name(r, t);
		break;
	case CORRAL_NFT_TERM_PREFIXES:
		prefixes(r, t);
		break;
	case CORRAL_NFT_TERM_SET:
		load_key(r, t);
		lookup(r, t->name, 0, t->inverted);
		break;
	case CORRAL_NFT_TERM_CONNECTIONS:
		if (t->name)
			each(r, t);
		else
			connlimit(r, NFTA_LIST_ELEM, t->low);
		break;
	case CORRAL_NFT_TERM_RATE:
		if (t->name)
			each(r, t);
		else
			limit(r, NFTA_LIST_ELEM, t->low, t->high);
		break;
	case CORRAL_NFT_TERM_COUNT:
		each(r, t);
		break;
	case CORRAL_NFT_TERM_TALLY:
		if (t->name)
			object(r, NFT_OBJECT_COUNTER, t->name);
		else
			counter(r, NFTA_LIST_ELEM);
		break;
	case CORRAL_NFT_TERM_TIMEOUT:
		object(r, NFT_OBJECT_CT_TIMEOUT, t->name);
		break;
	case CORRAL_NFT_TERM_MARK:
		immediate(r, NFT_REG_1, &t->low, sizeof(t->low));
		meta(r, NFT_META_MARK, NFTA_META_SREG, NFT_REG_1);
		break;
	case CORRAL_NFT_TERM_UNTRACKED:
		expression_end(r, expression(r, "notrack"));
		break;
	case CORRAL_NFT_TERM_VERDICT:
		verdict(r, t);
		break;
	case CORRAL_NFT_TERM_REJECT:
		reject(r, t);
		break;
	case CORRAL_NFT_TERM_MASQUERADE:
		masquerade(r, t);
		break;
	}
}

/* Sets of its own are in the batch before it is. */
void corral_nft_rule_add(struct corral_nft_batch *b, const char *chain,
                         const struct corral_nft_term *terms, size_t n)
{
	struct rule r = { .batch = b };
	struct nlattr *list;

	corral_nft_batch_message(b, &r.m, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, ROOM);
	corral_nft_put_string(&r.m, NFTA_RULE_CHAIN, chain);
	list = corral_nft_nest(&r.m, NFTA_RULE_EXPRESSIONS);
	for (size_t i = 0; i < n; i++)
		term(&r, &terms[i]);
	corral_nft_nest_end(&r.m, list);
	corral_nft_batch_add(b, &r.m);
}
