/* Inside the Docker backend: what Podman's service has otherwise than Docker's engine. */
#ifndef CORRAL_BACKENDS_DOCKER_PODMAN_H
#define CORRAL_BACKENDS_DOCKER_PODMAN_H

#include <jansson.h>

#include "kernel/base/error.h"

#define CORRAL_DOCKER_PODMAN_FILE_SIZE 64

/*
 * Makes the body of POST /containers/create one for Podman. ret_file: of a file that has to be
 * there until the answer, and is the caller's to remove; "" without.
 */
int corral_docker_podman_adapt(json_t *body, char ret_file[CORRAL_DOCKER_PODMAN_FILE_SIZE],
                               struct corral_error *err);

#endif
