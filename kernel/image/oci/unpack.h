/*
 * A layer's archive to a layer of the store. Archives are hostile, and so is whoever compressed
 * them: both are read in sandboxes of our own, which see the archive and the layer's empty
 * directory and nothing else; the host counts and hashes what goes from one to the other.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_H

#include "kernel/image/bounds.h"
#include "kernel/image/make.h"
#include "kernel/image/oci/progress.h"
#include "kernel/sandbox.h"

struct corral_unpack_limits {
	struct corral_image_limits image; /* of what comes out, of all layers together */
	uint64_t
	        ratio_max; /* of what comes out to what goes in, above the first 64 MiB; 0: 1,000 */
};

struct corral_unpack_options {
	struct corral_launcher *launcher;
	const char *program_path; /* corral-unpack, on the host */
	struct corral_unpack_limits limits;
	/* Of the image that a layer is for, so that all of its layers are counted together; NULL:
	 * limits are of this archive alone. */
	struct corral_image_bounds *bounds;
	const struct corral_progress *progress; /* or NULL */
};

/*
 * Makes sure that the layer is there. blob_fd: the archive from its offset, as it came: a tar,
 * alone or by gzip, zstd, xz or bzip2 (recognised by itself, whatever a manifest calls it); a pipe
 * as well. diff_id: what its
 * tar must hash to, or NULL when nobody said, and ret_diff_id (CORRAL_DIGEST_SIZE, may be NULL) is
 * told. -EBADMSG: another digest, or no archive; -EFBIG: beyond a limit; -EINVAL: an entry that no
 * image may have, with its name; -ENOSPC (also while some of the disk is left, which others need),
 * -EDQUOT. A device node is refused: -EINVAL.
 */
int corral_unpack_layer(struct corral_image_store *s, int blob_fd, const char *diff_id,
                        const struct corral_unpack_options *o, char *ret_diff_id,
                        struct corral_error *err);

#endif
