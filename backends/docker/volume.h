/*
 * Inside the Docker backend: the volume with our program in it, one for each engine and each
 * version of the program, mounted read-only into every container. So a container gets it without a
 * copy, with a read-only root as well, and no guest can change it.
 */
#ifndef CORRAL_BACKENDS_DOCKER_VOLUME_H
#define CORRAL_BACKENDS_DOCKER_VOLUME_H

#include "backends/docker/http.h"

#define CORRAL_DOCKER_VOLUME_PREFIX "corral-inside-"
#define CORRAL_DOCKER_VOLUME_SIZE   40

/* The name that the volume of this version has. */
void corral_docker_volume_name(char ret[CORRAL_DOCKER_VOLUME_SIZE]);
/*
 * Makes it, and fills it, unless it is there and whole. image: any that the engine has; nothing of
 * it is run.
 */
int corral_docker_volume_ensure(struct corral_docker_engine *e, const char *image,
                                struct corral_error *err);
/* 1: our program is at its place in the container, 0: it is not. */
int corral_docker_inside_is_there(struct corral_docker_engine *e, const char *container,
                                  struct corral_error *err);
/* Puts it there, if the container's root can be written. */
int corral_docker_inside_put(struct corral_docker_engine *e, const char *container,
                             struct corral_error *err);

#endif
