/*
 * Inside corral-unpack: where an entry goes. Its parent directory is opened beneath the root and
 * made when it is not there. A symbolic link on the way is followed as if the root were "/", as
 * other tools do by chroot(2); what is told of such an entry has the path without the link.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_PLACE_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "kernel/image/oci/unpack/name.h"

struct place {
	int root_fd;
	char root_path[NAME_SIZE]; /* as /proc has it */
	/* The parent of the entry before, which mostly is that of the next. */
	int parent_fd;
	char asked[NAME_SIZE], real[NAME_SIZE];
	/* Told of each directory made here, and of each path that is gone again. */
	int (*made)(void *ctx, const char *path, struct corral_error *err);
	void (*gone)(void *ctx, const char *path);
	void *ctx;
};

int place_open(struct place *p, int root_fd, struct corral_error *err);
void place_close(struct place *p);

struct spot {
	int dir_fd;           /* borrowed, until the next one is found */
	char path[NAME_SIZE]; /* real, relative to the root */
	const char *name;     /* its last component */
};
/* path: cleaned, not "". make: directories on the way; else -ENOENT. */
int place_find(struct place *p, const char *path, bool make, struct spot *ret,
               struct corral_error *err);
/* Takes away what is there. for_directory: a directory stays, and the answer is 1. */
int place_clear(struct place *p, const struct spot *s, bool for_directory,
                struct corral_error *err);
/* A directory by its real path; no link is followed. -errno without a text. */
int place_directory(const struct place *p, const char *path, int flags);

#endif
