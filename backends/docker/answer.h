/* Inside the Docker backend: what of an answer's head and body is understood on the way. */
#ifndef CORRAL_BACKENDS_DOCKER_ANSWER_H
#define CORRAL_BACKENDS_DOCKER_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "backends/docker/http.h"

/* Bytes of all heads of one answer. */
#define DOCKER_HEAD_MAX (64u << 10)

/* If line is the header `name` (in lower case), its value without blanks around it. */
bool docker_header_is(const char *line, size_t len, const char *name, const char **ret_value,
                      size_t *ret_len);
/* "application/json", with or without parameters. */
bool docker_type_is_json(const char *value, size_t len);

/* The body, whole, as JSON. 0, also for blanks alone (json stays NULL), -EPROTO, -ENOMEM. */
int docker_answer_parse(struct corral_docker_answer *a, struct corral_error *err);

#endif
