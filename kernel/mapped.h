/*
 * What belongs to an ordinary user's subordinate ids (subuid(5)): out of reach for the user, who
 * has it all the same in directories of their own, and of everybody in a user namespace that maps
 * these ids.
 */
#ifndef CORRAL_KERNEL_MAPPED_H
#define CORRAL_KERNEL_MAPPED_H

#include <stdint.h>

#include "kernel/image/bounds.h"

struct corral_launcher;

/* A script of the host's shell, in a sandbox as the root of these ids, in the directory path (of
 * the host), where alone it can write. tick (or NULL) is called meanwhile, and ends it; deadline_ms
 * by corral_now_ms(), 0: none. -EIO: the script failed; -ETIMEDOUT; others: there are no such ids
 * to be had, or no sandbox. */
int corral_mapped_run(struct corral_launcher *launcher, const char *path, const char *script,
                      const struct corral_image_tick *tick, uint64_t deadline_ms,
                      struct corral_error *err);
/* Removes parent_path/name, whoever owns what is in it; of root and without a launcher (NULL) as
 * the caller alone. */
int corral_mapped_remove(struct corral_launcher *launcher, const char *parent_path,
                         const char *name, struct corral_error *err);

#endif
