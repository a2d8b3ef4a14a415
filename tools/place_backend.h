/*
 * The backend that options name: a directory of the host's (--local), a sandbox that stays
 * (--session), a container (--docker, --container), or a fresh sandbox. With the rules that are to
 * hold on it (--permissions).
 */
#ifndef CORRAL_TOOLS_PLACE_BACKEND_H
#define CORRAL_TOOLS_PLACE_BACKEND_H

#include "backends/backend.h"
#include "backends/guard_permission.h"
#include "kernel/sandbox.h"
#include "policy/permission.h"
#include "tools/options.h"

struct corral_place_backend {
	struct corral_backend *backend;
	struct corral_permission_checker *permissions; /* NULL without */
	bool guarded;                                  /* the backend itself holds to them, by: */
	struct corral_permission_guard guard;
	char *real_dir;
	struct corral_launcher *launcher;
	struct corral_policy *policy;
	struct corral_docker_place *docker;
};

/* stop_fd: a signalfd; one that ends us ends the making of a container, which may take minutes; -1.
 */
int corral_place_backend_open(struct corral_options *o, int stop_fd,
                              struct corral_place_backend *ret, struct corral_error *err);
/* Ends what runs in it; on one that is zeroed or half-made as well. */
void corral_place_backend_done(struct corral_place_backend *p);

#endif
