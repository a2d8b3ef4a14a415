/*
 * How much an image in the making may take: bytes and files over all of its layers, of the disk
 * what others do not need, and time. Asked by whoever writes, while it writes: what comes is
 * somebody else's, and says nothing of its size that is to be believed.
 */
#ifndef CORRAL_KERNEL_IMAGE_BOUNDS_H
#define CORRAL_KERNEL_IMAGE_BOUNDS_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#define CORRAL_IMAGE_BYTES_MAX (32ull << 30)
#define CORRAL_IMAGE_FILES_MAX 2000000u
/* Of the store's filesystem, what stays for everybody else; a twentieth of one that is small. */
#define CORRAL_IMAGE_BYTES_SPARED (256ull << 20)
#define CORRAL_IMAGE_FILES_SPARED 10000u

/* Some times a second, of whoever works long or waits. A negative number, with err set, ends it. */
struct corral_image_tick {
	int (*call)(void *ctx, struct corral_error *err);
	void *ctx;
};

struct corral_image_limits {
	uint64_t bytes_max; /* unpacked, as archives count: holes are bytes; 0: CORRAL_IMAGE_... */
	uint64_t files_max; /* names of any kind, over all layers; 0: CORRAL_IMAGE_FILES_MAX */
};

struct corral_image_bounds {
	struct corral_image_limits limits; /* what holds */
	int disk_fd;                       /* borrowed: of the filesystem; -1: not looked at */
	struct corral_image_tick tick;     /* call NULL: none */
	uint64_t deadline_ms;              /* of corral_now_ms(); 0: none */
	_Atomic uint64_t bytes, files;     /* so far */
	_Atomic uint64_t looked_ms;
};

/* limits NULL: the usual ones. */
void corral_image_bounds_init(struct corral_image_bounds *b, const struct corral_image_limits *l,
                              int disk_fd);

/*
 * All of these take NULL, which bounds nothing. Threads may share one, but for look().
 *
 * -EFBIG: more than one image may have: counted on top of what was / looked at alone.
 */
int corral_image_bounds_add(struct corral_image_bounds *b, uint64_t bytes, uint64_t files,
                            struct corral_error *err);
int corral_image_bounds_check(const struct corral_image_bounds *b, uint64_t bytes, uint64_t files,
                              struct corral_error *err);
/* -ENOSPC: too little of the disk is left, bytes or inodes. It is asked some times a second. */
int corral_image_bounds_disk(struct corral_image_bounds *b, struct corral_error *err);
/* That, -ETIMEDOUT, and what the tick says (-ECANCELED). As often as one likes. */
int corral_image_bounds_look(struct corral_image_bounds *b, struct corral_error *err);
/* Whether an error is of a limit or of the disk: nothing of what was begun is of use then. */
static inline bool corral_image_bounds_is_full(int r)
{
	return r == -EFBIG || r == -ENOSPC || r == -EDQUOT;
}

#endif
