/* The engine that the environment names, as docker(1) would find it. */
#ifndef CORRAL_TOOLS_DOCKER_FIND_H
#define CORRAL_TOOLS_DOCKER_FIND_H

#include "backends/docker/engine.h"

int corral_docker_find_engine(struct corral_docker_engine **ret, struct corral_error *err);
/* The folder of the user's Docker configuration; the caller's to free. NULL: there is none. */
char *corral_docker_find_config(void);

#endif
