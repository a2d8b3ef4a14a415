/*
 * Messages of the DNS, as far as a forwarder of addresses needs them (RFC 1035, 6891, 8914). Both
 * sides are hostile: the guest asks, and whoever owns a name answers. Nothing is handed through: a
 * message is read into what is meant, and another is written from that. Pure.
 */
#ifndef CORRAL_KERNEL_NETWORK_HELPER_DNS_MESSAGE_H
#define CORRAL_KERNEL_NETWORK_HELPER_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/egress.h"

#define CORRAL_DNS_WIRE_MAX      255  /* a name with its lengths */
#define CORRAL_DNS_UDP_MAX       1232 /* asked for and answered by UDP: no fragments */
#define CORRAL_DNS_QUERY_MAX     512  /* the longest question that is read */
#define CORRAL_DNS_MESSAGE_MAX   65535
#define CORRAL_DNS_ADDRESSES_MAX 32 /* of one answer; what is beyond is left out */
#define CORRAL_DNS_CHAIN_MAX     12 /* aliases one after the other */
#define CORRAL_DNS_RECORDS_MAX   256

enum corral_dns_type {
	CORRAL_DNS_A = 1,
	CORRAL_DNS_CNAME = 5,
	CORRAL_DNS_AAAA = 28,
	CORRAL_DNS_OPT = 41,
};

enum corral_dns_code {
	CORRAL_DNS_NOERROR = 0,
	CORRAL_DNS_FORMERR = 1,
	CORRAL_DNS_SERVFAIL = 2,
	CORRAL_DNS_NXDOMAIN = 3,
	CORRAL_DNS_NOTIMP = 4,
	CORRAL_DNS_REFUSED = 5,
};

struct corral_dns_name {
	uint8_t wire[CORRAL_DNS_WIRE_MAX];
	uint8_t len; /* with the root's 0; 0 for none */
};

struct corral_dns_question {
	uint16_t id, type, class;
	struct corral_dns_name name;
	bool recursion; /* desired */
	bool edns;
	uint16_t udp_size; /* what the asker takes by UDP, 512 or more */
};

struct corral_dns_alias {
	struct corral_dns_name target;
	uint32_t ttl_s;
};

struct corral_dns_answer {
	uint8_t code;
	bool truncated;
	struct corral_dns_alias chain[CORRAL_DNS_CHAIN_MAX];
	uint8_t n_chain;
	struct corral_address addresses[CORRAL_DNS_ADDRESSES_MAX];
	uint8_t n_addresses;
	uint32_t ttl_s;    /* the least of chain and addresses; UINT32_MAX without any */
	uint32_t left_out; /* addresses beyond the maximum */
};

/*
 * 0, or what to do instead: -EBADMSG for what gets no answer (no header, or an answer itself);
 * -EINVAL and -EOPNOTSUPP for FORMERR and NOTIMP, with ret->id set.
 */
int corral_dns_question_parse(const uint8_t *guest_message, size_t len,
                              struct corral_dns_question *ret);
/*
 * Whether a question may be handed on as it is to a server that takes whoever asks for one of its
 * own: CORRAL_DNS_NOERROR, the code to answer instead (REFUSED for transfers of zones and the other
 * types that are no records', ANY among them: RFC 6895, section 3.1; 8482), or -EBADMSG for what
 * gets no answer. ret is what to answer to.
 */
int corral_dns_may_forward(const uint8_t *guest_message, size_t len,
                           struct corral_dns_question *ret);
/* As the text by which lists know it: lower case, without the last dot; bytes that no list has
 * become '?', a dot within a part as well. "" for the root. */
void corral_dns_name_text(const struct corral_dns_name *name, char ret[CORRAL_EGRESS_NAME_SIZE]);
/* A normalised name's; false when it is too long. */
bool corral_dns_name_from_text(const char *name, struct corral_dns_name *ret);

/* The question again in small letters, to be sent upstream under another id. Returns its length, at
 * most CORRAL_DNS_QUERY_MAX. */
size_t corral_dns_query_write(const struct corral_dns_question *q, uint16_t id, uint8_t *buf);

/*
 * What the message says of the question asked under this id: aliases followed from its name, and
 * the addresses at their end. -EBADMSG for an answer to something else, or none.
 */
int corral_dns_answer_parse(const uint8_t *message, size_t len, const struct corral_dns_question *q,
                            uint16_t id, struct corral_dns_answer *ret);

/*
 * The answer, in at most size bytes (CORRAL_DNS_QUERY_MAX or more): when it does not fit it is
 * empty and says so. why: of a refusal, for people (RFC 8914), or NULL. Returns its length.
 */
size_t corral_dns_answer_write(const struct corral_dns_question *q,
                               const struct corral_dns_answer *a, const char *why, uint8_t *buf,
                               size_t size);

#endif
