/*
 * Inside kernel/image/oci: how an image gets its name: nobody is to find another one behind a name
 * without having been told.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_NAMING_H
#define CORRAL_KERNEL_IMAGE_OCI_NAMING_H

#include "kernel/image/make.h"
#include "kernel/image/oci/progress.h"

/* Commits the image under that name, or (is_there) gives it one more. "NAME pointed to sha256:...
 * before" is a line of the progress's. */
int corral_naming_commit(struct corral_image_store *s, struct corral_image *i, const char *name,
                         bool is_there, struct corral_image_bounds *bounds,
                         const struct corral_progress *progress, struct corral_error *err);

#endif
