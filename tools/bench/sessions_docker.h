/* The manager of sessions over a Docker engine, timed as it is over native sandboxes. */
#ifndef CORRAL_TOOLS_BENCH_SESSIONS_DOCKER_H
#define CORRAL_TOOLS_BENCH_SESSIONS_DOCKER_H

#include "backends/sessions/manager.h"
#include "tools/bench/samples.h"

enum bench_docker { DOCKER_KNOWN, DOCKER_EXECUTE, DOCKER_CALL, DOCKER_NEW, DOCKER_CONTESTANTS };

/* Of the catalogue: both with an image that the engine has, and the second of scope "call". */
#define BENCH_DOCKER_RUNTIME "docker"
#define BENCH_DOCKER_CALL    "docker-call"

/* A manager of its own over that store and catalogue; what it makes is gone afterwards. */
int bench_sessions_docker(struct corral_session_store *store,
                          const struct corral_runtime_catalogue *catalogue, uint64_t rounds,
                          struct bench_series series[DOCKER_CONTESTANTS], struct corral_error *err);

#endif
