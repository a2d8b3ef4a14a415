/*
 * Inside the image store: what its files share.
 */
#ifndef CORRAL_KERNEL_IMAGE_STORE_STATE_H
#define CORRAL_KERNEL_IMAGE_STORE_STATE_H

#include <sys/file.h>

#include "kernel/base/buf.h"
#include "kernel/image/make.h"
#include "kernel/image/store.h"

enum store_dir {
	STORE_BLOBS,
	STORE_LAYERS,
	STORE_ROOTS,
	STORE_IMAGES,
	STORE_NAMES,
	STORE_PINS,
	STORE_PARTIAL,
	STORE_DIRS,
};
const char *store_dir_name(enum store_dir dir); /* "blobs/sha256", "layers", ... */

struct corral_image_store {
	char *path; /* absolute */
	int fd;
	int dirs[STORE_DIRS];
	bool unsynced; /* of tests: nothing waits for the disk */
	/* Of tests: how long others are waited for (blob.c, sweep.c); 0: as usual. */
	uint64_t stall_ms, others_ms;
};

#define STORE_HEX      64
#define STORE_HEX_SIZE 65
#define STORE_NAME_MAX 96 /* of what is in partial/ */

/* "sha256:" and 64 digits in lower case: those, else NULL. */
const char *store_hex(const char *digest);
bool store_is_hex(const char *text);
/* Of a text, as hex. */
void store_hash(const void *data, size_t len, char ret[STORE_HEX_SIZE]);
#define STORE_LOOSE_PREFIX "new-"
/* PREFIX and random digits, for partial/. */
void store_name_new(const char *prefix, char ret[STORE_NAME_MAX]);

/* The path of a directory that lies beneath dir_fd with no link on the way. fd or -errno. */
int store_open_beneath(int dir_fd, const char *guest_path, int flags);
/* All that is in a directory. */
int store_clear(int dir_fd, struct corral_error *err);

/*
 * Two locks. "lock" is held for moments, by whoever changes what has its final name (LOCK_EX), or
 * must not see it change meanwhile (LOCK_SH). "hold" is held shared by those who make images, which
 * may take long, and by whoever takes away what no image needs (LOCK_EX). Who takes both takes hold
 * first. op may have LOCK_NB: -EWOULDBLOCK.
 */
int store_lock(struct corral_image_store *s, const char *name, int op, int *ret_fd,
               struct corral_error *err);

/*
 * An entry of partial/, made where it is not there (a directory, else a file), and locked: 1 when
 * it was made, 0 when it was there; waits for whoever has it, as long as the tick (or NULL) lets
 * it.
 */
int store_partial_take(struct corral_image_store *s, const char *name, bool is_dir,
                       const struct corral_image_tick *tick, int *ret_fd, struct corral_error *err);
/* Whether a name is there, in one of the directories. */
bool store_is_there(const struct corral_image_store *s, enum store_dir dir, const char *name);
/* From partial/ to its final name, which is not there. */
int store_name_it(struct corral_image_store *s, const char *partial, enum store_dir dir,
                  const char *name, struct corral_error *err);
/* To partial/, to be removed by store_trash_empty(), or by whoever prunes. */
int store_trash(struct corral_image_store *s, enum store_dir dir, const char *name,
                struct corral_error *err);
/* Removes what is in partial/ and nobody has locked. */
enum store_partial {
	STORE_TRASH,     /* what was taken out of the way */
	STORE_LOOSE,     /* what is made and named with the store's lock, which the caller has */
	STORE_ABANDONED, /* all else, whose makers have locked it */
};
/* o (or NULL): of prune, its way to remove and whether it shall. */
int store_partial_clean(struct corral_image_store *s, enum store_partial which,
                        const struct corral_image_prune_options *o, uint64_t *ret_bytes,
                        struct corral_error *err);
/* Of a directory's entry, as far as it can be read. */
uint64_t store_tree_bytes(int dir_fd, const char *name);
/* o: of prune. What is counted comes on top of what is in removed. */
int store_caches_remove(struct corral_image_store *s, const struct corral_image_prune_options *o,
                        struct corral_image_removal *removed, struct corral_error *err);
int store_sync_dir(const struct corral_image_store *s, enum store_dir dir,
                   struct corral_error *err);
/* All of the filesystem. */
int store_sync_all(const struct corral_image_store *s, struct corral_error *err);

/* A small file of an entry: read, or written in the place of what is there (not synced). */
int store_file_read(int dir_fd, const char *name, size_t max, struct corral_buf *ret);
int store_file_write(int dir_fd, const char *name, const void *data, size_t len,
                     struct corral_error *err);

/* Names of a directory's entries that are wanted, sorted; free with store_list_done(). */
struct store_list {
	char **v;
	size_t n;
};
int store_list(const struct corral_image_store *s, enum store_dir dir,
               bool (*wanted)(const char *name), struct store_list *ret, struct corral_error *err);
void store_list_done(struct store_list *l);

/* ---- layers ---- */

/* One that is there, but was not on disk yet when the machine went down, is as good as none. */
bool store_layer_is_whole(struct corral_image_store *s, const char *hex);
/* What its mark says no longer holds: all is on disk. */
int store_layer_settle(struct corral_image_store *s, const char *hex, struct corral_error *err);
bool store_layer_is_settled(struct corral_image_store *s, const char *hex);
/* Bytes on disk, as they were when it was made. */
uint64_t store_layer_bytes(struct corral_image_store *s, const char *hex);

/* ---- images ---- */

/* The JSON of images/HEX. -EBADMSG for what is none; -EOPNOTSUPP for a newer corral's. */
int store_image_parse(const char *text, size_t len, struct corral_image **ret,
                      struct corral_error *err);
int store_image_write(const struct corral_image *i, struct corral_buf *ret,
                      struct corral_error *err);
/* By its hex digits, without names. -ENOENT. */
int store_image_read(struct corral_image_store *s, const char *hex, struct corral_image **ret,
                     struct corral_error *err);

/* All names that there are, sorted. */
struct store_names {
	struct store_name {
		char *name, *hex; /* of its image, which may be gone */
		char *file;       /* in names/ */
	} * items;
	size_t n;
};
int store_names_read(struct corral_image_store *s, struct store_names *ret,
                     struct corral_error *err);
void store_names_done(struct store_names *names);
/* i->names, of those. */
int store_names_give(const struct store_names *names, struct corral_image *i,
                     struct corral_error *err);
/* With the lock: names of images that are gone. */
int store_names_clean(struct corral_image_store *s, struct corral_error *err);
/* With the lock: -EPERM when the name is one that an image built for a runtime has, and the image
 * that is to get it (built_for: "" or NULL) is none. */
int store_name_check(struct corral_image_store *s, const char *full, const char *built_for,
                     struct corral_error *err);
/* With the lock. */
int store_name_put(struct corral_image_store *s, const char *name, const char *hex,
                   struct corral_error *err);

/* With the lock: of those, one that keeps the image; a copy of its path, NULL without. */
int store_pin_find(struct corral_image_store *s, const char *hex, char **ret,
                   struct corral_error *err);
/* Pins whose keeper is gone. */
int store_pins_clean(struct corral_image_store *s, struct corral_error *err);
/* With the lock: whether a sandbox runs on it. */
bool store_root_is_used(struct corral_image_store *s, const char *hex);

#endif
