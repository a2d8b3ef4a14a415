/*
 * Inside the Docker backend: a container's life, as calls to the engine. Holds no lock and no
 * thread; what becomes of answers is the backend's matter.
 */
#ifndef CORRAL_BACKENDS_DOCKER_CONTAINER_H
#define CORRAL_BACKENDS_DOCKER_CONTAINER_H

#include "backends/docker/http.h"
#include "backends/docker/spec.h"
#include "backends/docker/volume.h"

#define CORRAL_DOCKER_ID_SIZE 65

/* Of what stands in paths, and on terminals. Takes NULL. */
bool corral_docker_is_id(const char *text);

struct corral_docker_container {
	char id[CORRAL_DOCKER_ID_SIZE];
	bool named;
	bool stays;      /* it ran before, and is not ours to stop */
	bool has_inside; /* our program is in it, there: */
	char inside[CORRAL_DOCKER_INSIDE_PATH_SIZE];
	/* The connection to its standard input: with its end the container ends, and the other way
	 * round. NULL for named ones, and without our program. */
	struct corral_docker_stream *tie;
	int64_t started_sec; /* wall clock, for the engine's events */
};

struct corral_docker_state {
	bool exists, running, paused;
	char status[24];
};

/* Makes it, or takes up the one of that name, and starts it. image: its engine has it. */
int corral_docker_container_open(struct corral_docker_engine *e, const struct corral_docker_spec *s,
                                 const char *image, const char *arch,
                                 struct corral_docker_container *ret, struct corral_error *err);
/* Ends it: a named one is stopped, another removed. Takes one that is half-open. */
int corral_docker_container_close(struct corral_docker_engine *e, struct corral_docker_container *c,
                                  struct corral_error *err);
int corral_docker_container_remove(struct corral_docker_engine *e, const char *id,
                                   struct corral_error *err);
/* 0 for one that is gone, too. */
int corral_docker_container_inspect(struct corral_docker_engine *e, const char *id,
                                    struct corral_docker_state *ret, struct corral_error *err);
int corral_docker_container_pause(struct corral_docker_engine *e, const char *id, bool paused,
                                  struct corral_error *err);
/* Whether the tie says that it has ended; false without one. By one thread at a time. */
bool corral_docker_container_has_ended(const struct corral_docker_container *c);

/* An exec whose streams are ours; argv NULL-terminated; env may be NULL. ret_id (or NULL): its id,
 * of CORRAL_DOCKER_ID_SIZE. */
struct corral_docker_exec {
	char *const *argv;
	char *const *env;
	const char *guest_dir;
	bool has_stdin;
};
int corral_docker_container_exec(struct corral_docker_engine *e, const char *id,
                                 const struct corral_docker_exec *x,
                                 struct corral_docker_stream **ret, char *ret_id,
                                 struct corral_error *err);
/* Of an exec that has ended: its exit code; -EAGAIN while it runs. */
int corral_docker_exec_code(struct corral_docker_engine *e, const char *exec_id, int *ret_code,
                            struct corral_error *err);

/* Events of one container since then: whether a process of it was killed for want of memory, and
 * whether it has ended. */
int corral_docker_container_deaths(struct corral_docker_engine *e,
                                   const struct corral_docker_container *c, bool *ret_oom,
                                   bool *ret_died, struct corral_error *err);

#endif
