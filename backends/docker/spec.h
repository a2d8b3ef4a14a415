/*
 * Inside the Docker backend: what a container is to be, checked and owned; and the words of it for
 * the engine. Pure: nothing here speaks to anybody.
 */
#ifndef CORRAL_BACKENDS_DOCKER_SPEC_H
#define CORRAL_BACKENDS_DOCKER_SPEC_H

#include <jansson.h>

#include "backends/docker/docker.h"

/*
 * Labels of what is ours. Images inherit them from containers, and containers from images; so a
 * container is ours only when one of them says what that container alone has: its name.
 */
#define CORRAL_DOCKER_LABEL         "corral" /* "container", "filler" (volume.h), "inside" (a volume) */
#define CORRAL_DOCKER_LABEL_SELF    "corral.self"    /* the container's name */
#define CORRAL_DOCKER_LABEL_SESSION "corral.session" /* the backend's id */
#define CORRAL_DOCKER_LABEL_OWNER   "corral.owner"   /* who made it: owner.h */
#define CORRAL_DOCKER_LABEL_NAMED   "corral.named"   /* made to stay */

struct corral_docker_spec {
	char *session;
	char *image; /* NULL with a runtime that has one of its own */
	char *container_name;
	bool leave_running, allow_weaker;
	char *work_dir, *hostname, *network_mode, *user, *oci_runtime;
	char **env; /* complete but for the image's own */
	char **labels;
	json_t *host_config; /* what does not depend on the engine */
	struct corral_limits limits;
	uint32_t limits_asked;
};

/* -EINVAL with the option's name. */
int corral_docker_spec_init(struct corral_docker_spec *s, const struct corral_docker_options *o,
                            const char *id, struct corral_error *err);
/* Takes one that is zeroed. */
void corral_docker_spec_done(struct corral_docker_spec *s);

/* True for a user that is a number and not root's: the work directory is to be theirs, where the
 * image or a mount has none. */
bool corral_docker_spec_owner(const struct corral_docker_spec *s, uint32_t *ret_uid,
                              uint32_t *ret_gid);

/* How a container is kept alive, and what of ours is in it. */
struct corral_docker_main {
	const char *volume; /* of our program; NULL: there is none for this engine */
	const char *owner;  /* the label's text */
	const char *self;   /* the name that it is made with */
	bool tied;          /* it ends with the connection to its standard input */
};

/* The body of POST /containers/create: a new reference; NULL without memory. */
json_t *corral_docker_spec_create(const struct corral_docker_spec *s, const char *image,
                                  const struct corral_docker_main *m);

#endif
