/*
 * Inside corral-unpack: archives by libarchive, read from a descriptor.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_STREAM_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_STREAM_H

#include "kernel/base/error.h"

struct archive;

/* A tar, uncompressed. */
int stream_open_tar(int fd, struct archive **ret, struct corral_error *err);
/* Whatever it was compressed by. */
int stream_open_compressed(int fd, struct archive **ret, struct corral_error *err);
void stream_closep(struct archive **a);
/* -EBADMSG, -ENOMEM or what reading met, in libarchive's own words. */
int stream_error(struct archive *a, struct corral_error *err);

#endif
