/*
 * Certificates for one registry, where engines keep them: DIR/HOST[:PORT]/ holds *.crt, whom to
 * trust beside the system's own, and NAME.cert with NAME.key, who we are.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_CERTS_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_CERTS_H

#include "kernel/image/oci/registry_http.h"

#define CORRAL_REGISTRY_CERTS_MAX (4u << 20)

struct corral_registry_certs {
	struct corral_buf trusted; /* PEM; with the system's own where there are any of ours */
	char *cert, *key;          /* host paths, or NULL */
};

/* dirs: NULL-terminated; the first one that knows the registry counts. bundle: path of the
 * system's certificates in one file, or NULL. -EACCES: there are some that cannot be read. */
int corral_registry_certs_find(const char *const *dirs, const char *bundle,
                               const struct corral_registry_origin *o,
                               struct corral_registry_certs *ret, struct corral_error *err);
void corral_registry_certs_done(struct corral_registry_certs *c);

#endif
