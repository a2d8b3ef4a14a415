/*
 * Images from registries: the OCI distribution API, its token and basic authentication, mirrors.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_H

#include "kernel/image/oci/unpack.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_pull_options {
	const char *platform;   /* NULL: this host's */
	const char *config_dir; /* of the user's Docker configuration, for credentials; or NULL */
	const char *const *mirrors; /* "REGISTRY=ADDRESS[/PREFIX]", tried before the registry
	                               itself; NULL-terminated */
	const char *const
	        *insecure;     /* registries reached by http, or whose certificate nobody checks, by
	                        * name; loopback is by itself tried     by https, then by http */
	unsigned int parallel; /* downloads at a time; 0: 4 */
	bool always;           /* asks the registry though the name is there */
	int64_t stall_ms; /* without a byte; 0: 30 s. Broken transfers are gone on with, some times
	                   */
	struct corral_unpack_options unpack;
};

/*
 * Pulls name and gives it that name in the store. -ENOENT: no registry has it; -EACCES: not without
 * credentials that are accepted there (says which registry, where was looked for them, and what to
 * type); -EBADMSG: what came is not what its digest says. Errors name the registry and what was
 * asked of it.
 */
int corral_image_pull(struct corral_image_store *s, const char *name,
                      const struct corral_pull_options *o, struct corral_image **ret,
                      struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
