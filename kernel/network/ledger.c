#include "kernel/network/ledger.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *corral_ledger_name(const struct corral_ledger *l, uint16_t name)
{
	return name && name < l->names_len ? l->names + name : "";
}

/* Names are kept once each; the first byte is the empty one. What does not fit is "". */
static uint16_t name_keep(struct corral_ledger *l, const char *name)
{
	size_t len = name ? strlen(name) : 0, at = 1;

	if (!len)
		return 0;
	if (!l->names_len)
		l->names_len = 1;
	for (; at < l->names_len; at += strlen(l->names + at) + 1)
		if (!strcmp(l->names + at, name))
			return (uint16_t)at;
	if (at + len + 1 > sizeof(l->names))
		return 0;
	memcpy(l->names + at, name, len + 1);
	l->names_len = (uint16_t)(at + len + 1);
	return (uint16_t)at;
}

static uint64_t contact_weight(const struct corral_contact *c)
{
	return c->sent_bytes + c->received_bytes;
}

void corral_ledger_add_contact(struct corral_ledger *l, const struct corral_contact *c,
                               const char *name)
{
	struct corral_contact *slot = &l->contacts[0];

	if (l->n_contacts < CORRAL_CONTACTS_MAX) {
		slot = &l->contacts[l->n_contacts++];
	} else {
		l->contacts_dropped++;
		for (uint32_t i = 1; i < CORRAL_CONTACTS_MAX; i++)
			if (contact_weight(&l->contacts[i]) < contact_weight(slot))
				slot = &l->contacts[i];
		if (contact_weight(slot) >= contact_weight(c))
			return;
	}
	*slot = *c;
	slot->name = name_keep(l, name);
}

void corral_ledger_add_refusal(struct corral_ledger *l, const struct corral_refusal *r,
                               const char *name)
{
	struct corral_refusal *slot = &l->refusals[0];

	if (l->n_refusals < CORRAL_REFUSALS_MAX) {
		slot = &l->refusals[l->n_refusals++];
	} else {
		l->refusals_dropped++;
		for (uint32_t i = 1; i < CORRAL_REFUSALS_MAX; i++)
			if (l->refusals[i].count < slot->count)
				slot = &l->refusals[i];
		if (slot->count >= r->count)
			return;
	}
	*slot = *r;
	slot->name = name_keep(l, name);
}

static bool same_place(const struct corral_address *a, const struct corral_address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Counters go up; one that does not is of a place that was given to another in between. */
static uint64_t less(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static bool contact_renew(struct corral_contact *c, const struct corral_ledger *before)
{
	for (uint32_t i = 0; i < before->n_contacts; i++) {
		const struct corral_contact *b = &before->contacts[i];

		if (b->port != c->port || b->protocol != c->protocol ||
		    !same_place(&b->address, &c->address))
			continue;
		c->connections = (uint32_t)less(c->connections, b->connections);
		c->sent_bytes = less(c->sent_bytes, b->sent_bytes);
		c->received_bytes = less(c->received_bytes, b->received_bytes);
	}
	return c->connections || c->sent_bytes || c->received_bytes;
}

static bool refusal_renew(const struct corral_ledger *l, struct corral_refusal *r,
                          const struct corral_ledger *before)
{
	for (uint32_t i = 0; i < before->n_refusals; i++) {
		const struct corral_refusal *b = &before->refusals[i];

		if (b->reason == r->reason && b->port == r->port && b->protocol == r->protocol &&
		    same_place(&b->address, &r->address) &&
		    (r->address.family ||
		     !strcmp(corral_ledger_name(before, b->name), corral_ledger_name(l, r->name))))
			r->count = less(r->count, b->count);
	}
	return r->count;
}

void corral_ledger_subtract(struct corral_ledger *l, const struct corral_ledger *before)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n_contacts; i++)
		if (contact_renew(&l->contacts[i], before))
			l->contacts[n++] = l->contacts[i];
	l->n_contacts = n;
	n = 0;
	for (uint32_t i = 0; i < l->n_refusals; i++)
		if (refusal_renew(l, &l->refusals[i], before))
			l->refusals[n++] = l->refusals[i];
	l->n_refusals = n;
	l->contacts_dropped = less(l->contacts_dropped, before->contacts_dropped);
	l->refusals_dropped = less(l->refusals_dropped, before->refusals_dropped);
}

int corral_ledger_check(const struct corral_ledger *l)
{
	if (l->n_contacts > CORRAL_CONTACTS_MAX || l->n_refusals > CORRAL_REFUSALS_MAX ||
	    l->names_len > sizeof(l->names) || (l->names_len && l->names[l->names_len - 1]))
		return -EBADMSG;
	for (uint16_t i = 0; i < l->names_len; i++) {
		unsigned char c = (unsigned char)l->names[i];

		if (c && (c < 0x21 || c > 0x7e))
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < l->n_refusals; i++)
		if (l->refusals[i].reason > CORRAL_REFUSAL_BEYOND)
			return -EBADMSG;
	return 0;
}

const char *corral_protocol_name(uint8_t protocol, char buf[8])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	case IPPROTO_SCTP:
		return "sctp";
	}
	(void)snprintf(buf, 8, "%u", protocol);
	return buf;
}

/* "host:port" with brackets where they belong; the port without one is left out. */
static void place(const struct corral_refusal *r, const char *name, char *buf, size_t size)
{
	char address[CORRAL_ADDRESS_TEXT_SIZE] = "";
	const char *host = name;

	if (!*host)
		host = corral_address_text(&r->address, address);
	if (!r->port)
		(void)snprintf(buf, size, "%s", host);
	else if (host == address && r->address.family == 6)
		(void)snprintf(buf, size, "[%s]:%u", host, r->port);
	else
		(void)snprintf(buf, size, "%s:%u", host, r->port);
}

const char *corral_refusal_text(const struct corral_ledger *l, const struct corral_refusal *r,
                                char buf[CORRAL_REFUSAL_TEXT_SIZE])
{
	char address[CORRAL_ADDRESS_TEXT_SIZE], number[8];
	const char *name = corral_ledger_name(l, r->name);
	size_t len;

	place(r, name, buf, CORRAL_REFUSAL_TEXT_SIZE);
	len = strlen(buf);
	if (r->protocol) {
		(void)snprintf(buf + len, CORRAL_REFUSAL_TEXT_SIZE - len, "/%s",
		               corral_protocol_name(r->protocol, number));
		len = strlen(buf);
	}
	if (*name && r->address.family)
		(void)snprintf(buf + len, CORRAL_REFUSAL_TEXT_SIZE - len, " (%s)",
		               corral_address_text(&r->address, address));
	return buf;
}

const char *corral_refusal_why(const struct corral_refusal *r)
{
	switch (r->reason) {
	case CORRAL_REFUSAL_SPECIAL:
		return "an address that is not of the public internet takes an entry of its own";
	case CORRAL_REFUSAL_BEYOND:
		return "no entry opens it";
	default:
		return NULL;
	}
}

/* Its own loopback is free to a sandbox already, and groups are nobody's to reach. */
static bool is_nobodys(const struct corral_address *a)
{
	static const uint8_t zeros[15];
	const struct corral_address plain = corral_address_plain(a);
	const uint8_t *b = plain.bytes;

	if (plain.family == 4)
		return b[0] == 0 || b[0] == 127 || b[0] >= 224;
	return b[0] == 0xff || (!memcmp(b, zeros, sizeof(zeros)) && b[15] <= 1);
}

const char *corral_refusal_remedy(const struct corral_ledger *l, const struct corral_refusal *r,
                                  char buf[CORRAL_REFUSAL_TEXT_SIZE])
{
	const char *name = corral_ledger_name(l, r->name);
	struct corral_egress_entry ignored;
	struct corral_refusal as = *r;
	char host[CORRAL_EGRESS_TEXT_MAX + 1];

	if (r->reason == CORRAL_REFUSAL_BEYOND)
		return is_nobodys(&r->address) ? NULL : "--network host";
	/* Of a name it is not known what it was asked for; the usual ports are a good guess. */
	if (r->reason == CORRAL_REFUSAL_NAME && strchr(name, '?'))
		return NULL;
	if (r->reason == CORRAL_REFUSAL_SPECIAL || r->port == 53 || r->port == 853)
		name = "";
	if (r->protocol && r->protocol != IPPROTO_TCP && r->protocol != IPPROTO_UDP &&
	    r->protocol != IPPROTO_ICMP && r->protocol != IPPROTO_ICMPV6)
		return NULL;
	place(&as, name, host, sizeof(host));
	(void)snprintf(buf, CORRAL_REFUSAL_TEXT_SIZE, "--allow %s%s", host,
	               r->protocol == IPPROTO_UDP                                     ? "/udp"
	               : r->protocol == IPPROTO_ICMP || r->protocol == IPPROTO_ICMPV6 ? ":*"
	                                                                              : "");
	/* What the list itself would refuse (loopback, multicast) is no advice. */
	return corral_egress_entry_parse(buf + 8, &ignored, NULL) == 0 ? buf : NULL;
}
