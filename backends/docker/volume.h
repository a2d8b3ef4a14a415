/*
 * Inside the Docker backend: the volume with our program in it, one for each engine and each
 * version of the program, mounted read-only into every container. So a container gets it without a
 * copy, with a read-only root as well, and no guest can change it.
 */
#ifndef CORRAL_BACKENDS_DOCKER_VOLUME_H
#define CORRAL_BACKENDS_DOCKER_VOLUME_H

#include "backends/docker/http.h"

#define CORRAL_DOCKER_VOLUME_PREFIX    "corral-inside-"
#define CORRAL_DOCKER_VOLUME_SIZE      40
#define CORRAL_DOCKER_INSIDE_PATH_SIZE 48

/* The name that the volume of this version has. */
void corral_docker_volume_name(char ret[CORRAL_DOCKER_VOLUME_SIZE]);
/*
 * Makes it, and fills it, unless it is there and whole. image: any that the engine has; nothing of
 * it is run.
 */
int corral_docker_volume_ensure(struct corral_docker_engine *e, const char *image,
                                struct corral_error *err);
/* 1: a file of our program's size is at its place in the container, 0: it is not. Only of a place
 * that nobody but us can write to does that say that it is ours. */
int corral_docker_inside_is_there(struct corral_docker_engine *e, const char *container,
                                  struct corral_error *err);
/*
 * Puts it into the container, if its root can be written, anew whatever lies there: at a place of
 * this version's own, since at the usual one may be the volume of another. ret: its path.
 */
int corral_docker_inside_put(struct corral_docker_engine *e, const char *container,
                             char ret[CORRAL_DOCKER_INSIDE_PATH_SIZE], struct corral_error *err);

#endif
