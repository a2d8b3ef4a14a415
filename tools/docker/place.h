/* What tools/docker/docker.h has for all, with what those of this folder need to know of it. */
#ifndef CORRAL_TOOLS_DOCKER_PLACE_H
#define CORRAL_TOOLS_DOCKER_PLACE_H

#include "backends/docker/docker.h"
#include "tools/docker/docker.h"
#include "tools/docker/progress.h"

struct corral_docker_place {
	struct corral_docker_engine *engine;
	struct corral_backend *backend;
	struct corral_runtime *runtime;
	struct corral_docker_teller teller;
	char *config_dir, *work_dir; /* work_dir: where commands start, absolute */
};

/* A failure that begins with what the library calls an option of ours names the option instead. */
void corral_docker_name_option(struct corral_error *err);

#endif
