/*
 * What a server asks for with 401: the values of WWW-Authenticate (RFC 7235), of somebody hostile,
 * to checked data. Pure.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_CHALLENGE_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/error.h"

/* Bytes of all values together, and of one parameter. */
#define CORRAL_REGISTRY_CHALLENGE_MAX  16384
#define CORRAL_REGISTRY_PARAMETER_MAX  2048
#define CORRAL_REGISTRY_PARAMETERS_MAX 64

struct corral_registry_challenge {
	bool is_bearer;       /* with a token of the server at realm; else basic */
	char *realm;          /* of bearer: its address; printable ASCII without blanks */
	char *service, *code; /* "" without; code: "error", the reason of a refusal */
};

/*
 * text: one header's value, or several with commas between them, as RFC 7230 allows. Of several
 * challenges the first for a token counts, else the first for a password. -EPROTO: not what the RFC
 * has, or a challenge that nobody can answer; -ENOMEM. The caller gives ret to done().
 */
int corral_registry_challenge_parse(const char *text, size_t len,
                                    struct corral_registry_challenge *ret,
                                    struct corral_error *err);
void corral_registry_challenge_done(struct corral_registry_challenge *c);

#endif
