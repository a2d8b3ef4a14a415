/*
 * What composed roots begin with, as a directory of the host that was made once: the skeleton, and
 * what a guest sees of the host's /etc. A layer for all sandboxes instead of half a hundred inodes
 * and a dozen mounts for each. It lives in the runtime directory under a name made from its
 * content:
 *
 *     root-SKELETON-CONTENT     a directory; shared flock(2) as long as somebody uses it
 *     root-SKELETON.sources     which the newest is, and what it was copied from
 *
 * Another version, another boot, or a host whose /etc changed, has another name. Whoever makes one
 * removes those that nobody uses.
 */
#ifndef CORRAL_KERNEL_TEMPLATE_H
#define CORRAL_KERNEL_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/etc.h"
#include "kernel/host.h"

/* Where they are: with the runtime's files, or where those cannot be id-mapped on the disk. */
#define CORRAL_TEMPLATE_RUNTIME_DIR "/run/corral"
#define CORRAL_TEMPLATE_DISK_DIR    "/var/lib/corral/roots"

struct corral_template {
	char path[192];
	uint32_t has;  /* bit i: etc->bind[i] is in it */
	char *sources; /* corral_etc_sources_same(); NULL: as good as changed */
	int lock_fd;
};

/*
 * Root only. runtime_dir: a directory that nobody else can write. 0 with ret, to be ended after the
 * last sandbox made with it; -EOPNOTSUPP where the directory's file system cannot be id-mapped,
 * other -errno when it could not be made: sandboxes then have a skeleton each.
 */
int corral_template_find(const char *runtime_dir, const struct corral_etc *etc,
                         const struct corral_host *host, struct corral_template *ret,
                         struct corral_error *err);
/* The newest that sandboxes of this version were made with since the host started, and that is
 * there still; none is made. -ENOENT; -ENOMEM. As such it has no sources. */
int corral_template_newest(const struct corral_etc *etc, struct corral_template *ret);
/* Whether the host's files are still those that it was made from. */
bool corral_template_is_current(const struct corral_template *t);
void corral_template_done(struct corral_template *t);

/* Makes a skeleton's entries (kernel/skeleton.h) in a directory that nobody else writes to; what a
 * killed one left of them is made anew. */
int corral_template_fill(int dir_fd, const struct corral_buf *entries, struct corral_error *err);

#endif
