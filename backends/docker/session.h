/*
 * Sessions that are containers, for backends/sessions/manager.h.
 */
#ifndef CORRAL_BACKENDS_DOCKER_SESSION_H
#define CORRAL_BACKENDS_DOCKER_SESSION_H

#include "backends/docker/docker.h"
#include "backends/sessions/manager.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What follows is the session's id. */
#define CORRAL_DOCKER_SESSION_PREFIX "corral-session-"

struct corral_docker_sessions {
	struct corral_docker_engine *engine;
	/* What is the same for all of them; NULL: the usual. The runtime of each comes first;
	 * image, id, container_name and leave_running are not looked at. */
	const struct corral_docker_options *options;
};

/*
 * Of a container named corral-session-ID, which stops when its session sleeps or is closed, and
 * goes, with all that was changed in it, when nothing of the session is to stay. A runtime of scope
 * "call" has a container for each command instead. o, and what it points to, must outlive the
 * maker's manager.
 */
void corral_docker_session_maker(const struct corral_docker_sessions *o,
                                 struct corral_session_maker *ret);

#ifdef __cplusplus
}
#endif

#endif
