/*
 * Inside the Docker backend: what the engine says of a container that is there: what contains it,
 * and which limits it has. So receipts tell what is, and not what was asked for.
 */
#ifndef CORRAL_BACKENDS_DOCKER_CONTAINED_H
#define CORRAL_BACKENDS_DOCKER_CONTAINED_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/docker/engine.h"
#include "policy/limits.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_docker_contained {
	uint32_t layers; /* set of enum corral_layer */
	uint32_t limits; /* set of enum corral_limit: those wanted that it has, or narrower ones */
};

/* Of the engine's own answers: GET /containers/ID/json, GET /info. */
void corral_docker_contained_read(const json_t *container, const json_t *info,
                                  const struct corral_limits *wanted,
                                  struct corral_docker_contained *ret);

/* Two questions to the engine. */
int corral_docker_contained(struct corral_docker_engine *e, const char *id,
                            const struct corral_limits *wanted, struct corral_docker_contained *ret,
                            struct corral_error *err);

/* 0, or -EOPNOTSUPP with the name of the first of the limits asked for that it has not. */
int corral_docker_contained_check(const struct corral_docker_contained *c, uint32_t asked,
                                  struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
