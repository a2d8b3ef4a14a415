/*
 * A port of a sandbox that the host is to reach: by a port of its loopback, or by a Unix socket
 * that is the caller's alone. As data; kernel/network/ makes it true.
 */
#ifndef CORRAL_POLICY_PUBLISH_H
#define CORRAL_POLICY_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_PUBLISH_MAX       32
#define CORRAL_PUBLISH_PATH_MAX  107 /* unix(7): sun_path with its NUL */
#define CORRAL_PUBLISH_TEXT_SIZE 192

enum corral_publish_kind {
	CORRAL_PUBLISH_TCP,
	CORRAL_PUBLISH_UDP,
	CORRAL_PUBLISH_UNIX, /* a stream socket, to a TCP port of the guest's */
};

struct corral_publish {
	enum corral_publish_kind kind;
	bool is_ipv6;
	uint8_t host_address[16]; /* of loopback; the first four where it is IPv4 */
	uint16_t host_port, guest_port;
	char *host_path; /* of CORRAL_PUBLISH_UNIX, absolute and owned; else NULL */
};

/*
 * "[ADDRESS:]PORT:GUEST_PORT[/tcp|/udp]", where ADDRESS is 127.0.0.1 without one and of loopback in
 * any case ("[::1]" with its brackets), or "unix:/PATH:GUEST_PORT". -EINVAL with what is wrong.
 */
int corral_publish_parse(const char *text, struct corral_publish *ret, struct corral_error *err);
void corral_publish_done(struct corral_publish *p);
int corral_publish_dup(const struct corral_publish *p, struct corral_publish *ret,
                       struct corral_error *err);
/* As corral_publish_parse() takes it. */
void corral_publish_text(const struct corral_publish *p, char ret[CORRAL_PUBLISH_TEXT_SIZE]);
/* Whether both ask the host for the same thing. */
bool corral_publish_same_place(const struct corral_publish *a, const struct corral_publish *b);

#ifdef __cplusplus
}
#endif

#endif
