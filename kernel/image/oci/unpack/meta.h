/*
 * Inside corral-unpack: who owns an entry, what may be done with it, when it was changed, and its
 * extended attributes.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_META_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_META_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "kernel/base/error.h"

/* The last id that a sandbox has a number for; owners beyond it become it ("nobody" by custom). */
#define META_ID_LAST 65534u

struct archive_entry;

struct meta_attribute {
	char *name;
	void *value;
	size_t size;
};

struct meta {
	mode_t mode; /* 07777 */
	uid_t uid;
	gid_t gid;
	struct timespec times[2];
	struct meta_attribute *attributes;
	size_t n_attributes;
	/* Of security.capability, which is the host's to set; NULL without. */
	void *capability;
	size_t capability_size;
};

/* What an entry says. squash: everything is its maker's own, who shall be able to read it. */
int meta_read(struct archive_entry *e, bool squash, struct meta *ret, struct corral_error *err);
void meta_done(struct meta *m);
/* To a file or directory that is open; attributes as well. -errno with a text without the name. */
int meta_apply(const struct meta *m, int fd, bool squash, struct corral_error *err);
/* To what cannot be opened: owner and times. */
int meta_apply_at(const struct meta *m, int dir_fd, const char *name, bool squash,
                  struct corral_error *err);

#endif
