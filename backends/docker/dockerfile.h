/*
 * Inside the Docker backend: the build of a runtime (policy/runtime_build.h) as text. Everything
 * that is not ours is quoted so that no value can end its instruction: commands are JSON in exec
 * form, in ASCII, and names have been checked. The classic builder understands it; BuildKit does,
 * and Podman's.
 */
#ifndef CORRAL_BACKENDS_DOCKER_DOCKERFILE_H
#define CORRAL_BACKENDS_DOCKER_DOCKERFILE_H

#include "kernel/base/buf.h"
#include "policy/runtime.h"

/* With the runtime's name on every image built here. */
#define CORRAL_DOCKER_RUNTIME_LABEL "corral.runtime"

/* Appends the text. -EINVAL: no base_image, or one that is no image's name. */
int corral_docker_dockerfile_add(struct corral_buf *b, const struct corral_runtime *r,
                                 struct corral_error *err);

#endif
