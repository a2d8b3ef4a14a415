/*
 * Inside the Docker backend: the same image is not built twice at the same moment by threads of one
 * process. What other processes build meanwhile is wasted and harms nobody.
 */
#ifndef CORRAL_BACKENDS_DOCKER_BUILD_ONCE_H
#define CORRAL_BACKENDS_DOCKER_BUILD_ONCE_H

#include "backends/docker/image.h"

/*
 * Calls build(), or waits for the thread that is in such a call for the same engine and tag and
 * shares what came of it; a build that its own thread gave up (-ECANCELED, -ETIMEDOUT) is begun
 * anew. progress may be NULL, and is asked while waiting, too. -ECANCELED, -ETIMEDOUT.
 */
int corral_docker_build_once(const struct corral_docker_engine *e, const char *tag,
                             const struct corral_docker_progress *progress, int64_t timeout_ms,
                             int (*build)(void *ctx, struct corral_error *err), void *ctx,
                             struct corral_error *err);

#endif
