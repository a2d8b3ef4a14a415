/*
 * Inside the image store: one unpacked layer, and how several make a root.
 *
 * A layer's directory holds tree/, which is what it adds, and the file gone, which is what it takes
 * from the layers beneath before that: entries of one letter and a path relative to the root, each
 * ended by NUL. 'D' removes the path with all that is in it (a whiteout, ".wh.NAME"), 'O' removes
 * all that is in the directory and leaves it (".wh..wh..opq"). No whiteouts of overlayfs: those
 * take privileges to make, and would mean something where such a tree is mounted.
 *
 * Owners are the image's own numbers where root unpacks (a sandbox maps them when it mounts the
 * tree), and the user's own id else. The tree itself is "/" of the image: its mode and owner count
 * as well.
 */
#ifndef CORRAL_KERNEL_IMAGE_LAYER_H
#define CORRAL_KERNEL_IMAGE_LAYER_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

struct corral_image_gone {
	char kind;              /* 'D' or 'O' */
	const char *guest_path; /* "usr/share/doc": no leading slash, no "." or ".." */
};

/*
 * The tree of layers (host paths of layer directories, the lowest first) at path, which is not
 * there yet: files are links (link(2)) to those of the layers, so all is on one filesystem; a file
 * that has as many links as the filesystem allows (EMLINK) is copied. Directories have the mode,
 * owner, times and extended attributes of the topmost layer that has them. Nothing in a tree is
 * followed or believed. Left half made when it fails.
 */
int corral_image_flatten(const char *const *layers, size_t n, const char *path,
                         struct corral_error *err);

/* Bytes on disk and files of a tree. */
int corral_image_tree_usage(const char *path, uint64_t *ret_bytes, uint64_t *ret_files,
                            struct corral_error *err);

#endif
