#include "kernel/network/helper/nft_set.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

/* In one message, whose list has at most 64 KiB. */
#define ELEMENTS_MAX 512
#define ELEMENT_ROOM 80
#define ROOM         256
/* User data: the order of a key's bytes. For those who list, and would take the packet's. */
#define UDATA_KEY_ORDER 0
#define UDATA_HOST      1

static void put_order(struct corral_nft_message *m, const struct corral_nft_field_like *like)
{
	struct {
		uint8_t type, len;
		uint32_t order;
	} __attribute__((packed)) const data = { UDATA_KEY_ORDER, sizeof(data.order), UDATA_HOST };

	if (like->load == CORRAL_NFT_LOAD_META || like->load == CORRAL_NFT_LOAD_CT)
		corral_nft_put(m, NFTA_SET_USERDATA, &data, sizeof(data));
}

void corral_nft_set_add(struct corral_nft_batch *b, const char *name, uint32_t flags, uint32_t size,
                        const enum corral_nft_field *key, size_t n)
{
	struct corral_nft_message m;
	uint32_t type = 0, len = 0;
	struct nlattr *nest;

	for (size_t i = 0; i < n; i++) {
		const struct corral_nft_field_like *like = corral_nft_field(key[i]);

		type = type << CORRAL_NFT_TYPE_BITS | like->type;
		len += n == 1 ? like->len : (like->len + 3u) / 4 * 4;
	}
	corral_nft_batch_message(b, &m, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, ROOM);
	corral_nft_put_string(&m, NFTA_SET_NAME, name);
	corral_nft_put_u32(&m, NFTA_SET_FLAGS, flags);
	corral_nft_put_u32(&m, NFTA_SET_KEY_TYPE, type);
	corral_nft_put_u32(&m, NFTA_SET_KEY_LEN, len);
	corral_nft_put_u32(&m, NFTA_SET_ID, ++b->set_id);
	if (size) {
		nest = corral_nft_nest(&m, NFTA_SET_DESC);
		corral_nft_put_u32(&m, NFTA_SET_DESC_SIZE, size);
		corral_nft_nest_end(&m, nest);
	}
	if (n == 1)
		put_order(&m, corral_nft_field(key[0]));
	corral_nft_batch_add(b, &m);
}

static void list_begin(struct corral_nft_elements *e)
{
	corral_nft_batch_message(e->batch, &e->message, e->type,
	                         e->type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0,
	                         ROOM + (e->left < ELEMENTS_MAX ? e->left : ELEMENTS_MAX) *
	                                         ELEMENT_ROOM);
	corral_nft_put_string(&e->message, NFTA_SET_ELEM_LIST_SET, e->set);
	if (e->set_id)
		corral_nft_put_u32(&e->message, NFTA_SET_ELEM_LIST_SET_ID, e->set_id);
	e->list = corral_nft_nest(&e->message, NFTA_SET_ELEM_LIST_ELEMENTS);
	e->n = 0;
}

static void list_end(struct corral_nft_elements *e)
{
	corral_nft_nest_end(&e->message, e->list);
	corral_nft_batch_add(e->batch, &e->message);
}

void corral_nft_elements_begin(struct corral_nft_elements *e, struct corral_nft_batch *b, int type,
                               const char *set, uint32_t set_id, size_t n)
{
	*e = (struct corral_nft_elements) {
		.batch = b, .type = type, .set = set, .set_id = set_id, .left = n
	};
	list_begin(e);
}

void corral_nft_element(struct corral_nft_elements *e, const void *key, size_t len, uint32_t flags,
                        uint64_t timeout_ms)
{
	struct nlattr *element, *nest;

	if (e->n == ELEMENTS_MAX) {
		list_end(e);
		list_begin(e);
	}
	e->n++;
	e->left--;
	element = corral_nft_nest(&e->message, NFTA_LIST_ELEM);
	if (flags)
		corral_nft_put_u32(&e->message, NFTA_SET_ELEM_FLAGS, flags);
	nest = corral_nft_nest(&e->message, NFTA_SET_ELEM_KEY);
	corral_nft_put(&e->message, NFTA_DATA_VALUE, key, len);
	corral_nft_nest_end(&e->message, nest);
	if (timeout_ms)
		corral_nft_put_u64(&e->message, NFTA_SET_ELEM_TIMEOUT, timeout_ms);
	corral_nft_nest_end(&e->message, element);
}

void corral_nft_elements_end(struct corral_nft_elements *e)
{
	list_end(e);
}

uint32_t corral_nft_set_of_numbers(struct corral_nft_batch *b, enum corral_nft_field field,
                                   const uint32_t *numbers, size_t n)
{
	struct corral_nft_elements e;
	uint8_t key[CORRAL_NFT_NUMBER_MAX];

	corral_nft_set_add(b, CORRAL_NFT_SET_ANONYMOUS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT,
	                   (uint32_t)n, &field, 1);
	corral_nft_elements_begin(&e, b, NFT_MSG_NEWSETELEM, CORRAL_NFT_SET_ANONYMOUS, b->set_id,
	                          n);
	for (size_t i = 0; i < n; i++)
		corral_nft_element(&e, key, corral_nft_number(field, numbers[i], key), 0, 0);
	corral_nft_elements_end(&e);
	return b->set_id;
}

/* --- prefixes ------------------------------------------------------------------------------- */

struct range {
	uint8_t first[16], behind[16]; /* IPv4 has its four bytes first and zeros behind */
	bool open;                     /* to the last address of all: nothing is behind it */
};

static struct range range_of(const struct corral_prefix *p, size_t size)
{
	struct range r = { .open = true };

	memcpy(r.first, p->address.bytes, size);
	memcpy(r.behind, p->address.bytes, size);
	/* One more in the last bit that the prefix has. */
	for (int i = p->len - 1, carry = 1; i >= 0 && carry; i--) {
		const uint8_t bit = (uint8_t)(0x80 >> i % 8);

		carry = (r.behind[i / 8] & bit) != 0;
		r.behind[i / 8] ^= bit;
		r.open = carry;
	}
	return r;
}

static int range_compare(const void *a, const void *b)
{
	return memcmp(((const struct range *)a)->first, ((const struct range *)b)->first, 16);
}

/* In their order, and none that touches another: such as overlap the kernel refuses. Returns how
 * many are left. */
static size_t ranges_merge(struct range *list, size_t n)
{
	size_t kept = 0;

	qsort(list, n, sizeof(*list), range_compare);
	for (size_t i = 0; i < n; i++) {
		struct range *last = kept ? &list[kept - 1] : NULL;

		if (!last || (!last->open && memcmp(list[i].first, last->behind, 16) > 0)) {
			list[kept++] = list[i];
		} else if (!last->open &&
		           (list[i].open || memcmp(list[i].behind, last->behind, 16) > 0)) {
			memcpy(last->behind, list[i].behind, 16);
			last->open = list[i].open;
		}
	}
	return kept;
}

/* What is behind a range is an element, too; and before the first one, for those who list. */
static void ranges_add(struct corral_nft_elements *e, const struct range *list, size_t n,
                       size_t size)
{
	static const uint8_t zero[16];

	if (n && memcmp(list[0].first, zero, size) != 0)
		corral_nft_element(e, zero, size, NFT_SET_ELEM_INTERVAL_END, 0);
	for (size_t i = 0; i < n; i++) {
		corral_nft_element(e, list[i].first, size, 0, 0);
		if (!list[i].open)
			corral_nft_element(e, list[i].behind, size, NFT_SET_ELEM_INTERVAL_END, 0);
	}
}

uint32_t corral_nft_set_of_prefixes(struct corral_nft_batch *b, enum corral_nft_field field,
                                    const struct corral_prefix *prefixes, size_t n)
{
	const size_t size = corral_nft_field(field)->len;
	corral_autofree struct range *list = calloc(n + 1, sizeof(*list));
	struct corral_nft_elements e;

	if (!list) {
		b->buf.failed = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		list[i] = range_of(&prefixes[i], size);
	n = ranges_merge(list, n);
	corral_nft_set_add(b, CORRAL_NFT_SET_ANONYMOUS,
	                   NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_INTERVAL,
	                   (uint32_t)(2 * n + 1), &field, 1);
	corral_nft_elements_begin(&e, b, NFT_MSG_NEWSETELEM, CORRAL_NFT_SET_ANONYMOUS, b->set_id,
	                          2 * n + 1);
	ranges_add(&e, list, n, size);
	corral_nft_elements_end(&e);
	return b->set_id;
}
