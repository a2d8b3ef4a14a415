/*
 * Inside the Docker backend: the build of a runtime as text, and the tag that it has. Everything
 * that is not ours is quoted so that no value can end its instruction: commands are JSON in exec
 * form, in ASCII, and names have been checked. The classic builder understands it; BuildKit does,
 * and Podman's.
 *
 * Not in it, and so neither in a layer nor in the tag: the runtime's env_vars. They are given to
 * the container, as they may hold secrets.
 */
#ifndef CORRAL_BACKENDS_DOCKER_DOCKERFILE_H
#define CORRAL_BACKENDS_DOCKER_DOCKERFILE_H

#include "kernel/base/buf.h"
#include "policy/runtime.h"

#define CORRAL_DOCKER_RUNTIME_REPOSITORY "corral-runtime"
/* With the runtime's name on every image built here. */
#define CORRAL_DOCKER_RUNTIME_LABEL "corral.runtime"

/* Counts up whenever the same runtime is to be built differently, so that images built before are
 * not taken for it. */
#define CORRAL_DOCKER_RECIPE 1

/* Appends the text. -EINVAL: no base_image, or one that is no image's name. */
int corral_docker_dockerfile_add(struct corral_buf *b, const struct corral_runtime *r,
                                 struct corral_error *err);

#define CORRAL_DOCKER_TAG_HEX 12

/*
 * "corral-runtime:{name}-{12 hex digits}": the start of the SHA-256 over what shapes the image.
 * platform may be NULL. *ret is the caller's to free.
 */
int corral_docker_runtime_tag(const struct corral_runtime *r, const char *platform, char **ret,
                              struct corral_error *err);

#endif
