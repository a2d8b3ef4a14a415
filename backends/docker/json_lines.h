/*
 * Inside the Docker backend: a body that is one JSON value behind the other, each on its line, as
 * engines stream events.
 */
#ifndef CORRAL_BACKENDS_DOCKER_JSON_LINES_H
#define CORRAL_BACKENDS_DOCKER_JSON_LINES_H

#include <jansson.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

#define CORRAL_DOCKER_LINE_MAX (1u << 20)

struct corral_json_lines {
	struct corral_buf line; /* as far as it came */
	/* Not 0 ends the feeding with it. value is borrowed. */
	int (*told)(void *ctx, const json_t *value, struct corral_error *err);
	void *ctx;
};

/* What told gave; -EPROTO for a line that is no JSON, -EMSGSIZE for one that is too long. */
int corral_json_lines_feed(struct corral_json_lines *l, const void *data, size_t len,
                           struct corral_error *err);
/* The same for what has no line's end behind it. */
int corral_json_lines_end(struct corral_json_lines *l, struct corral_error *err);
void corral_json_lines_done(struct corral_json_lines *l);

#endif
