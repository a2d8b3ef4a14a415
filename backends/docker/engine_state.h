/* Inside the Docker backend: what an engine consists of, for the files that make it up. */
#ifndef CORRAL_BACKENDS_DOCKER_ENGINE_STATE_H
#define CORRAL_BACKENDS_DOCKER_ENGINE_STATE_H

#include <stdatomic.h>

#include "backends/docker/connection.h"
#include "backends/docker/endpoint.h"
#include "backends/docker/engine.h"

struct corral_docker_engine {
	struct corral_docker_endpoint at;
	struct docker_pool pool;
	int64_t call_timeout_ms;
	char prefix[20]; /* of paths: "/v1.41"; "" until that has been agreed on */
	char api_version[16];
	char *server_version, *os, *arch;
	atomic_uint known;                     /* set of enum corral_docker_known */
	struct corral_docker_engine_info info; /* points into the above */
};

/* corral_docker_engine_open(), with other places than the system's. */
int docker_engine_open_at(const struct corral_docker_engine_options *o,
                          const struct corral_docker_places *places,
                          struct corral_docker_engine **ret, struct corral_error *err);

/* What connecting to an engine that was there once gave. -ENOENT would be taken for what was asked
 * about; it is the engine that is gone, -ECONNREFUSED. */
int docker_engine_is_gone(int r, struct corral_error *err);

#endif
