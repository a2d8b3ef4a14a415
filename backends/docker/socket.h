/*
 * Inside the Docker backend: the socket below which an engine listens, and why one cannot be
 * connected to.
 */
#ifndef CORRAL_BACKENDS_DOCKER_SOCKET_H
#define CORRAL_BACKENDS_DOCKER_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

/* Bytes that the kernel takes for a path, less its NUL (unix(7)). */
#define CORRAL_DOCKER_SOCKET_PATH_MAX 107

/*
 * A connected descriptor, non-blocking and closed on exec, or -errno as connect() gave it;
 * -ETIMEDOUT when the engine took no connection for so long.
 */
int corral_docker_socket_connect(const char *path, int64_t timeout_ms);

/*
 * The text of such an error, with what to do about it. Returns -code, but for a path which is no
 * socket, to which connect() gives what it gives to one where nobody listens: -ENOTSOCK.
 */
int corral_docker_socket_explain(const char *path, int code, struct corral_error *err);

#endif
