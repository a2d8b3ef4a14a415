/*
 * What this host says of registries: their mirrors, and which are insecure. /etc/corral and the
 * user's ~/.config/corral may have registries.json:
 *
 *     { "mirrors": { "docker.io": ["mirror.example/hub"] }, "insecure": ["registry.lan:5000"] }
 */
#ifndef CORRAL_TOOLS_IMAGES_OCI_REGISTRIES_H
#define CORRAL_TOOLS_IMAGES_OCI_REGISTRIES_H

#include <stddef.h>

#include "kernel/base/error.h"

#define CORRAL_REGISTRIES_FILE_MAX (1u << 20)

/* As struct corral_pull_options has them: NULL-terminated, or NULL. */
struct corral_images_registries {
	char **mirrors, **insecure;
	unsigned int n_mirrors, n_insecure;
};

/* More words, NULL-terminated, of the command line. */
int corral_images_registries_add(struct corral_images_registries *r, const char *const *mirrors,
                                 const char *const *insecure, struct corral_error *err);
/* What a text in that form says; errors name the place in it. Pure. */
int corral_images_registries_parse(struct corral_images_registries *r, const char *text, size_t len,
                                   struct corral_error *err);
/* Of the user's file, then of /etc's; without a file there is nothing to say. */
int corral_images_registries_load(struct corral_images_registries *r, struct corral_error *err);
void corral_images_registries_done(struct corral_images_registries *r);

#endif
