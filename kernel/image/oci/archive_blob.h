/*
 * Inside kernel/image/oci: files of an archive, and how they become blobs of the store.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_ARCHIVE_BLOB_H
#define CORRAL_KERNEL_IMAGE_OCI_ARCHIVE_BLOB_H

#include "kernel/base/buf.h"
#include "kernel/image/make.h"
#include "kernel/image/oci/digest.h"

/* A file beneath a directory that somebody hostile may have made: links lead nowhere outside.
 * -ENOENT without; -EINVAL for what is no file. */
int corral_archive_open(int dir_fd, const char *guest_path, int *ret_fd, struct corral_error *err);
/* All of it; -EFBIG above max. */
int corral_archive_read(int dir_fd, const char *guest_path, size_t max, struct corral_buf *ret,
                        struct corral_error *err);
/* Of a blob in the store. */
int corral_archive_blob_read(struct corral_image_store *s, const char *digest, size_t max,
                             struct corral_buf *ret, struct corral_error *err);

/* A file from its start. digest: what it must hash to (-EBADMSG), or NULL. bounds: it is not larger
 * than an image may be, and there is room for it. *ret_size may be NULL.
 */
int corral_archive_blob_put(struct corral_image_store *s, int fd, const char *digest,
                            struct corral_image_bounds *bounds, char ret_digest[CORRAL_DIGEST_SIZE],
                            uint64_t *ret_size, struct corral_error *err);
int corral_archive_text_put(struct corral_image_store *s, const char *text, size_t len,
                            char ret_digest[CORRAL_DIGEST_SIZE], struct corral_error *err);

#endif
