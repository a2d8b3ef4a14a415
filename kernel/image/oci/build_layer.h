/*
 * Inside kernel/image/oci: the digest of a layer that was made here, which is that of its tar as it
 * would be saved.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_BUILD_LAYER_H
#define CORRAL_KERNEL_IMAGE_OCI_BUILD_LAYER_H

#include "kernel/image/oci/digest.h"
#include "kernel/image/oci/upper.h"

int build_layer_digest(const char *layer_path, char ret[CORRAL_DIGEST_SIZE],
                       struct corral_error *err);

#endif
