/* Pictures that are larger than a model takes, made smaller by a program of ours. */
#ifndef CORRAL_BACKENDS_CONSOLE_IMAGE_H
#define CORRAL_BACKENDS_CONSOLE_IMAGE_H

#include "backends/sandbox.h"

/* Of either edge, in pixels. */
#define CORRAL_CONSOLE_IMAGE_EDGE 1568

/*
 * 1: data holds a smaller picture of the same type now. 0: it is small enough. -errno with the
 * reason why it stays as it is: -ENOENT when there is no such program, -EBADMSG when it made
 * nothing of the picture, -ETIMEDOUT, -ECANCELED. media_type: "image/png", jpeg, gif, webp.
 */
int console_image_fit(const char *program, const char *media_type,
                      const struct corral_cancel *cancel, struct corral_buf *data,
                      struct corral_error *err);

#endif
