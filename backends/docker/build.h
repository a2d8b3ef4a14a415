/*
 * Inside the Docker backend: one build of a runtime's image.
 */
#ifndef CORRAL_BACKENDS_DOCKER_BUILD_H
#define CORRAL_BACKENDS_DOCKER_BUILD_H

#include "backends/docker/image.h"

/* Builds r, whose base image is there, and gives it the tag. -EIO with the last lines of the output
 * when the build fails. */
int corral_docker_build(struct corral_docker_engine *e, const struct corral_runtime *r,
                        const char *tag, const struct corral_docker_image_options *o,
                        struct corral_error *err);

#endif
