/*
 * Inside the Docker backend: whether a container that somebody else made contains less than one of
 * ours would, by the engine's own words. Nothing narrows a container that is there already, so it
 * is taken as it is or not at all.
 */
#ifndef CORRAL_BACKENDS_DOCKER_WEAKER_H
#define CORRAL_BACKENDS_DOCKER_WEAKER_H

#include <jansson.h>

#include "backends/docker/spec.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * container: GET /containers/ID/json. 0, or -EPERM with one sentence that names all that is weaker
 * than what s asks for. Limits are not looked at: those asked for by name are held against every
 * container.
 */
int corral_docker_weaker_check(const json_t *container, const struct corral_docker_spec *s,
                               bool is_podman, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
