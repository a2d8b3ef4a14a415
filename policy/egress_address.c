/*
 * Addresses and prefixes, and which of them are nobody's business by default.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "policy/egress.h"

/*
 * What is not of the public internet (the IANA registries of special-purpose addresses, and the
 * multicast blocks), most of it reached from the host's own position. 6to4, Teredo and site-local
 * addresses carry others inside them, or are nobody's any more.
 */
static const struct special {
	uint8_t family, len;
	uint8_t bytes[16];
	const char *why;
} specials[] = {
	{ 4, 8, { 0 }, "of this network" },
	{ 4, 8, { 10 }, "private" },
	{ 4, 10, { 100, 64 }, "shared by a carrier" },
	{ 4, 8, { 127 }, "loopback" },
	{ 4, 16, { 169, 254 }, "link-local, where clouds keep their metadata" },
	{ 4, 32, { 168, 63, 129, 16 }, "where a cloud keeps its metadata" },
	{ 4, 12, { 172, 16 }, "private" },
	{ 4, 24, { 192, 0, 0 }, "reserved" },
	{ 4, 24, { 192, 0, 2 }, "for documentation" },
	{ 4, 24, { 192, 88, 99 }, "reserved" },
	{ 4, 16, { 192, 168 }, "private" },
	{ 4, 15, { 198, 18 }, "for benchmarks" },
	{ 4, 24, { 198, 51, 100 }, "for documentation" },
	{ 4, 24, { 203, 0, 113 }, "for documentation" },
	{ 4, 4, { 224 }, "multicast" },
	{ 4, 4, { 240 }, "reserved" },
	{ 6, 96, { 0 }, "reserved" }, /* unspecified, loopback and IPv4-compatible ones */
	{ 6, 96, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, "an IPv4 address" },
	{ 6, 96, { 0, 0x64, 0xff, 0x9b }, "an IPv4 address" },
	{ 6, 48, { 0, 0x64, 0xff, 0x9b, 0, 1 }, "translated locally" },
	{ 6, 64, { 0x01, 0 }, "discarded" },
	{ 6, 23, { 0x20, 0x01 }, "reserved" },
	{ 6, 32, { 0x20, 0x01, 0x0d, 0xb8 }, "for documentation" },
	{ 6, 16, { 0x20, 0x02 }, "an IPv4 address in a tunnel" },
	{ 6, 20, { 0x3f, 0xff }, "for documentation" },
	{ 6, 16, { 0x5f, 0x00 }, "for segment routing" },
	{ 6, 7, { 0xfc }, "private" },
	{ 6, 10, { 0xfe, 0x80 }, "link-local" },
	{ 6, 10, { 0xfe, 0xc0 }, "site-local" },
	{ 6, 8, { 0xff }, "multicast" },
};

/* Of these what no sandbox with a network of its own reaches; what stands behind an IPv4 address in
 * IPv6's clothes is asked of that. */
static const struct {
	uint8_t family, len;
	uint8_t bytes[16];
} beyond[] = {
	{ 4, 8, { 0 } },
	{ 4, 32, { 100, 100, 100, 200 } },
	{ 4, 8, { 127 } },
	{ 4, 16, { 169, 254 } },
	{ 4, 32, { 168, 63, 129, 16 } },
	{ 4, 4, { 224 } },
	{ 4, 4, { 240 } },
	{ 6, 127, { 0 } },
	{ 6, 128, { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 } },
	{ 6, 128, { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54 } },
	{ 6, 10, { 0xfe, 0x80 } },
	{ 6, 8, { 0xff } },
};

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
static const uint8_t translated[12] = { 0, 0x64, 0xff, 0x9b };

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned int len)
{
	unsigned int whole = len / 8, rest = len % 8;

	return !memcmp(a, b, whole) && (!rest || !((a[whole] ^ b[whole]) >> (8 - rest)));
}

bool corral_prefix_has(const struct corral_prefix *p, const struct corral_address *a)
{
	return p->address.family == a->family && bits_equal(p->address.bytes, a->bytes, p->len);
}

static bool within(const struct corral_prefix *inner, const struct corral_prefix *outer)
{
	return inner->len >= outer->len && corral_prefix_has(outer, &inner->address);
}

struct corral_address corral_address_of(const uint8_t *bytes, size_t len)
{
	struct corral_address a = { .family = len == 4 ? 4 : 6 };

	memcpy(a.bytes, bytes, len == 4 ? 4 : 16);
	return a;
}

struct corral_address corral_address_plain(const struct corral_address *a)
{
	if (a->family == 6 && (!memcmp(a->bytes, mapped, 12) || !memcmp(a->bytes, translated, 12)))
		return corral_address_of(a->bytes + 12, 4);
	return *a;
}

const char *corral_address_text(const struct corral_address *a, char buf[CORRAL_ADDRESS_TEXT_SIZE])
{
	if (!inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, buf,
	               CORRAL_ADDRESS_TEXT_SIZE))
		buf[0] = '\0';
	return buf;
}

const char *corral_prefix_text(const struct corral_prefix *p, char buf[CORRAL_ADDRESS_TEXT_SIZE])
{
	size_t len;

	(void)corral_address_text(&p->address, buf);
	len = strlen(buf);
	if (p->len < (p->address.family == 4 ? 32 : 128))
		(void)snprintf(buf + len, CORRAL_ADDRESS_TEXT_SIZE - len, "/%u", p->len);
	return buf;
}

static void beyond_clear(struct corral_prefix *p)
{
	for (unsigned int i = 0; i < 16; i++) {
		if (p->len <= i * 8)
			p->address.bytes[i] = 0;
		else if (p->len < i * 8 + 8)
			p->address.bytes[i] &= (uint8_t)(0xffu << (8 - p->len % 8));
	}
}

int corral_address_parse(const char *text, struct corral_prefix *ret, struct corral_error *err)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct corral_prefix p = { .len = 0 }, given;
	char address[INET6_ADDRSTRLEN] = "", buf[CORRAL_ADDRESS_TEXT_SIZE];
	uint64_t len = 0;

	if (n < sizeof(address))
		(void)snprintf(address, sizeof(address), "%.*s", (int)n, text);
	if (inet_pton(AF_INET, address, p.address.bytes) == 1)
		p.address.family = 4;
	else if (inet_pton(AF_INET6, address, p.address.bytes) == 1)
		p.address.family = 6;
	else
		return corral_error_set(err, EINVAL, "'%.64s' is no address", text);
	len = p.address.family == 4 ? 32 : 128;
	if (slash && corral_parse_u64(slash + 1, len, &len, NULL) < 0)
		return corral_error_set(err, EINVAL,
		                        "'%.64s': the length behind the '/' is 0 to %u", text,
		                        p.address.family == 4 ? 32 : 128);
	p.len = (uint8_t)len;
	given = p;
	beyond_clear(&p);
	if (memcmp(given.address.bytes, p.address.bytes, 16) != 0)
		return corral_error_set(err, EINVAL,
		                        "'%.64s' has bits beyond its length: the network is %s",
		                        text, corral_prefix_text(&p, buf));
	given.address = corral_address_plain(&p.address);
	if (p.len >= 96 && given.address.family != p.address.family)
		p = (struct corral_prefix) { given.address, (uint8_t)(p.len - 96) };
	*ret = p;
	return 0;
}

static struct corral_prefix special_prefix(const struct special *s)
{
	struct corral_prefix p = { .address.family = s->family, .len = s->len };

	memcpy(p.address.bytes, s->bytes, sizeof(s->bytes));
	return p;
}

/* The smallest range that is not of the public internet and has the address. */
static const char *special_find(const struct corral_egress *e, const struct corral_address *a,
                                struct corral_prefix *ret)
{
	const char *why = NULL;

	for (size_t i = 0; i < CORRAL_COUNT(specials); i++) {
		struct corral_prefix p = special_prefix(&specials[i]);

		if (corral_prefix_has(&p, a) && (!why || p.len >= ret->len)) {
			*ret = p;
			why = specials[i].why;
		}
	}
	for (size_t i = 0; e && i < e->n_own; i++) {
		if (corral_prefix_has(&e->own[i], a) && (!why || e->own[i].len >= ret->len)) {
			*ret = e->own[i];
			why = "the host's own";
		}
	}
	return why;
}

const char *corral_egress_special(const struct corral_egress *e, const struct corral_address *a)
{
	const struct corral_address plain = corral_address_plain(a);
	struct corral_prefix ignored = { .len = 0 };

	return special_find(e, &plain, &ignored);
}

bool corral_egress_beyond_at(size_t i, struct corral_prefix *ret)
{
	if (i >= CORRAL_COUNT(beyond))
		return false;
	*ret = (struct corral_prefix) { .address.family = beyond[i].family, .len = beyond[i].len };
	memcpy(ret->address.bytes, beyond[i].bytes, sizeof(beyond[i].bytes));
	return true;
}

bool corral_egress_beyond(const struct corral_egress *e, const struct corral_address *a)
{
	const struct corral_address plain = corral_address_plain(a);
	struct corral_prefix p;

	for (size_t i = 0; corral_egress_beyond_at(i, &p); i++)
		if (corral_prefix_has(&p, &plain))
			return true;
	for (size_t i = 0; e && i < e->n_own; i++)
		if (corral_prefix_has(&e->own[i], &plain))
			return true;
	return false;
}

bool corral_egress_address_listed(const struct corral_egress *e, const struct corral_address *a)
{
	const struct corral_address plain = corral_address_plain(a);
	struct corral_prefix range = { .len = 0 };
	const char *why = special_find(e, &plain, &range);

	if (corral_egress_beyond(e, &plain))
		return false;
	for (size_t i = 0; i < e->n_entries; i++) {
		const struct corral_egress_entry *entry = &e->entries[i];

		if (entry->kind == CORRAL_EGRESS_ADDRESS &&
		    corral_prefix_has(&entry->prefix, &plain) &&
		    (!why || entry->prefix.len >= range.len))
			return true;
	}
	return false;
}

/* Adds hole unless one of those there has it; takes out those within it. */
static int hole_put(const struct corral_prefix *hole, struct corral_prefix *to, size_t n,
                    size_t max)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (within(hole, &to[i]))
			return (int)n;
	for (size_t i = 0; i < n; i++)
		if (!within(&to[i], hole))
			to[kept++] = to[i];
	if (kept == max)
		return -E2BIG;
	to[kept++] = *hole;
	return (int)kept;
}

int corral_egress_holes(const struct corral_egress *e, const struct corral_prefix *prefix,
                        struct corral_prefix *ret, size_t max)
{
	int n = 0;

	for (size_t i = 0; i < CORRAL_COUNT(specials) + e->n_own && n >= 0; i++) {
		struct corral_prefix hole = i < CORRAL_COUNT(specials)
		                                    ? special_prefix(&specials[i])
		                                    : e->own[i - CORRAL_COUNT(specials)];

		if (hole.len > prefix->len && within(&hole, prefix))
			n = hole_put(&hole, ret, (size_t)n, max);
	}
	return n;
}
