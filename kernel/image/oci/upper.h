/*
 * From what a sandbox changed to a layer of the store.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_UPPER_H
#define CORRAL_KERNEL_IMAGE_OCI_UPPER_H

#include <stdint.h>

#include "kernel/base/error.h"
#include "kernel/image/bounds.h"

struct corral_upper {
	const char *keep_path; /* what the sandbox kept (kernel/keep.h), which has ended */
	const char *base_path; /* the root that it stood on */
	/* Paths without leading slash, each list ended by NULL: what is no part of the layer,
	 * whatever is there; and what is none where it is empty and the base has nothing there. */
	const char *const *dropped, *const *mount_points;
	struct corral_image_bounds *bounds; /* or NULL */
};

/*
 * Makes tree/ and gone (kernel/image/layer.h) in the directory layer_path, which is on the same
 * filesystem, of the root's changes, which are moved there: keep_path is used up, also when it
 * fails. Overlayfs's marks become gone, those about nothing are left out; sockets are, too. Nothing
 * that a guest made is followed or believed. -EINVAL: something that no layer can hold, with its
 * path: a device, or a name that layers give a meaning (".wh.NAME"); and changes of a sandbox over
 * the host's /usr, or with a kept work directory. -EFBIG: too many entries, or what
 * else bounds says.
 */
int corral_upper_take(const struct corral_upper *u, const char *layer_path,
                      struct corral_error *err);

#endif
