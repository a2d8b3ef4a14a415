/*
 * What the subcommands call where they are asked for a container. In the static corral these are
 * never reached: it has turned into corral-docker by then (tools/docker_exec.h), which alone has
 * the sources of this folder.
 */
#ifndef CORRAL_TOOLS_DOCKER_DOCKER_H
#define CORRAL_TOOLS_DOCKER_DOCKER_H

#include "backends/backend.h"
#include "tools/options.h"

/* An engine, and a container of it that has been started, as options name them. */
struct corral_docker_place;

#ifdef CORRAL_WITH_DOCKER

/*
 * stop_fd: a signalfd or -1; SIGINT, SIGTERM, SIGHUP and SIGQUIT from it end the making, which may
 * pull and build for minutes, with -EINTR; o->config may be NULL then. Options that make no sense
 * for a container are -EINVAL.
 */
int corral_docker_place_open(struct corral_options *o, int stop_fd,
                             struct corral_docker_place **ret, struct corral_error *err);
struct corral_backend *corral_docker_place_backend(const struct corral_docker_place *p);
/* Ends the container, or leaves one that was there as it was. 0, or why something may be left.
 * Takes NULL. */
int corral_docker_place_end(struct corral_docker_place *p, struct corral_error *err);
/* The same, and frees it. */
void corral_docker_place_close(struct corral_docker_place *p);

/* Whether there is an engine: 0, or -errno with what is in the way. */
int corral_docker_look(struct corral_error *err);

/* corral run in a container: the exit status. */
int corral_docker_run(struct corral_options *o);

/* corral docker: the exit status, or -errno with a text. */
int corral_docker_command(enum corral_option_command command, const struct corral_options *o,
                          struct corral_error *err);

/* One of corral's with all that runs in it; 0 as well when there is none of that name. */
int corral_docker_place_remove(const char *name, struct corral_error *err);

#else

#include <errno.h>

static inline int corral_docker_place_remove(const char *name, struct corral_error *err)
{
	(void)name;
	return corral_error_set(err, ENOSYS, "this corral has no Docker");
}

static inline int corral_docker_place_open(struct corral_options *o, int stop_fd,
                                           struct corral_docker_place **ret,
                                           struct corral_error *err)
{
	(void)o;
	(void)stop_fd;
	(void)ret;
	return corral_error_set(err, ENOSYS, "this corral has no Docker");
}

static inline struct corral_backend *corral_docker_place_backend(
        const struct corral_docker_place *p)
{
	(void)p;
	return NULL;
}

static inline void corral_docker_place_close(struct corral_docker_place *p)
{
	(void)p;
}

static inline int corral_docker_look(struct corral_error *err)
{
	return corral_error_set(err, ENOSYS, "this corral has no Docker");
}

static inline int corral_docker_run(struct corral_options *o)
{
	(void)o;
	return -ENOSYS;
}

static inline int corral_docker_command(enum corral_option_command command,
                                        const struct corral_options *o, struct corral_error *err)
{
	(void)command;
	(void)o;
	return corral_error_set(err, ENOSYS, "this corral has no Docker");
}

#endif

#endif
