/*
 * Inside the image store: how what is new gets its final name. For those who make images
 * (kernel/image/oci).
 */
#ifndef CORRAL_KERNEL_IMAGE_MAKE_H
#define CORRAL_KERNEL_IMAGE_MAKE_H

#include "kernel/image/bounds.h"
#include "kernel/image/layer.h"
#include "kernel/image/store.h"

/* Held while something is added, from before it is asked for what is there until the image has its
 * name: nothing is pruned meanwhile. Close it. */
int corral_image_store_hold(struct corral_image_store *s, int *ret_fd, struct corral_error *err);

/* ---- blobs ---- */

bool corral_image_blob_is_there(const struct corral_image_store *s, const char *digest);
/* A blob by digest "sha256:...", read-only. -ENOENT. */
int corral_image_blob_open(struct corral_image_store *s, const char *digest, int *ret_fd,
                           struct corral_error *err);

/*
 * One blob in the making. Whoever comes second for the same digest waits for the first
 * (as long as the tick, which may be NULL, lets it), and then finds it there (*ret NULL, and 0).
 * Where the first gets nowhere, the second begins one of its own beside it: either may find the
 * blob there meanwhile. What a killed one left is gone on with: *ret_size says how many bytes are
 * there already, to be hashed by whoever goes on.
 */
struct corral_image_blob;
int corral_image_blob_begin(struct corral_image_store *s, const char *digest,
                            const struct corral_image_tick *tick, struct corral_image_blob **ret,
                            uint64_t *ret_size, struct corral_error *err);
/* Of the one that is waited for, bytes that are there. */
uint64_t corral_image_blob_others(const struct corral_image_store *s, const char *digest);
/* Borrowed; read and write. Truncate it to begin anew. */
int corral_image_blob_fd(const struct corral_image_blob *b);
/* The caller has verified the digest. Synced and named; frees b, also when it fails. */
int corral_image_blob_commit_take(struct corral_image_blob *b, struct corral_error *err);
/* Leaves what is there for the next one, or removes it. Takes NULL. */
void corral_image_blob_abandon(struct corral_image_blob *b, bool keep);
/* What was left of it half made, unless somebody is at it. */
void corral_image_blob_forget(struct corral_image_store *s, const char *digest);

/* What no image needs (blobs, layers, roots) goes, unless images are made meanwhile: after one that
 * came to nothing because the disk is full. */
void corral_image_store_sweep(struct corral_image_store *s);
/* Of the filesystem that it is on; borrowed. */
int corral_image_store_fd(const struct corral_image_store *s);

/* ---- layers ---- */

/* Whether one is there, whole. */
bool corral_image_layer_is_there(struct corral_image_store *s, const char *diff_id);
/*
 * One layer in the making, as with blobs: *ret NULL when it is there. It begins empty: what a
 * killed one left is removed first.
 */
struct corral_image_layer_making;
int corral_image_layer_begin(struct corral_image_store *s, const char *diff_id,
                             const struct corral_image_tick *tick,
                             struct corral_image_layer_making **ret, struct corral_error *err);
/* Host path of the directory that shall become the layer: make tree/ and gone in it. Borrowed. */
const char *corral_image_layer_making_path(const struct corral_image_layer_making *m);
/* A layer made of a tree whose digest is known only at its end: begun with diff_id NULL. */
int corral_image_layer_commit_take(struct corral_image_layer_making *m, const char *diff_id,
                                   struct corral_error *err);
void corral_image_layer_abandon(struct corral_image_layer_making *m);

/* ---- images ---- */

/*
 * Makes the root of i->layers (all there) when there is none, with hard links to their files, and
 * the image itself; fills i->root_id, layer_bytes, size_bytes and stored_ms. name may be NULL. Its
 * manifest and configuration are blobs that are there, but for built_for ones, which may lack a
 * manifest. bounds (or NULL) holds for all layers together: -EFBIG, -ENOSPC, and what its tick
 * says. -EPERM: the name is that of an image which was built here for a runtime, and i is not: that
 * is no other's to take.
 */
int corral_image_commit(struct corral_image_store *s, struct corral_image *i, const char *name,
                        struct corral_image_bounds *bounds, struct corral_error *err);

#endif
