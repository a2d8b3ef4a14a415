/*
 * One blob from a registry to the store: gone on with where it broke off, hashed while it comes.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_BLOB_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_BLOB_H

#include "kernel/image/make.h"
#include "kernel/image/oci/manifest.h"
#include "kernel/image/oci/registry_client.h"

struct corral_registry_blob_wanted {
	const struct corral_descriptor *descriptor;
	size_t server; /* the first one to ask; then those behind it */
	/* Some times a second, and at the end: bytes that are there. Not 0 cancels. */
	int (*tell)(void *ctx, uint64_t current, struct corral_error *err);
	/* The same, while another fetches it (NULL: as tell): bytes that it has. */
	int (*tell_others)(void *ctx, uint64_t current, struct corral_error *err);
	void *ctx;
	struct corral_image_bounds *bounds; /* or NULL: of the disk that it is written to */
};

/*
 * The blob is in the store afterwards; while another fetches it, it is waited for, unless that
 * gets nowhere (make.h); where another was faster, what came is dropped. -ECANCELED and
 * what else ends it leave what came for the next one. -EBADMSG: what came is not what its digest
 * says, and not by asking again either.
 */
int corral_registry_blob_pull(struct corral_registry_client *c, struct corral_registry_http *h,
                              struct corral_image_store *store,
                              const struct corral_registry_blob_wanted *w,
                              struct corral_error *err);

#endif
