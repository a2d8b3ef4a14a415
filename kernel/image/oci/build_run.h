/*
 * Inside kernel/image/oci: the steps of a runtime's build, run in a sandbox over the base image's
 * root, which keeps what they change in a directory.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_BUILD_RUN_H
#define CORRAL_KERNEL_IMAGE_OCI_BUILD_RUN_H

#include "kernel/image/bounds.h"
#include "kernel/image/oci/build_log.h"
#include "kernel/image/store.h"
#include "policy/runtime.h"

struct corral_launcher;

/* Where the guest has what is no part of the image. */
#define BUILD_GUEST_DIR   "/.corral-build"
#define BUILD_GUEST_CACHE BUILD_GUEST_DIR "/cache"

struct build_run {
	struct corral_launcher *launcher;
	const struct corral_runtime *runtime;
	const struct corral_image *base;
	const char *root_path;         /* of the base */
	const char *keep_path;         /* an empty directory, the caller's own */
	const char *cache_path;        /* NULL: package managers have none */
	const char *network;           /* as a configuration has it; NULL: the best there is */
	const char *log_path;          /* for messages; NULL: none */
	const char *seccomp_cache_dir; /* or NULL */
	uint64_t memory_bytes;
	uint64_t deadline_ms; /* corral_now_ms() */
	/* What the layer may have; looked at while commands run, too. */
	struct corral_image_bounds *bounds;
	struct build_log *log;
};

/*
 * -EIO: a step failed; what is said is which, how, and its last lines. -ECANCELED, -ETIMEDOUT;
 * -ENOSPC: the disk is nearly full; -EFBIG: it wrote too much. What was changed is then left for
 * corral_mapped_remove().
 */
int build_run_steps(const struct build_run *b, struct corral_error *err);

/*
 * Whether an ordinary user's build had ids of its own; what it changed is then owned by these, and
 * made the user's own here, as everything in such a store is.
 */
int build_run_squash(const struct build_run *b, struct corral_error *err);
#endif
