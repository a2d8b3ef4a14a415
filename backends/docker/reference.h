/*
 * Inside the Docker backend: what an image is called. "python:3.12-slim" is short for
 * "docker.io/library/python:3.12-slim"; what may stand where is the distribution project's grammar.
 */
#ifndef CORRAL_BACKENDS_DOCKER_REFERENCE_H
#define CORRAL_BACKENDS_DOCKER_REFERENCE_H

#include <stdbool.h>

#include "kernel/base/error.h"

/* Bytes of a whole reference, and of its name. */
#define CORRAL_DOCKER_REFERENCE_MAX 512
#define CORRAL_DOCKER_NAME_MAX      255

struct corral_docker_reference {
	char *name;     /* as it was written, without tag and digest: "python"; NULL for an id */
	char *registry; /* host and port: "docker.io", "localhost:5000"; NULL for an id */
	char *path;     /* within the registry: "library/python"; NULL for an id */
	char *tag;      /* NULL without; "latest" is put in when there is no digest either */
	char *digest;   /* "sha256:..." or NULL */
	bool is_id;     /* "sha256:..." or 64 hex digits: an engine's own name, in no registry */
};

/* -EINVAL says what is wrong. */
int corral_docker_reference_init(struct corral_docker_reference *r, const char *text,
                                 struct corral_error *err);
void corral_docker_reference_done(struct corral_docker_reference *r);

#endif
