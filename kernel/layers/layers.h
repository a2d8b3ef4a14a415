/*
 * Layers: what sandboxes changed, as directories of the host. A sandbox writes to the one it was
 * made with (a policy's keep_path); that of an ended one can be frozen, and others stacked on it.
 *
 * A layer holds, each as overlayfs has its upper layers (whiteouts, opaque directories):
 *
 *     u0 w0  changes of the root, and overlayfs's own work directory
 *     u1 w1  of /usr, where root made the sandbox over the host's /usr
 *     u2 w2  of the work directory
 *     b0     in the lowest: what the root was made of, where that is composed
 *
 * Nothing here mounts anything, follows a link that a guest left, or needs the guest: layers are
 * read as overlayfs would, from the host, by the user who made them (-EPERM). Its marks count in
 * the form that this user's sandboxes have them, trusted.overlay.* as root and user.overlay.* else.
 * Layers are given by path, the topmost first.
 */
#ifndef CORRAL_KERNEL_LAYERS_LAYERS_H
#define CORRAL_KERNEL_LAYERS_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* More of them than this make no sandbox. */
#define CORRAL_LAYERS_MAX 24

enum corral_layer_part {
	CORRAL_LAYER_PART_ROOT,
	CORRAL_LAYER_PART_USR,
	CORRAL_LAYER_PART_WORK_DIR,
};
#define CORRAL_LAYER_PARTS 3

struct corral_layer_stack {
	const char *const *paths; /* the topmost first */
	size_t n;
	/* What lies beneath all of them; NULL: nothing. For the host's /usr that is "/usr". */
	const char *base_paths[CORRAL_LAYER_PARTS];
	const char *guest_paths[CORRAL_LAYER_PARTS]; /* "/", "/usr", "/workspace" */
	/* What composed roots of root's have beneath "b0" (kernel/template.h), as far as it is
	 * known; NULL: nothing. */
	const char *template_path;
};

enum corral_change_kind { CORRAL_CHANGE_ADDED = 1, CORRAL_CHANGE_CHANGED, CORRAL_CHANGE_DELETED };
/* 'A', 'C', 'D': as docker diff shows them. */
char corral_change_letter(enum corral_change_kind kind);

/* What of a path that was there before and after differs. */
enum corral_change_what {
	CORRAL_CHANGE_TYPE = 1u << 0,
	CORRAL_CHANGE_CONTENT = 1u << 1, /* of a file, a link or a device */
	CORRAL_CHANGE_MODE = 1u << 2,
	CORRAL_CHANGE_OWNER = 1u << 3,
	/* Of a directory, whatever its kind: what is in it is not told, as it lies deeper than 4096
	 * directories, or is more than one directory's names may be. */
	CORRAL_CHANGE_UNREAD = 1u << 4,
};

struct corral_change {
	const char *guest_path; /* absolute, as it lies on disk: may hold any byte but NUL */
	enum corral_change_kind kind;
	uint32_t what; /* set of enum corral_change_what; of CHANGED, but for UNREAD */
	uint32_t mode_before, mode_after; /* st_mode; 0 where it is not there */
	uint64_t size_before, size_after;
	const char *text; /* unified diff of a text file, NULL without */
	size_t text_len;
};

struct corral_layers_diff_options {
	size_t n_after;    /* layers of the stack, from the top, that make the difference */
	bool text;         /* unified diffs of text files up to text_max bytes before and after */
	uint64_t text_max; /* 0: 64 KiB */
	uint64_t changes_max; /* 0: no limit; more end it with -E2BIG */
};

/*
 * What the topmost n_after layers change, told part by part in the order of their paths, name by
 * name: a directory before what is in it. Whatever is in a directory that came or went is told as
 * well. A directory that was touched but is the same is not told, nor is what a part's own is like
 * in the base, which no guest sees. Content is compared: a file
 * written anew with what it held is no change. What an ordinary user's guest closed to its own user
 * is not looked into: files are compared by size and time, directories are as if they were empty.
 * Not 0 from told ends it, and comes back. A tree of more than 4096 levels is told so far.
 */
int corral_layers_diff(const struct corral_layer_stack *stack,
                       const struct corral_layers_diff_options *options,
                       int (*told)(void *ctx, const struct corral_change *change), void *ctx,
                       struct corral_error *err);

/* Whether anything is in it at all: cheap. -errno. */
int corral_layer_is_empty(const char *path, struct corral_error *err);

/*
 * One layer that is what upper over lower is, at path, which does not exist yet: files are linked
 * (link(2)), so both must be on path's filesystem, and frozen. has_below: there are layers beneath,
 * so whiteouts stay. Left half made when it fails or is killed; the caller removes that.
 */
int corral_layer_merge(const char *upper, const char *lower, const char *path, bool has_below,
                       struct corral_error *err);

/* All of the tree at dir_fd/name, whatever a guest made of it; links are not followed. 0 as well
 * when it is not there. */
int corral_layer_remove(int dir_fd, const char *name, struct corral_error *err);
/* The same until then (corral_now_nsec(); 0: never): -ETIMEDOUT, and the next call goes on. */
int corral_layer_remove_until(int dir_fd, const char *name, uint64_t deadline_nsec,
                              struct corral_error *err);

/* Bytes on disk of what the layer holds, and how many files; without what lies deeper than 4096
 * directories. */
int corral_layer_usage(const char *path, uint64_t *ret_bytes, uint64_t *ret_files,
                       struct corral_error *err);
struct corral_layer_watch {
	/* What was counted so far, names and bytes; a negative number, with err set, ends it. */
	int (*call)(void *ctx, uint64_t bytes, uint64_t names, struct corral_error *err);
	void *ctx;
};
/* The same of one directory, whose host path it is; watch may be NULL. What cannot be read is
 * left out, and so is what goes meanwhile. What lies deeper is -EFBIG with a watch. */
int corral_tree_usage(const char *path, const struct corral_layer_watch *watch, uint64_t *ret_bytes,
                      uint64_t *ret_files, struct corral_error *err);

/*
 * Files of a part as a sandbox would see them, for readers without one. Paths are relative to the
 * part. Links are not followed: a link is told as such. ret of list: sorted, owned by the caller.
 */
struct corral_layers_entry {
	char *name;
	uint32_t mode;
	uint64_t size;
	int64_t mtime_ms;
};
struct corral_layers_entries {
	struct corral_layers_entry *items;
	size_t n;
};
int corral_layers_list(const struct corral_layer_stack *stack, enum corral_layer_part part,
                       const char *guest_path, struct corral_layers_entries *ret,
                       struct corral_error *err);
void corral_layers_entries_done(struct corral_layers_entries *e);
/* A regular file, read-only. -ENOENT, -ELOOP for a link, -EISDIR, -EINVAL for anything else. */
int corral_layers_open_file(const struct corral_layer_stack *stack, enum corral_layer_part part,
                            const char *guest_path, int *ret_fd, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
