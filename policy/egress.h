/*
 * What a sandbox with network "allow" may reach: names, addresses and ports, as its operator wrote
 * them. Pure: nothing is resolved and nothing is opened here; kernel/network/ holds packets and
 * questions against it.
 *
 * An entry is NAME, *.NAME (what is below it, not itself), ADDRESS or ADDRESS/LEN, each with :PORT,
 * :FIRST-LAST or :* behind it and /tcp or /udp behind that; an IPv6 address with a port stands in
 * brackets. Without a port it is 80 and 443 of tcp, a port without a protocol is tcp, and :*
 * without one is tcp, udp and echo ("ping"). No entry at all means that nothing is reachable.
 *
 * Addresses that are not of the public internet (private ones, shared by a carrier, ...) are
 * reached by an address entry that lies within their range, and in no other way: neither by a name
 * that resolves to them, nor by 0.0.0.0/0. What no sandbox with a network of its own reaches (the
 * host's own, link-local, the metadata services of clouds) no entry opens.
 */
#ifndef CORRAL_POLICY_EGRESS_H
#define CORRAL_POLICY_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_EGRESS_MAX       512 /* entries */
#define CORRAL_EGRESS_TEXT_MAX  300 /* bytes of one */
#define CORRAL_EGRESS_NAME_SIZE 254 /* a name with its NUL, without the last dot */
#define CORRAL_EGRESS_SETS_MAX  64  /* different sets of ports among the names */

/* An address: IPv4 has its four bytes first and zeros behind. */
struct corral_address {
	uint8_t family; /* 4 or 6 */
	uint8_t bytes[16];
};

struct corral_prefix {
	struct corral_address address; /* nothing but zeros beyond len */
	uint8_t len;
};

enum corral_egress_protocol {
	CORRAL_EGRESS_TCP = 1u << 0,
	CORRAL_EGRESS_UDP = 1u << 1,
	CORRAL_EGRESS_ECHO = 1u << 2, /* of ICMP; has no port */
};

struct corral_ports {
	uint16_t first, last;
	uint8_t protocols; /* set of enum corral_egress_protocol */
};

/* What an entry opens: 80 and 443, or one range. */
struct corral_port_set {
	struct corral_ports ranges[2];
	uint8_t n;
};

enum corral_egress_kind {
	CORRAL_EGRESS_NAME,
	CORRAL_EGRESS_BELOW, /* "*.name" */
	CORRAL_EGRESS_ADDRESS,
};

struct corral_egress_entry {
	enum corral_egress_kind kind;
	char name[CORRAL_EGRESS_NAME_SIZE]; /* lower case; "" for addresses */
	struct corral_prefix prefix;
	struct corral_port_set ports;
	uint8_t set; /* of names: which of corral_egress.sets it is */
};

struct corral_egress {
	struct corral_egress_entry *entries;
	size_t n_entries;
	/* The ports of all names, each once: what an address is opened for is some of these. */
	struct corral_port_set sets[CORRAL_EGRESS_SETS_MAX];
	size_t n_sets;
	/* Prefixes that are the host's: corral_egress_own(). */
	struct corral_prefix *own;
	size_t n_own;
};

/* One entry's text. -EINVAL says what is wrong with it and what to write instead. */
int corral_egress_entry_parse(const char *text, struct corral_egress_entry *ret,
                              struct corral_error *err);
/* All of them; the place is in the text: "allow[2]: ...". */
int corral_egress_compile(char *const *texts, size_t n, struct corral_egress **ret,
                          struct corral_error *err);
void corral_egress_free(struct corral_egress *e);
/* For corral_auto(). */
static inline void corral_egress_freep(struct corral_egress **p)
{
	corral_egress_free(*p);
}

/* An address of the host's, or a network between it and the sandbox: from now on no entry opens it.
 * Twice is once. */
int corral_egress_own(struct corral_egress *e, const struct corral_prefix *own,
                      struct corral_error *err);

/*
 * A name as somebody hostile may have written it, in lower case and without its last dot. -EINVAL
 * for what no entry could name: empty labels, too long, letters beyond a-z, 0-9, '-' and '_'.
 */
int corral_egress_name_normalise(const char *guest_name, char ret[CORRAL_EGRESS_NAME_SIZE],
                                 struct corral_error *err);
/* The sets of ports for which a normalised name's addresses are open, a bit each: 0 for a name that
 * is not on the list. */
uint64_t corral_egress_name_sets(const struct corral_egress *e, const char *name);

/* Why an address is reached by an address entry alone: "private", "link-local", ...; NULL for one
 * of the public internet. Static. */
const char *corral_egress_special(const struct corral_egress *e, const struct corral_address *a);
/* Whether no entry opens it: host alone, which corral_egress_special() says more of. e may be NULL.
 */
bool corral_egress_beyond(const struct corral_egress *e, const struct corral_address *a);
/* All such prefixes but the host's own: at i, false at the end. */
bool corral_egress_beyond_at(size_t i, struct corral_prefix *ret);
/* Whether an address entry covers it, for whichever port. */
bool corral_egress_address_listed(const struct corral_egress *e, const struct corral_address *a);

/*
 * The ranges within prefix, and smaller than it, that it does not cover, none within another; at
 * most max, and -E2BIG for more. Returns how many.
 */
int corral_egress_holes(const struct corral_egress *e, const struct corral_prefix *prefix,
                        struct corral_prefix *ret, size_t max);

/* "1.2.3.4", "2001:db8::1", with "/LEN" for a prefix that is shorter than its address. A mapped
 * or translated IPv4 address in IPv6's clothes becomes the IPv4 address that it stands for. */
int corral_address_parse(const char *text, struct corral_prefix *ret, struct corral_error *err);
/* The same with the bytes at hand: 4 or 16 of them. */
struct corral_address corral_address_of(const uint8_t *bytes, size_t len);
/* If it is mapped or translated, the IPv4 address that it stands for, else itself. */
struct corral_address corral_address_plain(const struct corral_address *a);
bool corral_prefix_has(const struct corral_prefix *p, const struct corral_address *a);

#define CORRAL_ADDRESS_TEXT_SIZE 52
/* Into buf, which it returns. */
const char *corral_address_text(const struct corral_address *a, char buf[CORRAL_ADDRESS_TEXT_SIZE]);
const char *corral_prefix_text(const struct corral_prefix *p, char buf[CORRAL_ADDRESS_TEXT_SIZE]);

#ifdef __cplusplus
}
#endif

#endif
