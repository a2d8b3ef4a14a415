/*
 * The layers of one image: loaded several at a time, and unpacked while others still load.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_REGISTRY_LAYERS_H
#define CORRAL_KERNEL_IMAGE_OCI_REGISTRY_LAYERS_H

#include "kernel/image/oci/registry.h"
#include "kernel/image/oci/registry_blob.h"

#define CORRAL_REGISTRY_PARALLEL     4
#define CORRAL_REGISTRY_PARALLEL_MAX 32

/* What a layer is called in what is told: the first digits of its blob's digest. */
#define CORRAL_REGISTRY_SHORT_SIZE 13
void corral_registry_short(const char *digest, char ret[CORRAL_REGISTRY_SHORT_SIZE]);

/*
 * manifest->layers under the digests diff_ids of the same number, all in the store afterwards.
 * o: parallel and unpack count, whose bounds are the image's. The first failure ends all.
 */
int corral_registry_layers_pull(struct corral_registry_client *c, size_t server,
                                struct corral_image_store *store,
                                const struct corral_manifest *manifest, char *const *diff_ids,
                                const struct corral_pull_options *o, struct corral_error *err);

#endif
