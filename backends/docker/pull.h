/*
 * Inside the Docker backend: an image fetched from its registry.
 */
#ifndef CORRAL_BACKENDS_DOCKER_PULL_H
#define CORRAL_BACKENDS_DOCKER_PULL_H

#include "backends/docker/image.h"
#include "kernel/image/reference.h"

/* Of a pull or a build for which nobody said otherwise. */
#define CORRAL_DOCKER_IMAGE_TIMEOUT_MS 3600000

/* r: no id. -ENOENT and -EACCES as corral_docker_image_ensure() has them. */
int corral_docker_pull(struct corral_docker_engine *e, const struct corral_image_reference *r,
                       const struct corral_docker_image_options *o, struct corral_error *err);

/* What a registry's refusal means: -EACCES, -ENOENT, or otherwise. */
int corral_docker_pull_meaning(const char *text, int otherwise);

#endif
