/*
 * What the steps that build the root have in common: see root.c for the directories of the scratch.
 */
#ifndef CORRAL_KERNEL_INIT_ROOT_H
#define CORRAL_KERNEL_INIT_ROOT_H

#include "kernel/init/init.h"

/* The one directory of a launchpad (kernel/child.c). */
#define LAUNCHPAD_PLACE "/sys"

/* In the scratch. */
long dir_make(struct init *in, const char *name, uint32_t mode, uint32_t uid, uint32_t gid);
/* The step's blob, in that directory of the scratch. */
long entries_make(struct init *in, const struct corral_step *s, const char *name);
int object_is_file(int fd);
/* A directory of the scratch as the root, which is kept; and on a path of the guest's. */
long kept_root_bind(struct init *in, const char *name, uint16_t flags);
long scratch_bind(struct init *in, const struct corral_step *s, const char *name,
                  const char *guest_path, uint64_t attr);

#endif
