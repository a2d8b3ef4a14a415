/*
 * Inside kernel/image/oci: manifests of our own, for images that came without one.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_ARCHIVE_MANIFEST_H
#define CORRAL_KERNEL_IMAGE_OCI_ARCHIVE_MANIFEST_H

#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

struct corral_archive_layer {
	const char *digest; /* of the blob */
	uint64_t size;
	const char *ending; /* "", "+gzip", "+zstd": of its media type; static */
};

/* By a file's first bytes; its offset stays. xz and the like are nothing that a manifest can say:
 * ""
 */
const char *corral_archive_ending(int fd);
/* An OCI manifest: always the same text for the same image. */
int corral_archive_manifest_write(const char *config_digest, uint64_t config_size,
                                  const struct corral_archive_layer *layers, size_t n,
                                  struct corral_buf *ret, struct corral_error *err);

#endif
