/*
 * A credential helper of the user's, asked for what it keeps.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_CREDENTIAL_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_CREDENTIAL_H

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

/* A helper may ask the user for a passphrase; nobody waits for ever. */
#define CORRAL_REGISTRY_CREDENTIAL_TIMEOUT_MS 30000
#define CORRAL_REGISTRY_CREDENTIAL_MAX        (64u << 10)

/*
 * Runs "docker-credential-{name} get" with the server on its stdin; appends what it wrote, which is
 * JSON with a secret in it. -EINVAL: no name of a helper; -ENOENT: no such program; -ENOKEY: it
 * ended with a failure, as it does when it has nothing; -ETIMEDOUT; -EMSGSIZE. The texts hold
 * nothing of what it wrote.
 */
int corral_registry_credential_get(const char *name, const char *server, int timeout_ms,
                                   struct corral_buf *ret, struct corral_error *err);

#endif
