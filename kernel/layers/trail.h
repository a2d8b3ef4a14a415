/*
 * Inside kernel/layers/: a walk down several trees at once, by the same names, however deep. What a
 * guest made deep costs memory for its names alone: the table of open files and the stack stay as
 * they are, as only the last few directories are open; those above are opened anew on the way back,
 * name by name from the tops. No link is followed.
 */
#ifndef CORRAL_KERNEL_LAYERS_TRAIL_H
#define CORRAL_KERNEL_LAYERS_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/layers/layers.h"

#define TRAIL_WIDTH (CORRAL_LAYERS_MAX + 2) /* trees */
/* Directories below each other; beyond any path that a program can name, and short enough that the
 * ways back are no burden. */
#define TRAIL_DEPTH_MAX 4096

struct trail_level;

struct trail {
	int tops[TRAIL_WIDTH]; /* the caller's; -1: that tree is not there */
	size_t width;
	bool opens_closed; /* directories of the caller's without permission are made accessible as
	                      long as they are on the trail */
	struct corral_buf path; /* of the last level, below the tops; "" there */
	struct trail_level *levels;
	size_t depth, size;
	size_t held;     /* levels that are open */
	size_t own_size; /* of what the caller has with each level */
};

/* tops as above; trail_done() in either case. */
int trail_init(struct trail *t, const int *tops, size_t width, size_t own_size, bool opens_closed,
               struct corral_error *err);
void trail_done(struct trail *t);

/* The directory where the trail is, in tree i; -1 when that tree has none. */
int trail_fd(const struct trail *t, size_t i);
/* The caller's with this level, own_size bytes, zero at first. */
void *trail_own(const struct trail *t);
/* Which trees have it: bit i. */
uint32_t trail_mask(const struct trail *t);

/*
 * Goes down to name in the trees of mask, of those that have this directory. Where it cannot be
 * opened for want of permission the tree is left out. -ENAMETOOLONG beyond TRAIL_DEPTH_MAX.
 */
int trail_down(struct trail *t, const char *name, uint32_t mask, struct corral_error *err);
/* Back to where that began. */
int trail_up(struct trail *t, struct corral_error *err);

/* Reads the names in the trees of mask into the level's list, sorted, each once. */
int trail_read(struct trail *t, uint32_t mask, struct corral_error *err);
/* The next of them; NULL at the end. */
const char *trail_next(struct trail *t);

#endif
