/*
 * Whether there is a Docker engine to speak to: by hand, since the program that doctor is part of
 * has no HTTP (tools/docker_exec.h). Knows the environment and the usual sockets; of contexts and
 * engines behind a network it says who can tell.
 */
#ifndef CORRAL_TOOLS_DOCKER_PING_H
#define CORRAL_TOOLS_DOCKER_PING_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/doctor.h"

#define CORRAL_DOCKER_PING_MS 300 /* in all */

/* One row more, if there is room. Nothing of it counts for native isolation. */
void corral_docker_ping(struct corral_doctor *d);

/* Whether a container can be had: an engine answers, or is named that only corral-docker can ask;
 * and there is a program to ask it. why: what is in the way, without a full stop; unused when
 * nothing is. */
bool corral_docker_answers(char *why, size_t size);

#endif
