/*
 * Inside corral-unpack: what is done to directories at the end, when nothing more is put into them:
 * an entry made in one changes its time, and a mode may keep its maker out.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UNPACK_DIRS_H
#define CORRAL_KERNEL_IMAGE_OCI_UNPACK_DIRS_H

#include "kernel/image/oci/unpack/meta.h"
#include "kernel/image/oci/unpack/place.h"
#include "kernel/image/oci/unpack/report.h"

struct dirs_item {
	char *path;
	struct meta meta;
	bool implied;
	size_t order;
};
struct dirs {
	struct dirs_item *items;
	size_t n, size;
};

/* m NULL: implied, no entry describes it (yet). Takes what m holds. What comes later for a path
 * counts. */
int dirs_add_take(struct dirs *d, const char *path, struct meta *m, struct corral_error *err);
/* Those that are still there, the deepest first. Tells of implied ones. */
int dirs_finish(struct dirs *d, const struct place *p, bool squash, struct report *report,
                struct corral_error *err);
void dirs_done(struct dirs *d);

#endif
