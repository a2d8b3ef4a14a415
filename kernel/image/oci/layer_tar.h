/*
 * A layer as an archive: always the same bytes for the same tree, whatever this host's locale or
 * libraries are, so that their digest is the layer's diff id. That is why they are written here
 * and by no library.
 *
 * Whiteouts come first (they are about what is beneath, and what follows comes over it), then "./"
 * and what is in it, in the order of bytes. Times are whole seconds, owners are numbers. Attributes
 * are those that unpacking keeps. A file's second name is a hard link to its first.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_LAYER_TAR_H
#define CORRAL_KERNEL_IMAGE_OCI_LAYER_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/image/bounds.h"
#include "kernel/image/oci/digest.h"

struct corral_layer_tar {
	int tree_fd;      /* a directory */
	const char *gone; /* of the layer's file (kernel/image/layer.h), gone_len bytes */
	size_t gone_len;
	/* Of somebody's directory rather than a layer: devices are left out. A layer has none:
	 * -EINVAL. */
	bool skip_devices;
	/* What the archive may hold (a file with holes counts as long as it is), and who may end
	 * it: -EFBIG before such a file is read. Or NULL. */
	struct corral_image_bounds *bounds;
	/* Some bytes of it; not 0 ends it. */
	int (*put)(void *ctx, const void *data, size_t len, struct corral_error *err);
	void *ctx;
};

/* Nothing in the tree is followed. Where its owner is an ordinary user everything is root's.
 * -EINVAL: a name that layers keep for whiteouts, or too deep; -EIO: a file changes meanwhile. */
int corral_layer_tar_write(const struct corral_layer_tar *t, struct corral_error *err);
/* Of a layer's directory (tree/ and, maybe, gone): what that would hash to. ret_bytes may be NULL.
 */
int corral_layer_tar_digest(const char *layer_path, struct corral_image_bounds *bounds,
                            char ret[CORRAL_DIGEST_SIZE], uint64_t *ret_bytes,
                            struct corral_error *err);
/* The same, to be written to put. */
int corral_layer_tar_of(const char *layer_path, struct corral_image_bounds *bounds,
                        int (*put)(void *ctx, const void *data, size_t len,
                                   struct corral_error *err),
                        void *ctx, struct corral_error *err);

#endif
