/*
 * A container of a Docker engine as a backend: the protocol of backends/sandbox.h, so that callers
 * can tell it from a native sandbox by its speed and by corral_backend_kind() alone.
 */
#ifndef CORRAL_BACKENDS_DOCKER_DOCKER_H
#define CORRAL_BACKENDS_DOCKER_DOCKER_H

#include "backends/docker/engine.h"
#include "backends/docker/image.h"
#include "backends/sandbox.h"
#include "policy/limits.h"
#include "policy/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_DOCKER_IMAGE_DEFAULT "python:3.12-slim"
#define CORRAL_DOCKER_ALIVE_MS      5000 /* how long an answer about a named container is good */

struct corral_docker_mount {
	const char *host_path; /* as the engine's host sees it; NULL: a tmpfs */
	const char *guest_path;
	bool read_only;
	const char *tmpfs_options; /* of a tmpfs: "size=64m,mode=1777"; NULL: size=64m */
};

/* Zero and NULL are the usual value of every field. All is copied. */
struct corral_docker_options {
	const char *id; /* of the session; NULL: a random UUID */
	/* Its image or its build, environment and user. Its limits and all else of its sandbox are
	 * the caller's to put into the fields below: corral_runtime_sandbox(). */
	const struct corral_runtime *runtime;
	const char *image; /* without a runtime; NULL: CORRAL_DOCKER_IMAGE_DEFAULT */
	/* How an image is come by; what is borrowed in it must live as long as the backend. */
	struct corral_docker_image_options images;
	/*
	 * A container of that name is used when there is one, whoever made it, started when it
	 * does not run; else it is made. It stays after the end, stopped. Without a name the
	 * container is the backend's alone: it goes with its end, and by itself when the caller
	 * dies in whatever way.
	 */
	const char *container_name;
	/*
	 * Somebody else's container of that name is taken up although it contains less than what
	 * is asked for here. Else that is -EPERM, with what is weaker. Receipts' layers are the
	 * container's own in either case.
	 */
	bool allow_weaker;
	bool leave_running;   /* one that ran already when it was taken up is not stopped */
	const char *work_dir; /* NULL: the runtime's, or /workspace */
	const char *hostname; /* NULL: "corral", or whose network it shares, theirs */
	const struct corral_docker_mount *mounts;
	size_t n_mounts;
	char *const *env; /* "K=V" over the defaults and the runtime's; NULL-terminated */
	const char *
	        network_mode; /* "bridge", "host", "container:ID", a network's name; NULL: "none" */
	const char *user;     /* "UID[:GID]" or a name of the image's; NULL: the runtime's, or the
	                         image's */
	const struct corral_limits *limits; /* NULL: corral_limits_default; disk only where the
	                                       engine's storage driver has quotas */
	uint32_t limits_asked; /* set of enum corral_limit that must hold: else -EOPNOTSUPP */
	uint64_t cpu_shares;   /* 0: from limits' cpu_weight */
	/* Names of capabilities, "ALL" too, on top of what containers here have: that is what file
	 * ownership, ids, signals and low ports take. */
	char *const *cap_add, *const *cap_drop; /* NULL-terminated */
	const char *
	        seccomp; /* text of a profile in the OCI format; NULL: corral's own; "unconfined" */
	bool read_only_root;     /* all but mounts, the work directory and /tmp */
	const char *oci_runtime; /* "runsc", "kata", ...; NULL: the engine's */
	char *const *labels;     /* "key=value" beside ours */
};

/*
 * Starts nothing: the first call that needs it does. The engine stays the caller's and must live
 * longer. -EINVAL with the option's name for what makes no sense.
 */
int corral_docker_sandbox_new(struct corral_docker_engine *engine,
                              const struct corral_docker_options *o, struct corral_backend **ret,
                              struct corral_error *err);

/* The container's id, "" as long as there is none; good until the backend's end. */
const char *corral_docker_sandbox_container(struct corral_backend *b);
/* Ends it and removes the container, a named one as well. */
int corral_docker_sandbox_remove(struct corral_backend *b, struct corral_error *err);

/* Containers that are corral's, whoever runs them: that are called as they were made. One that was
 * renamed since is the user's, and so is one of an image that somebody made of ours. */
struct corral_docker_row {
	char *id, *name, *session, *image, *state; /* state: "running", "exited", ... */
	bool named;                                /* made to stay */
	bool orphan;                               /* its maker, on this host, is gone */
	int64_t created_sec;
};
struct corral_docker_rows {
	struct corral_docker_row *rows;
	size_t n;
};
int corral_docker_list(struct corral_docker_engine *e, struct corral_docker_rows *ret,
                       struct corral_error *err);
void corral_docker_rows_done(struct corral_docker_rows *r);

struct corral_docker_pruned {
	unsigned int containers, volumes;
	unsigned int failed; /* could not be removed; err has the first reason */
};
/*
 * Removes what nobody will come back for: containers of ours that were given no name, whose maker
 * is gone; those that a volume was filled through, likewise; and the volumes of our program that no
 * container uses.
 */
int corral_docker_prune(struct corral_docker_engine *e, struct corral_docker_pruned *ret,
                        struct corral_error *err);

enum corral_docker_death { CORRAL_DOCKER_OOM = 1, CORRAL_DOCKER_DIE };
/*
 * Tells of deaths in containers of ours as they happen (from since_sec on, 0: from now), on the
 * calling thread, until cancel_fd is readable, told returns not 0, or the engine ends the stream:
 * 0 then. OOM: a process was killed for want of memory; DIE: the container's end, with its code.
 */
int corral_docker_watch(struct corral_docker_engine *e, int64_t since_sec, int cancel_fd,
                        int (*told)(void *ctx, enum corral_docker_death what,
                                    const char *container_id, const char *session, int exit_code),
                        void *ctx, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
