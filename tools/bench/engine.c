#include "tools/bench/engine.h"

#include <stdlib.h>

int bench_engine_open(struct corral_docker_engine **ret, struct corral_error *err)
{
	const struct corral_docker_engine_options where = {
		.host = getenv("DOCKER_HOST"),
		.context = getenv("DOCKER_CONTEXT"),
		.config_dir = getenv("DOCKER_CONFIG"),
		.home = getenv("HOME"),
		.runtime_dir = getenv("XDG_RUNTIME_DIR"),
	};

	return corral_docker_engine_open(&where, ret, err);
}
