/*
 * Inside kernel/layers/: what overlayfs would show of directories that lie upon each other, read
 * from the host.
 *
 * Its marks are extended attributes: "trusted.overlay." where root made the layer, which no guest
 * can set, and "user.overlay." otherwise. The other kind is no mark: in a layer of root's a guest
 * may set user.* as it likes. So an ordinary user's guest can mark its own files only, and sees the
 * same itself.
 */
#ifndef CORRAL_KERNEL_LAYERS_VIEW_H
#define CORRAL_KERNEL_LAYERS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "kernel/base/error.h"
#include "kernel/layers/trail.h"

/* A layer's directory: the caller's own, nobody else's to change (-EPERM). */
int layer_open(const char *path, int *ret_fd, struct corral_error *err);
extern const char *const layer_part_names[CORRAL_LAYER_PARTS]; /* "u0" and so on */
/* -1 in *ret_fd where the layer has no such part. */
int layer_part_open(int layer_fd, const char *path, enum corral_layer_part part, int *ret_fd,
                    struct corral_error *err);

/* What there is to begin with (kernel/keep.c) beside u0 of the lowest layer: beneath it where root
 * made the layer; else u0 began as a copy of it, and has it all. */
#define LAYER_BEGIN "b0"

/* One part of a stack: the topmost tree first, then the base, and the template last. */
struct view {
	int fds[TRAIL_WIDTH]; /* -1: that layer has no such part */
	size_t n;             /* with the places of the base and the template */
	size_t base;          /* the base's place, behind those of all layers */
	uint32_t base_mask;   /* of the base alone, as trail_mask() has it */
	bool trusted;         /* which marks count */
	bool base_is_copied;  /* tree base_of began as a copy of the base */
	size_t base_of;
};

int view_open(const struct corral_layer_stack *stack, enum corral_layer_part part, struct view *ret,
              struct corral_error *err);
void view_close(struct view *v);

/* A directory's opaque mark: 'y', 'x' (there are whiteouts of the other form in it), or 0. */
char mark_opaque(int dir_fd, const char *name, bool trusted);
/* Of what st tells: a device that is none, or an empty file with a mark. */
bool mark_whiteout(int dir_fd, const char *name, const struct stat *st, bool trusted);

/* A name as it is seen. */
struct found {
	bool there;
	size_t tree;   /* the topmost that has it */
	uint32_t mask; /* of a directory: all trees that it is made of */
	struct stat st;
};

/* Looked up in the trees of mask where the trail is. */
int view_find(const struct trail *t, uint32_t mask, const char *name, bool trusted,
              struct found *ret);

static inline bool found_dir(const struct found *f)
{
	return f->there && S_ISDIR(f->st.st_mode);
}

#endif
