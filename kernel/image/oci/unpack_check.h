/*
 * Inside kernel/image/oci: the host's last look at a tree that somebody hostile may have made.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_CHECK_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

/* Files, directories, links and FIFOs and nothing else, not more of them than files_max, not deeper
 * than a layer may be. *ret_files: how many. -EINVAL with the name, -EFBIG. */
int corral_unpack_check(int tree_fd, uint64_t files_max, uint64_t *ret_files,
                        struct corral_error *err);
/* File capabilities, "HEX:PATH" records each ended by NUL: only root can store them. */
int corral_unpack_capabilities(int tree_fd, const char *records, size_t len,
                               struct corral_error *err);

#endif
