/* Images as words for people and programs, for the commands of corral image. */
#ifndef CORRAL_TOOLS_IMAGES_WORDS_H
#define CORRAL_TOOLS_IMAGES_WORDS_H

#include <jansson.h>
#include <stddef.h>

#include "kernel/image/store.h"

#define CORRAL_IMAGES_ID_SIZE 13

/* The first digits of "sha256:...". */
void corral_images_short_id(const char *digest, char ret[CORRAL_IMAGES_ID_SIZE]);
/* "linux/arm64/v8", "-" where it does not say. */
void corral_images_platform(const struct corral_image *i, char *ret, size_t size);
/* All that is known of one; NULL without memory. */
json_t *corral_images_json(const struct corral_image *i);
/* What is gone, as "removed alpine:3.20" and "removed sha256:...", or as JSON; verb: "removed",
 * "would remove". */
int corral_images_removal_print(const struct corral_image_removal *r, const char *verb, bool json,
                                struct corral_error *err);

#endif
