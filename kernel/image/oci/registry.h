/*
 * Images from registries: the OCI distribution API, its token and basic authentication, mirrors.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/image/oci/unpack.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_pull_options {
	const char *platform;   /* "linux/arm64"; NULL: this host's */
	const char *config_dir; /* of the user's Docker configuration, for credentials; or NULL */
	const char *const *mirrors; /* "REGISTRY=[SCHEME://]ADDRESS[/PREFIX]", tried before the
	                             * registry itself; NULL-terminated, or NULL */
	/*
	 * Registries reached by http, or whose certificate nobody checks, by name ("host",
	 * "host:port"); NULL-terminated, or NULL. Loopback is by itself tried by https, then by
	 * http. Credentials go to loopback, and to whoever has a certificate that is checked.
	 */
	const char *const *insecure;
	/* NULL-terminated directories of certificates, HOST[:PORT]/{*.crt,NAME.cert,NAME.key}.
	 * NULL: /etc/containers/certs.d and /etc/docker/certs.d. */
	const char *const *certs_dirs;
	/* "http://host:port" for all but loopback, or NULL; names that are reached without it, as
	 * NO_PROXY has them, or NULL. The environment is not looked at. */
	const char *proxy, *no_proxy;
	unsigned int parallel; /* downloads at a time; 0: 4 */
	bool always;           /* asks the registry though the name is there */
	int64_t stall_ms; /* without 4 KiB of what is waited for; 0: 30 s. Broken transfers are gone
	                   * on with, some times */
	int64_t slow_ms;  /* with less than 1 KiB a second; 0: 60 s. That ends it */
	unsigned int retry_ms;               /* the first pause before another attempt; 0: 500 */
	struct corral_unpack_options unpack; /* its progress is of all that is done */
};

/*
 * Pulls name and gives it that name in the store. -ENOENT: no registry has it, or not for this
 * platform; -EACCES: not without credentials that are accepted there (says which registry, where
 * was looked for them, and what to type); -EBADMSG: what came is not what its digest says;
 * -ECONNREFUSED, -ETIMEDOUT and the like: nobody to be spoken to; -ECANCELED: the progress said so;
 * -EFBIG, -ENOSPC: it is too large for a limit or the disk, and nothing of it is left; -EPERM: the
 * name is that of an image that was built here.
 * Errors name the registry and what was asked of it. Whatever ends it early leaves nothing but
 * parts of blobs, which the next one goes on with.
 */
int corral_image_pull(struct corral_image_store *s, const char *name,
                      const struct corral_pull_options *o, struct corral_image **ret,
                      struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
