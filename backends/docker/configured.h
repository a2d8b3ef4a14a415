/*
 * Inside the Docker backend: a configuration as options of a container, as far as it says anything
 * of one.
 */
#ifndef CORRAL_BACKENDS_DOCKER_CONFIGURED_H
#define CORRAL_BACKENDS_DOCKER_CONFIGURED_H

#include "backends/docker/docker.h"
#include "policy/config.h"

/* What the options then point into, beside the configuration. */
struct corral_docker_configured {
	struct corral_docker_mount *mounts;
	char **paths; /* of the mounts */
	char *sizes;
	size_t n_mounts;
	char **env, **cap_add, **cap_drop, *user, *seccomp;
};

/*
 * Its mounts, workspace (at o->work_dir), environment, user, capabilities, limits, profile, network
 * and host name; each where it says something. Paths are of the engine's host, which is this one
 * unless it may be another. dashes: before names in texts, "--" or "". own is to be given to the
 * function below in either case.
 */
int corral_docker_configure(const struct corral_docker_engine *e, const struct corral_config *c,
                            const char *dashes, struct corral_docker_options *o,
                            struct corral_docker_configured *own, struct corral_error *err);
void corral_docker_configured_done(struct corral_docker_configured *own);

#endif
