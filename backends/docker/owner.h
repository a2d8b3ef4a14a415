/*
 * Inside the Docker backend: who made a container, as a label says it, so that what a dead process
 * left can be told from what a living one uses. An engine may be shared by hosts and by containers:
 * only a process of the same boot and the same pid namespace can be looked for.
 */
#ifndef CORRAL_BACKENDS_DOCKER_OWNER_H
#define CORRAL_BACKENDS_DOCKER_OWNER_H

#include <stdbool.h>

#define CORRAL_DOCKER_OWNER_SIZE 128

/* This process. */
void corral_docker_owner_make(char ret[CORRAL_DOCKER_OWNER_SIZE]);
/* Surely gone; false when it lives, or nobody here can know. */
bool corral_docker_owner_is_gone(const char *owner);

#endif
