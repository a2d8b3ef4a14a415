/*
 * Inside kernel/image/oci: what package managers downloaded for earlier builds on the same base
 * image. Of each base there are a few such directories in the store's cache/, each one build's at a
 * time: managers do not share theirs well, and no build is to wait for another's. A build that
 * finds all of them taken goes without.
 *
 * What is in one was written by guests, so the host follows nothing in it; and a build believes
 * what earlier builds on the same base left there, as far as the managers do.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_BUILD_CACHE_H
#define CORRAL_KERNEL_IMAGE_OCI_BUILD_CACHE_H

#include <stdbool.h>

#include "kernel/base/error.h"
#include "policy/runtime.h"

struct corral_launcher;

#define BUILD_CACHE_SLOTS 4
/* What is larger after a build, or was not used for so long, is removed. */
#define BUILD_CACHE_BYTES_MAX (8ull << 30)
#define BUILD_CACHE_FILES_MAX 1000000u
#define BUILD_CACHE_AGE_S     (30l * 24 * 3600)

struct build_cache {
	char *path; /* of the host; NULL: none is free */
	int fd;     /* locked */
};
#define BUILD_CACHE_INIT \
	{                \
		NULL, -1 \
	}

/* guest_dir: where the guest will have it: package managers' configurations name it. launcher: to
 * remove what other ids of an ordinary user's left there. */
int build_cache_take(const char *store_path, const struct corral_runtime *rt, const char *guest_dir,
                     struct corral_launcher *launcher, struct build_cache *ret,
                     struct corral_error *err);
/* After the build; removes what is too much of it, and old ones of other bases. */
void build_cache_give(struct build_cache *c, struct corral_launcher *launcher,
                      const char *store_path);

#endif
