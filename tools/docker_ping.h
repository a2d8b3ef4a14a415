/*
 * Whether there is a Docker engine to speak to: by hand, since the program that doctor is part of
 * has no HTTP (tools/docker_exec.h). Knows the environment and the usual sockets; of contexts and
 * engines behind a network it says who can tell.
 */
#ifndef CORRAL_TOOLS_DOCKER_PING_H
#define CORRAL_TOOLS_DOCKER_PING_H

#include <stddef.h>

#include "kernel/doctor.h"

#define CORRAL_DOCKER_PING_MS 300 /* in all */

/* One row more, if there is room. Nothing of it counts for native isolation. */
void corral_docker_ping(struct corral_doctor *d);

/* Whether an engine answers: 1; 0 with what is in the way, without a full stop; -1 where none is
 * there to be asked in this way, though the backend may find one. */
int corral_docker_answers(char *why, size_t size);

#endif
