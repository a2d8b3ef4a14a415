#include "policy/egress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"

#define SHOWN     80
#define OWN_MAX   512
#define LABEL_MAX 63

static bool is_name_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

int corral_egress_name_normalise(const char *guest_name, char ret[CORRAL_EGRESS_NAME_SIZE],
                                 struct corral_error *err)
{
	size_t len = strlen(guest_name), label = 0;

	if (len && guest_name[len - 1] == '.')
		len--;
	if (!len || len >= CORRAL_EGRESS_NAME_SIZE)
		return corral_error_set(err, EINVAL, "a name has 1 to %d bytes",
		                        CORRAL_EGRESS_NAME_SIZE - 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)guest_name[i];

		if (c >= 0x80)
			return corral_error_set(
			        err, EINVAL,
			        "a name of the DNS is ASCII: write what stands behind it, "
			        "as 'xn--bcher-kva.example' for 'b\u00fccher.example' "
			        "(idn2 tells)");
		if (c != '.' && !is_name_char(c))
			return corral_error_set(err, EINVAL,
			                        "letters, digits, '-' and '_' make a name, in "
			                        "parts between dots");
		label = c == '.' ? 0 : label + 1;
		if ((c == '.' && (i == 0 || guest_name[i - 1] == '.' || i + 1 == len)) ||
		    label > LABEL_MAX)
			return corral_error_set(err, EINVAL,
			                        "each part between dots has 1 to %d bytes",
			                        LABEL_MAX);
		ret[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	ret[len] = '\0';
	return 0;
}

static int protocol_parse(const char *text, uint8_t *ret, struct corral_error *err)
{
	if (!strcmp(text, "tcp"))
		*ret = CORRAL_EGRESS_TCP;
	else if (!strcmp(text, "udp"))
		*ret = CORRAL_EGRESS_UDP;
	else
		return corral_error_set(err, EINVAL, "'/%.16s' is not '/tcp' or '/udp'", text);
	return 0;
}

static int port_parse(const char *text, uint16_t *ret, struct corral_error *err)
{
	uint64_t port = 0;

	if (corral_parse_u64(text, UINT16_MAX, &port, NULL) < 0 || !port)
		return corral_error_set(err, EINVAL, "'%.16s' is no port: 1 to 65535, or '*'",
		                        text);
	*ret = (uint16_t)port;
	return 0;
}

/* "443", "8000-8100/udp", "*"; text is cut up. */
static int ports_parse(char *text, struct corral_ports *ret, struct corral_error *err)
{
	char *slash = strchr(text, '/'), *dash;
	struct corral_ports p = { .first = 1, .last = UINT16_MAX, .protocols = CORRAL_EGRESS_TCP };
	int r = 0;

	if (slash) {
		*slash = '\0';
		r = protocol_parse(slash + 1, &p.protocols, err);
		if (r < 0)
			return r;
	}
	if (!strcmp(text, "*")) {
		if (!slash)
			p.protocols = CORRAL_EGRESS_TCP | CORRAL_EGRESS_UDP | CORRAL_EGRESS_ECHO;
		*ret = p;
		return 0;
	}
	dash = strchr(text, '-');
	if (dash)
		*dash = '\0';
	r = port_parse(text, &p.first, err);
	if (r == 0)
		r = port_parse(dash ? dash + 1 : text, &p.last, err);
	if (r == 0 && p.first > p.last)
		r = corral_error_set(err, EINVAL,
		                     "the first port, %u, is greater than the last, %u", p.first,
		                     p.last);
	if (r == 0)
		*ret = p;
	return r;
}

/* Whether no address of it could be reached. */
static bool is_beyond(const struct corral_prefix *p)
{
	struct corral_prefix no;

	for (size_t i = 0; corral_egress_beyond_at(i, &no); i++)
		if (p->len >= no.len && corral_prefix_has(&no, &p->address))
			return true;
	return false;
}

/* Loopback is the sandbox's own, and what is sent to many is sent to nobody here. */
static int prefix_check(const struct corral_prefix *p, struct corral_error *err)
{
	static const uint8_t one[16] = { [15] = 1 };
	const uint8_t *b = p->address.bytes;
	bool v4 = p->address.family == 4;

	if ((v4 && p->len >= 8 && b[0] == 127) ||
	    (!v4 && p->len == 128 && !memcmp(b, one, sizeof(one))))
		return corral_error_set(err, EINVAL,
		                        "loopback is the sandbox's own, and always free there; "
		                        "services of the host's are reached under network 'host' "
		                        "alone, or by a socket of theirs that is bound in");
	if ((v4 && p->len >= 4 && b[0] >= 224) || (!v4 && p->len >= 8 && b[0] == 0xff))
		return corral_error_set(err, EINVAL, "multicast and broadcast leave no sandbox");
	if (is_beyond(p))
		return corral_error_set(err, EINVAL,
		                        "addresses of one link, and where clouds keep their "
		                        "metadata, are reached under network 'host' alone");
	return 0;
}

/* Digits and dots, or a colon: whoever writes that means an address, and is told what is wrong with
 * it; "1.2.3" and "0x7f.1" are names to no resolver that deserves it. */
static bool looks_like_address(const char *text)
{
	const char *last = strrchr(text, '.');

	return strchr(text, ':') || strchr(text, '/') ||
	       (last ? last[1] >= '0' && last[1] <= '9'
	             : *text >= '0' && *text <= '9' && !text[strspn(text, "0123456789")]);
}

static int name_parse(const char *text, struct corral_egress_entry *e, struct corral_error *err)
{
	const struct corral_ports *p = &e->ports.ranges[0];
	bool below = !strncmp(text, "*.", 2);
	int r;

	if (!strcmp(text, "*"))
		return corral_error_set(err, EINVAL,
		                        "'*' would be every name: give '*.NAME', or choose another "
		                        "network");
	if (strchr(text + (below ? 2 : 0), '*'))
		return corral_error_set(err, EINVAL,
		                        "'*' stands for whole parts, and only in front: '*.NAME'");
	r = corral_egress_name_normalise(text + (below ? 2 : 0), e->name, err);
	e->kind = below ? CORRAL_EGRESS_BELOW : CORRAL_EGRESS_NAME;
	if (r == 0 && p->first == p->last && (p->first == 53 || p->first == 853))
		return corral_error_set(
		        err, EINVAL,
		        "another name server is allowed by its address alone, as in "
		        "9.9.9.9:%u",
		        p->first);
	return r;
}

/* Where the port's colon is, or NULL; *ret_address_end cuts brackets. -EINVAL for odd brackets. */
static int split(char *text, char **ret_host, char **ret_ports, struct corral_error *err)
{
	char *colon;

	*ret_host = text;
	*ret_ports = NULL;
	if (text[0] == '[') {
		char *end = strchr(text, ']');

		if (!end || (end[1] && end[1] != ':'))
			return corral_error_set(err, EINVAL,
			                        "an address in brackets is written [ADDRESS]:PORT");
		*ret_host = text + 1;
		*end = '\0';
		if (!strchr(text + 1, ':'))
			return corral_error_set(err, EINVAL, "only IPv6 stands in brackets");
		if (end[1])
			*ret_ports = end + 2;
		return 0;
	}
	colon = strchr(text, ':');
	/* More than one: IPv6 without a port. */
	if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		*ret_ports = colon + 1;
	}
	return 0;
}

static const struct corral_port_set usual = {
	.ranges = { { 80, 80, CORRAL_EGRESS_TCP }, { 443, 443, CORRAL_EGRESS_TCP } },
	.n = 2,
};

static int entry_parse(char *text, struct corral_egress_entry *e, struct corral_error *err)
{
	char *host = NULL, *ports = NULL;
	int r;

	if (strstr(text, "://"))
		return corral_error_set(err, EINVAL,
		                        "an address of the web has more in it than is held "
		                        "against the list: give its host alone");
	r = split(text, &host, &ports, err);
	if (r < 0)
		return r;
	e->ports = usual;
	if (ports) {
		e->ports.n = 1;
		r = ports_parse(ports, &e->ports.ranges[0], err);
	}
	if (r < 0)
		return r;
	if (!looks_like_address(host) && host == text)
		return name_parse(host, e, err);
	e->kind = CORRAL_EGRESS_ADDRESS;
	r = corral_address_parse(host, &e->prefix, err);
	return r < 0 ? r : prefix_check(&e->prefix, err);
}

int corral_egress_entry_parse(const char *text, struct corral_egress_entry *ret,
                              struct corral_error *err)
{
	struct corral_egress_entry e = { .kind = CORRAL_EGRESS_NAME };
	char copy[CORRAL_EGRESS_TEXT_MAX + 1];
	size_t len = strlen(text);
	int r;

	if (!len)
		return corral_error_set(err, EINVAL,
		                        "empty where NAME[:PORT] or ADDRESS[:PORT] is expected");
	if (len > CORRAL_EGRESS_TEXT_MAX)
		return corral_error_set(err, EINVAL, "'%.32s...' is longer than %d bytes", text,
		                        CORRAL_EGRESS_TEXT_MAX);
	memcpy(copy, text, len + 1);
	r = entry_parse(copy, &e, err);
	if (r < 0)
		return corral_error_wrap(err, r, "'%.*s'", SHOWN, text);
	*ret = e;
	return 0;
}

static bool same_ports(const struct corral_port_set *a, const struct corral_port_set *b)
{
	if (a->n != b->n)
		return false;
	for (uint8_t i = 0; i < a->n; i++)
		if (a->ranges[i].first != b->ranges[i].first ||
		    a->ranges[i].last != b->ranges[i].last ||
		    a->ranges[i].protocols != b->ranges[i].protocols)
			return false;
	return true;
}

static int ports_intern(struct corral_egress *e, struct corral_egress_entry *entry,
                        struct corral_error *err)
{
	size_t i = 0;

	while (i < e->n_sets && !same_ports(&e->sets[i], &entry->ports))
		i++;
	if (i == CORRAL_EGRESS_SETS_MAX)
		return corral_error_set(err, EINVAL, "more than %d different ports among the names",
		                        CORRAL_EGRESS_SETS_MAX);
	if (i == e->n_sets)
		e->sets[e->n_sets++] = entry->ports;
	entry->set = (uint8_t)i;
	return 0;
}

int corral_egress_compile(char *const *texts, size_t n, struct corral_egress **ret,
                          struct corral_error *err)
{
	corral_auto(corral_egress_freep) struct corral_egress *e = calloc(1, sizeof(*e));
	int r;

	if (n > CORRAL_EGRESS_MAX)
		return corral_error_set(err, EINVAL, "allow: more than %d entries",
		                        CORRAL_EGRESS_MAX);
	if (e)
		e->entries = calloc(n + 1, sizeof(*e->entries));
	if (!e || !e->entries)
		return corral_error_sys(err, ENOMEM, "allow");
	for (; e->n_entries < n; e->n_entries++) {
		struct corral_egress_entry *entry = &e->entries[e->n_entries];

		r = corral_egress_entry_parse(texts[e->n_entries], entry, err);
		if (r == 0 && entry->kind != CORRAL_EGRESS_ADDRESS)
			r = ports_intern(e, entry, err);
		if (r < 0)
			return corral_error_wrap(err, r, "allow[%zu]", e->n_entries);
	}
	*ret = corral_take_ptr(&e);
	return 0;
}

void corral_egress_free(struct corral_egress *e)
{
	if (!e)
		return;
	free(e->entries);
	free(e->own);
	free(e);
}

int corral_egress_own(struct corral_egress *e, const struct corral_prefix *own,
                      struct corral_error *err)
{
	struct corral_prefix *grown;

	for (size_t i = 0; i < e->n_own; i++)
		if (e->own[i].len == own->len && corral_prefix_has(&e->own[i], &own->address))
			return 0;
	if (e->n_own == OWN_MAX)
		return corral_error_set(err, E2BIG, "more than %d addresses of the host's",
		                        OWN_MAX);
	grown = realloc(e->own, (e->n_own + 1) * sizeof(*grown));
	if (!grown)
		return corral_error_sys(err, ENOMEM, "allow");
	e->own = grown;
	e->own[e->n_own++] = *own;
	return 0;
}

uint64_t corral_egress_name_sets(const struct corral_egress *e, const char *name)
{
	size_t len = strlen(name);
	uint64_t sets = 0;

	for (size_t i = 0; i < e->n_entries; i++) {
		const struct corral_egress_entry *entry = &e->entries[i];
		size_t n = strlen(entry->name);
		bool is = false;

		if (entry->kind == CORRAL_EGRESS_NAME)
			is = !strcmp(entry->name, name);
		else if (entry->kind == CORRAL_EGRESS_BELOW)
			is = len > n + 1 && name[len - n - 1] == '.' &&
			     !strcmp(name + len - n, entry->name);
		sets |= is ? (uint64_t)1 << entry->set : 0;
	}
	return sets;
}
