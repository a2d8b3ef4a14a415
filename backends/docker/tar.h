/* Inside the Docker backend: small archives for the engine, made in memory. */
#ifndef CORRAL_BACKENDS_DOCKER_TAR_H
#define CORRAL_BACKENDS_DOCKER_TAR_H

#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

/* One file; or, with data NULL, one directory. Appended to ret, whole. */
struct corral_docker_entry {
	const char *name;
	unsigned int mode;
	uint32_t uid, gid;
	const void *data;
	size_t len;
};
int corral_docker_tar(const struct corral_docker_entry *entries, size_t n, struct corral_buf *ret,
                      struct corral_error *err);

#endif
