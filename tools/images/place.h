/* Where this user's images are. */
#ifndef CORRAL_TOOLS_IMAGES_PLACE_H
#define CORRAL_TOOLS_IMAGES_PLACE_H

#include "kernel/image/store.h"

/*
 * What $CORRAL_IMAGES says; else /var/lib/corral/images as root, and $XDG_DATA_HOME/corral/images
 * (~/.local/share/corral/images) for others. The caller's.
 */
int corral_images_place(char **ret, struct corral_error *err);
/* The store there, which is made. */
int corral_images_open(struct corral_image_store **ret, struct corral_error *err);
/* The same without making it: *ret NULL, and 0, where nobody has had an image yet. */
int corral_images_look(struct corral_image_store **ret, struct corral_error *err);

#endif
