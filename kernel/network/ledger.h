/*
 * Whom a sandbox talked to, and what it was refused: the part of a receipt that network "allow"
 * fills. Plain data without pointers, so that it can be copied and sent; bounded, and honest about
 * what did not fit.
 */
#ifndef CORRAL_KERNEL_NETWORK_LEDGER_H
#define CORRAL_KERNEL_NETWORK_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "policy/egress.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_CONTACTS_MAX     32
#define CORRAL_REFUSALS_MAX     32
#define CORRAL_LEDGER_NAMES_MAX 4096

struct corral_contact {
	struct corral_address address;
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port;
	uint16_t name; /* under which it was asked for: corral_ledger_name() */
	uint32_t connections;
	uint64_t sent_bytes, received_bytes; /* as packets, with their headers */
};

enum corral_refusal_reason {
	CORRAL_REFUSAL_NAME,    /* a name that is not on the list was asked for */
	CORRAL_REFUSAL_ADDRESS, /* a packet to what is not open */
	CORRAL_REFUSAL_SPECIAL, /* a name on the list turned out to be an address that is not of the
	                           public internet */
	CORRAL_REFUSAL_BEYOND,  /* what no entry opens: the host's own, link-local, metadata */
};

struct corral_refusal {
	uint8_t reason;                /* enum corral_refusal_reason */
	uint8_t protocol;              /* IPPROTO_*; 0 of names */
	uint16_t port;                 /* 0 without */
	uint16_t name;                 /* corral_ledger_name() */
	struct corral_address address; /* family 0 without */
	uint64_t count;                /* of questions or packets */
};

struct corral_ledger {
	uint32_t n_contacts, n_refusals;
	/* The most talkative and the most refused; how many are not among them. Beyond what is
	 * counted by destination each connection and each refused packet is one. */
	uint64_t contacts_dropped, refusals_dropped;
	struct corral_contact contacts[CORRAL_CONTACTS_MAX];
	struct corral_refusal refusals[CORRAL_REFUSALS_MAX];
	uint16_t names_len;
	char names[CORRAL_LEDGER_NAMES_MAX];
};

/* "" for 0. Borrowed. */
const char *corral_ledger_name(const struct corral_ledger *l, uint16_t name);
/* Each displaces the least when there is no room; name may be NULL. */
void corral_ledger_add_contact(struct corral_ledger *l, const struct corral_contact *c,
                               const char *name);
void corral_ledger_add_refusal(struct corral_ledger *l, const struct corral_refusal *r,
                               const char *name);
/* What is new in it since before, the earlier one of the same sandbox. */
void corral_ledger_subtract(struct corral_ledger *l, const struct corral_ledger *before);
/* Whether numbers and names lie within their bounds: of one that came from another process. */
int corral_ledger_check(const struct corral_ledger *l);

#define CORRAL_REFUSAL_RULE      "egress-allowlist"
#define CORRAL_REFUSAL_TEXT_SIZE 384
/* "files.example.org:8080/tcp", "10.0.0.5:22/tcp", "files.example.org"; into buf, which it
 * returns. */
const char *corral_refusal_text(const struct corral_ledger *l, const struct corral_refusal *r,
                                char buf[CORRAL_REFUSAL_TEXT_SIZE]);
/* What the list itself does not tell: why a name on it was refused all the same, or that no entry
 * opens it; NULL otherwise. Static. */
const char *corral_refusal_why(const struct corral_refusal *r);
/* What would allow it: "--allow files.example.org:8080", "--network host"; NULL when nothing would.
 */
const char *corral_refusal_remedy(const struct corral_ledger *l, const struct corral_refusal *r,
                                  char buf[CORRAL_REFUSAL_TEXT_SIZE]);
/* "tcp", "udp", "icmp", ...; of others the number, in buf. */
const char *corral_protocol_name(uint8_t protocol, char buf[8]);

#ifdef __cplusplus
}
#endif

#endif
