/*
 * What an image is called. "python:3.12-slim" is short for
 * "docker.io/library/python:3.12-slim"; what may stand where is the distribution project's grammar.
 */
#ifndef CORRAL_KERNEL_IMAGE_REFERENCE_H
#define CORRAL_KERNEL_IMAGE_REFERENCE_H

#include <stdbool.h>

#include "kernel/base/error.h"

/* Bytes of a whole reference, and of its name. */
#define CORRAL_IMAGE_REFERENCE_MAX 512
#define CORRAL_IMAGE_NAME_MAX      255

struct corral_image_reference {
	char *name;     /* as it was written, without tag and digest: "python"; NULL for an id */
	char *registry; /* host and port: "docker.io", "localhost:5000"; NULL for an id */
	char *path;     /* within the registry: "library/python"; NULL for an id */
	char *tag;      /* NULL without; "latest" is put in when there is no digest either */
	char *digest;   /* "sha256:..." or NULL */
	bool is_id; /* "sha256:" and 6 digits or more, or 64 hex digits: an engine's or the store's
	               own name, in no registry */
};

/* -EINVAL says what is wrong. */
int corral_image_reference_init(struct corral_image_reference *r, const char *text,
                                struct corral_error *err);
void corral_image_reference_done(struct corral_image_reference *r);
/* All of it: "docker.io/library/python:latest"; with a digest that, and no tag. The caller's.
 * -EINVAL for an id, too. */
int corral_image_reference_full(const char *text, char **ret, struct corral_error *err);
/* Of such a name, what people write: without "docker.io/library/". Borrowed of full. */
const char *corral_image_reference_short(const char *full);

#endif
