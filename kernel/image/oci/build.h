/*
 * Runtimes with a base_image, built here: the base's root, the runtime's steps in a sandbox over
 * it, and what they changed as one more layer. policy/runtime_build.h says which steps and what the
 * image is called.
 *
 *     partial/build-TAG.lock  whose turn it is (build_once.h)
 *     build-slot-N            held by those that run (build_slot.h)
 *     partial/build-TAG/      what the sandbox keeps; locked, and used up by the layer
 *     cache/                  what package managers downloaded (build_cache.h)
 *     logs/TAG                what the last build of that tag printed
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_BUILD_H
#define CORRAL_KERNEL_IMAGE_OCI_BUILD_H

#include "kernel/image/bounds.h"
#include "kernel/image/oci/progress.h"
#include "kernel/image/store.h"
#include "policy/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_launcher;

#define CORRAL_BUILD_TIMEOUT_MS (60l * 60 * 1000)
/* Images of the same runtime, but for those in use, go with a new build when they are that old: as
 * long as somebody may be about to start one. */
#define CORRAL_BUILD_SUPERSEDED_MS (60l * 60 * 1000)
#define CORRAL_BUILD_LOGS_MAX      64
#define CORRAL_BUILD_SLOTS         2
#define CORRAL_BUILD_SLOTS_MAX     64

struct corral_build_options {
	struct corral_launcher *launcher;
	/* What the commands reach, as the operator says: "none", "host", ... as a configuration has
	 * it. NULL: "bridge", a network of the sandbox's own. */
	const char *network;
	bool no_cache;         /* though there is one, and without what was downloaded for others */
	int64_t timeout_ms;    /* 0: CORRAL_BUILD_TIMEOUT_MS */
	uint64_t memory_bytes; /* 0: three quarters of this host's, shared by those that may run */
	/* Builds of this store that run at once, whoever asked for them; others wait, and "log"
	 * says so. 0: CORRAL_BUILD_SLOTS, as far as there are processors. */
	unsigned int slots;
	struct corral_image_limits limits; /* of the image */
	const char *seccomp_cache_dir;     /* for compiled profiles (policy/seccomp.h); or NULL */
	/* "log": a line of the build; "build": still on it, the step and how many there are, each
	 * second. May be NULL. */
	const struct corral_progress *progress;
	/* Called where the base image is not in the store, to bring it there. NULL: -ENOENT. */
	int (*fetch)(void *ctx, const char *name, struct corral_error *err);
	void *fetch_ctx;
};

/*
 * The image of a runtime: the one of its tag, or a new one where there is none, o->no_cache says
 * so, or the runtime's cache_image is false. Whoever asks while another (a thread or a process)
 * builds the same waits for it, and shares what comes of it. Others of the runtime are removed
 * then. -EIO, "Building TAG failed:": a step failed; which, how, and its last lines. -EINVAL: there
 * is no base_image. -ENOENT: the base image is not there. -ECANCELED, -ETIMEDOUT, -ENOSPC;
 * -EFBIG: it wrote more than o->limits.
 */
int corral_runtime_build(struct corral_image_store *s, const struct corral_runtime *rt,
                         const struct corral_build_options *o, struct corral_image **ret,
                         struct corral_error *err);

/* The image of its tag, if that is one built for it. -ENOENT. */
int corral_runtime_build_find(struct corral_image_store *s, const struct corral_runtime *rt,
                              struct corral_image **ret, struct corral_error *err);

/* All images built for runtimes of that name; *ret_n (0: there were none) is how many are gone.
 * -EBUSY: one that is in use stays. */
int corral_runtime_build_remove(struct corral_image_store *s, const char *runtime_name,
                                size_t *ret_n, uint64_t *ret_bytes, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
