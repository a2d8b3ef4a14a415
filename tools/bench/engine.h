/* The Docker engine of benchmarks: the one that docker itself would ask. */
#ifndef CORRAL_TOOLS_BENCH_ENGINE_H
#define CORRAL_TOOLS_BENCH_ENGINE_H

#include "backends/docker/docker.h"

int bench_engine_open(struct corral_docker_engine **ret, struct corral_error *err);

#endif
