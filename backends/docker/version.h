/* Inside the Docker backend: versions of the API, and the one that both sides speak. */
#ifndef CORRAL_BACKENDS_DOCKER_VERSION_H
#define CORRAL_BACKENDS_DOCKER_VERSION_H

#include "kernel/base/error.h"

struct docker_versions {
	const char *server_max; /* what the engine says of itself; may be anything */
	const char *server_min; /* or NULL */
	const char *pinned;     /* DOCKER_API_VERSION, or NULL */
};

/*
 * The newest that both speak, or the pinned one if both speak it, as "1.41". -EPROTONOSUPPORT when
 * there is none (both are named), -EINVAL for a pinned version that is none or none of ours,
 * -EPROTO for one of the engine's that is none.
 */
int docker_version_agree(const struct docker_versions *v, char ret[16], struct corral_error *err);

#endif
