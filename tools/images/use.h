/* --image, and image in a configuration: from its name to what a sandbox is made from. */
#ifndef CORRAL_TOOLS_IMAGES_USE_H
#define CORRAL_TOOLS_IMAGES_USE_H

#include "kernel/image/store.h"
#include "tools/options.h"

/*
 * Makes sure that the image is there, as --pull says ("missing" without): has it fetched by the
 * program that can, which tells on stderr how it goes on. s: the store, where it is open.
 */
int corral_images_fetch(struct corral_image_store *s, const char *name, const char *pull,
                        struct corral_error *err);
/* Whether this corral was built with what makes images. */
bool corral_images_can_make(void);
/* Has the image of a runtime built or fetched, as corral runtime prewarm does: a name or a file. */
int corral_images_prewarm(const char *runtime, struct corral_error *err);
/* Of o->config; fetched where it is missing and the options named it. Again is no mistake, and
 * without an image nothing is done. */
int corral_images_use(struct corral_options *o, struct corral_error *err);

#endif
