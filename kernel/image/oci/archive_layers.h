/*
 * Inside kernel/image/oci: the layers of one image, from blobs that are in the store, unpacked
 * several at a time.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_ARCHIVE_LAYERS_H
#define CORRAL_KERNEL_IMAGE_OCI_ARCHIVE_LAYERS_H

#include "kernel/image/oci/unpack.h"

/* blobs: their digests, one for each of the diff ids. The first failure ends all. */
int corral_archive_layers_unpack(struct corral_image_store *s, char *const *blobs,
                                 char *const *diff_ids, size_t n,
                                 const struct corral_unpack_options *o, struct corral_error *err);

#endif
