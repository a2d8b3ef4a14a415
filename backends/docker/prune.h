/*
 * Inside the Docker backend: what was made and never started. A tied container goes with its maker,
 * but one whose maker was killed before the start has no tie yet; nor has a volume's filler, ever.
 */
#ifndef CORRAL_BACKENDS_DOCKER_PRUNE_H
#define CORRAL_BACKENDS_DOCKER_PRUNE_H

#include "backends/docker/engine.h"

/* Removes those whose maker is gone, the first time that an engine is given. What cannot be removed
 * stays for corral_docker_prune(). */
void corral_docker_sweep(struct corral_docker_engine *e);

#endif
