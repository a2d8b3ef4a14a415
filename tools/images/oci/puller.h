/*
 * How this user pulls images: what their environment and this host's files say of registries.
 */
#ifndef CORRAL_TOOLS_IMAGES_OCI_PULLER_H
#define CORRAL_TOOLS_IMAGES_OCI_PULLER_H

#include "kernel/image/oci/registry.h"
#include "tools/images/oci/maker.h"
#include "tools/images/oci/registries.h"

struct corral_images_puller {
	struct corral_images_registries registries;
	char *config;
	struct corral_pull_options options; /* of the two, and m's */
};

/* More mirrors and insecure ones come first; NULL-terminated, or NULL. It is given to done() also
 * after a failure. */
int corral_images_puller_init(struct corral_images_puller *p, const struct corral_images_maker *m,
                              const char *const *mirrors, const char *const *insecure,
                              struct corral_error *err);
void corral_images_puller_done(struct corral_images_puller *p);

#endif
