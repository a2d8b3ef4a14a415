/*
 * Inside the Docker backend: a command in a container that our program is not in: one of another
 * architecture, or one that somebody else made and that cannot be written to. The engine's exec
 * starts it, its exit code is asked for afterwards, and what it started is found by a mark in its
 * environment.
 */
#ifndef CORRAL_BACKENDS_DOCKER_PLAIN_H
#define CORRAL_BACKENDS_DOCKER_PLAIN_H

#include "backends/docker/container.h"
#include "backends/execute.h"

struct corral_docker_plain_place {
	struct corral_docker_engine *engine;
	const char *container;
	const char *work_dir;
};

extern const struct corral_execute_ops corral_docker_plain_ops;

#endif
