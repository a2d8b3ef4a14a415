/* Inside the Docker backend: how a container is confined, in an engine's words. */
#ifndef CORRAL_BACKENDS_DOCKER_SECURITY_H
#define CORRAL_BACKENDS_DOCKER_SECURITY_H

#include <jansson.h>
#include <stdint.h>

#include "kernel/base/error.h"

/*
 * Puts SecurityOpt into host: no new privileges, and the seccomp profile for a container that keeps
 * caps. profile: JSON, "unconfined", "engine" for the engine's default, or NULL for corral's own. A
 * profile that is none, or has no like in an engine's words, is told here (-EINVAL, -EOPNOTSUPP).
 */
int corral_docker_security_put(json_t *host, const char *profile, uint64_t caps,
                               struct corral_error *err);

#endif
