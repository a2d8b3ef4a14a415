/*
 * Inside the Docker backend: a command in a container that our program is not in: one of another
 * architecture, or one that somebody else made and that cannot be written to. The engine's exec
 * starts it, its exit code is asked for afterwards, and what it started is found by a mark in its
 * environment.
 */
#ifndef CORRAL_BACKENDS_DOCKER_PLAIN_H
#define CORRAL_BACKENDS_DOCKER_PLAIN_H

#include "backends/docker/container.h"
#include "backends/execute.h"

struct corral_docker_plain_place {
	struct corral_docker_engine *engine;
	const char *container;
	const char *work_dir;
};

extern const struct corral_execute_ops corral_docker_plain_ops;
/* Of what those ops started: as corral_docker_process_output_error(). */
int corral_docker_plain_output_error(const void *process, int stream);

/* One command, in a backend of corral_docker_plain_new(). stop_fd: readable when it is to be ended
 * politely; -1. */
int corral_docker_plain_execute(struct corral_backend *b, const struct corral_execute *x,
                                int stop_fd, struct corral_executed *ret, struct corral_error *err);

/*
 * Trees by the container's own tar(1), below a path that is a directory. -EOPNOTSUPP: it has none,
 * and nothing was read of the source. What comes in is the container's user's, by umask 022.
 */
int corral_docker_plain_tar_out(const struct corral_docker_plain_place *place, const char *path,
                                const struct corral_files_sink *sink, struct corral_error *err);
int corral_docker_plain_tar_in(const struct corral_docker_plain_place *place, const char *path,
                               const struct corral_files_source *source, struct corral_error *err);

#endif
