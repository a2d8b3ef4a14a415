/*
 * Inside the image store: one unpacked layer, and how several make a root.
 *
 * A layer's directory holds tree/, which is what it adds, and the file gone, which says what else
 * it does to those beneath: entries of one letter and a path relative to the root, each ended by
 * NUL. Before tree/ comes over what is beneath, 'D' removes the path with all that is in it (a
 * whiteout, ".wh.NAME"), and 'O' removes all that is in the directory and leaves it
 * (".wh..wh..opq"). 'I' is about a directory of tree/ itself, "" being the root, for which the
 * archive had no entry of its own: what is beneath says which mode, owner, times and extended
 * attributes it has, and if there is nothing, those that it has in tree/ count. No whiteouts of
 * overlayfs: those take privileges to make, and would mean something where such a tree is mounted.
 *
 * Owners are the image's own numbers where root unpacks (a sandbox maps them when it mounts the
 * tree), and the user's own id else; then directories have u+rwx, whatever the image says, since
 * their owner could not get at what is in them. No devices.
 */
#ifndef CORRAL_KERNEL_IMAGE_LAYER_H
#define CORRAL_KERNEL_IMAGE_LAYER_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

/* Of all entries of gone, with their NULs. */
#define CORRAL_IMAGE_GONE_MAX (64u << 20)
/* Directories in each other. */
#define CORRAL_IMAGE_DEPTH_MAX 2048

struct corral_image_gone {
	char kind;              /* 'D', 'O' or 'I' */
	const char *guest_path; /* "usr/share/doc": no leading slash, no "", "." or ".." in it */
};

/*
 * The next entry of gone's bytes from *at on, which is moved behind it: 1, 0 at the end, or -EINVAL
 * for what no layer has. ret's path is borrowed of data.
 */
int corral_image_gone_next(const char *data, size_t len, size_t *at, struct corral_image_gone *ret,
                           struct corral_error *err);

/*
 * The tree of layers (host paths of layer directories, the lowest first) at path, which is not
 * there yet: files are links (link(2)) to those of the layers, so all is on one filesystem; a file
 * that has as many links as the filesystem allows (EMLINK) is copied. Directories have the mode,
 * owner, times and extended attributes of the topmost layer that has them. Nothing in a tree is
 * followed or believed. bounds (or NULL): of files those of all layers are counted together. Left
 * half made when it fails.
 */
struct corral_image_bounds;
int corral_image_flatten(const char *const *layers, size_t n, const char *path,
                         struct corral_image_bounds *bounds, struct corral_error *err);

/* Bytes on disk and files of a tree; a file that has several names counts once. bounds (or NULL) is
 * looked at meanwhile, and what it allows is not exceeded: -EFBIG. */
int corral_image_tree_usage(const char *path, struct corral_image_bounds *bounds,
                            uint64_t *ret_bytes, uint64_t *ret_files, struct corral_error *err);

#endif
