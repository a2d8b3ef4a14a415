/*
 * The skeleton of a composed root as a directory of the host, made once: a layer for all sandboxes
 * instead of half a hundred inodes for each. It lives in the runtime directory under a name made
 * from its content, and stays there: one that looks different (another version, a host that
 * changed) has another name.
 */
#ifndef CORRAL_KERNEL_TEMPLATE_H
#define CORRAL_KERNEL_TEMPLATE_H

#include <stddef.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/etc.h"
#include "kernel/host.h"

/*
 * Root only. runtime_dir: a directory that nobody else can write. 0 with the path in ret;
 * -EOPNOTSUPP where the directory's file system cannot be id-mapped, other -errno when it could not
 * be made: sandboxes then have a skeleton each.
 */
int corral_template_find(const char *runtime_dir, const struct corral_etc *etc,
                         const struct corral_host *host, char *ret, size_t size,
                         struct corral_error *err);

/* Makes a skeleton's entries (kernel/skeleton.h) in a directory that nobody else writes to; what a
 * killed one left of them is made anew. */
int corral_template_fill(int dir_fd, const struct corral_buf *entries, struct corral_error *err);

#endif
