/*
 * Inside kernel/image/oci: an archive unpacked into a directory, which is what a layer is before it
 * has its name.
 *
 * Theory of operation: two sandboxes, and this thread between them. What is compressed goes through
 * a pipe to the first (corral-unpack decompress), and what comes out of it is counted, hashed and
 * handed on to the second (corral-unpack extract), which sees the layer's tree/ and nothing else of
 * ours. What is not compressed takes the second alone. Both tell by records on standard error how
 * it went (unpack/report.h). So the digest is of the very bytes that were unpacked, whatever the
 * one who decompressed them was made to do, and by nobody's word but ours.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_TREE_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_TREE_H

#include "kernel/image/oci/digest.h"
#include "kernel/image/oci/unpack.h"

struct corral_unpacked {
	char diff_id[CORRAL_DIGEST_SIZE];
	uint64_t archive_bytes, tar_bytes;
	uint64_t entries;
};

/* layer_path: a directory without tree/ and gone, which are made in it, half when this fails. what:
 * of progress. Errors are those of corral_unpack_layer(). */
int corral_unpack_tree(int blob_fd, const char *layer_path, const char *what,
                       const struct corral_unpack_options *o, struct corral_unpacked *ret,
                       struct corral_error *err);

#endif
