/*
 * Images as files: those of "docker save", OCI archives and layout directories, plain roots.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_ARCHIVE_H
#define CORRAL_KERNEL_IMAGE_OCI_ARCHIVE_H

#include "kernel/image/oci/unpack.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * All images of an archive (docker save's or OCI's, alone or compressed; a pipe as well) or of an
 * OCI layout's directory. told once for each. name: what to call the only one, or NULL: as it says
 * itself; one without any is there by its digest.
 */
int corral_image_load(struct corral_image_store *s, int fd, const char *name, const char *platform,
                      const struct corral_unpack_options *o,
                      int (*told)(void *ctx, const struct corral_image *i), void *ctx,
                      struct corral_error *err);

/* A root as one layer: a tar from fd, or the directory that fd is, whose files are copied, but for
 * devices and sockets. config: "env" and so on of it; may be NULL. The same root and configuration
 * are the same image. */
int corral_image_import(struct corral_image_store *s, int fd, const char *name,
                        const struct corral_image *config, const struct corral_unpack_options *o,
                        struct corral_image **ret, struct corral_error *err);

enum corral_image_format { CORRAL_IMAGE_DOCKER_ARCHIVE, CORRAL_IMAGE_OCI_ARCHIVE };
/*
 * Writes images to fd, under all of i->names; blobs are those that came, where they are there. The
 * same image gives the same bytes. Docker's format is an OCI layout with manifest.json beside it,
 * as Docker itself writes it since release 25. -ENOENT: a layer's archive is gone, and it was not
 * made here.
 */
int corral_image_save(struct corral_image_store *s, const struct corral_image *const *images,
                      size_t n, enum corral_image_format format, int fd,
                      const struct corral_progress *progress, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
