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

/* Before that, a tag may be one that another project with a runtime of that name has just had built
 * and is about to start a container from. */
#define CORRAL_DOCKER_SUPERSEDED_AGE_S 3600

/*
 * Removes other tags of the same runtime from images of at least that age. Nothing else: images
 * made from ours have our label, and are somebody's. That it cannot be done is no failure.
 */
void corral_docker_superseded_remove(struct corral_docker_engine *e, const struct corral_runtime *r,
                                     const char *tag, int64_t age_sec);

#endif
