/*
 * Inside the Docker backend: what an engine is told of who asks a registry, as headers of requests.
 */
#ifndef CORRAL_BACKENDS_DOCKER_AUTH_H
#define CORRAL_BACKENDS_DOCKER_AUTH_H

#include "kernel/image/oci/registry_auth.h"

/* "X-Registry-Auth: ..." for a pull, "X-Registry-Config: ..." for a build. *ret is the caller's to
 * give to corral_registry_secret_free(); NULL when there are no credentials. */
int corral_docker_auth_header(const struct corral_registry_auth *a, char **ret,
                              struct corral_error *err);
int corral_docker_auth_config_header(const struct corral_registry_auth *a, char **ret,
                                     struct corral_error *err);

#endif
