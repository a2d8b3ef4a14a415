/*
 * Tokens: what a token server is asked, and what it answers.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_TOKEN_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_TOKEN_H

#include "kernel/image/oci/registry_challenge.h"
#include "kernel/image/oci/registry_client.h"

/*
 * A token answer: *ret_header "Authorization: Bearer ..." is the caller's to give to
 * corral_registry_secret_free(). *ret_lifetime_ms: how long it is used; a little less than it is
 * valid. -EPROTO. Pure.
 */
int corral_registry_token_parse(const char *text, size_t len, char **ret_header,
                                uint64_t *ret_lifetime_ms, struct corral_error *err);

/*
 * Asks the challenge's server for a token to pull c's repository, for ask, with auth (may be
 * without any credentials). a: what it answered, the caller's to give to done(). Errors name that
 * server.
 */
int corral_registry_token_fetch(struct corral_registry_client *c, struct corral_registry_http *h,
                                const struct corral_registry_ask *ask,
                                const struct corral_registry_challenge *challenge,
                                const struct corral_registry_auth *auth,
                                struct corral_registry_answer *a, char **ret_header,
                                uint64_t *ret_lifetime_ms, struct corral_error *err);

#endif
