/*
 * A directory of the host that keeps what sandboxes change, one after the other.
 */
#ifndef CORRAL_KERNEL_KEEP_H
#define CORRAL_KERNEL_KEEP_H

#include <stdbool.h>

#include "kernel/base/error.h"

/*
 * Makes it ready and locks it: two sandboxes over one upper directory would garble each other
 * (overlayfs's documentation calls it undefined). overlays: with upper and work directories in it.
 * The lock goes with the last copy of *ret_fd. -EBUSY when another has it; -EPERM when somebody
 * else could change it meanwhile; -ENOTEMPTY when something else is in it.
 */
int corral_keep_open(const char *path, bool overlays, int *ret_fd, struct corral_error *err);

/* For a sandbox that did not come to be: takes away what corral_keep_open() made and nobody used.
 */
void corral_keep_undo(int keep_fd);

#endif
