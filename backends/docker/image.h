/*
 * Images of an engine: looked for, pulled, built from a runtime, removed.
 */
#ifndef CORRAL_BACKENDS_DOCKER_IMAGE_H
#define CORRAL_BACKENDS_DOCKER_IMAGE_H

#include "backends/docker/engine.h"
#include "policy/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a pull or a build goes on, on the calling thread; not 0 cancels it (-ECANCELED). */
struct corral_docker_progress {
	/* text: one line without control characters, "9f1b6a...: downloading", a line of the
	 * build's output; current and total bytes, 0 when they are not known. */
	int (*tell)(void *ctx, const char *text, uint64_t current, uint64_t total);
	void *ctx;
};

enum corral_docker_pull_when {
	CORRAL_DOCKER_PULL_MISSING, /* when the engine does not have it */
	CORRAL_DOCKER_PULL_ALWAYS,
	CORRAL_DOCKER_PULL_NEVER,
};

struct corral_docker_image_options {
	enum corral_docker_pull_when pull;
	const char *platform;   /* "linux/arm64"; NULL: the engine's */
	const char *config_dir; /* whose credentials: the user's Docker configuration; or NULL */
	/* What a build's commands reach: "host", "none", a network's name; NULL: the engine's
	 * default, which is none on an engine without a bridge. Nothing is fallen back to. */
	const char *build_network;
	const char *fallback_image; /* of a runtime that has neither image nor base_image */
	const struct corral_docker_progress *progress; /* or NULL */
	int64_t timeout_ms;                            /* 0: an hour */
};

struct corral_docker_image {
	char *id; /* "sha256:..." */
	char *arch, *os;
	char *user, *work_dir; /* of its configuration; "" when it has none */
	uint64_t size_bytes;
};
void corral_docker_image_done(struct corral_docker_image *i);

/* -ENOENT: the engine does not have it. ret may be NULL. */
int corral_docker_image_inspect(struct corral_docker_engine *e, const char *name,
                                struct corral_docker_image *ret, struct corral_error *err);
/* Makes sure that it is there. -ENOENT: no registry has it, -EACCES: not without credentials that
 * are accepted there (says which registry). */
int corral_docker_image_ensure(struct corral_docker_engine *e, const char *name,
                               const struct corral_docker_image_options *o,
                               struct corral_error *err);
/* -ENOENT; -EBUSY: containers use it. */
int corral_docker_image_remove(struct corral_docker_engine *e, const char *name,
                               struct corral_error *err);

/*
 * The image of a runtime: its image, pulled when missing; or the one built from its base_image,
 * packages and setup_commands, under the tag that its digest makes, built when there is none or
 * cache_image is false (steps that the engine has done before it need not do again); superseded
 * tags of the same runtime are removed then, but for those in use or younger than an hour. Threads
 * that ask for the same image at once share one build. ret_name is the caller's to free. A failed
 * build is -EIO, "Building {tag} failed:" with the last lines of its output; -EINVAL: there is no
 * image to start from.
 */
int corral_docker_runtime_image(struct corral_docker_engine *e, const struct corral_runtime *r,
                                const struct corral_docker_image_options *o, char **ret_name,
                                struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
