/*
 * Inside the Docker backend: the environment that every container has, whatever its image says
 * (upstream contract, 5.2).
 */
#ifndef CORRAL_BACKENDS_DOCKER_ENVIRONMENT_H
#define CORRAL_BACKENDS_DOCKER_ENVIRONMENT_H

#include "backends/docker/docker.h"

/*
 * The defaults, the runtime's over them, the caller's over both; later ones win. Each text and the
 * array are the caller's to free; NULL without memory.
 */
char **corral_docker_environment(const struct corral_runtime *runtime, char *const *over);

#endif
