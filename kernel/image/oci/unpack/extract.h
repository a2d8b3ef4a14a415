/*
 * Inside corral-unpack: a tar to the tree of a layer.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_EXTRACT_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/image/oci/unpack/report.h"

struct extract_options {
	bool squash; /* everything belongs to the caller */
	uint64_t entries_max;
};

/* root_fd: an empty directory. What is not for the tree itself goes to report. -EINVAL: an entry
 * that no layer may have; -EBADMSG: no archive; -EFBIG. */
int extract(int tar_fd, int root_fd, const struct extract_options *o, struct report *report,
            struct corral_error *err);

#endif
