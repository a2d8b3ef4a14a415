/*
 * What the files of kernel/files/ share with each other and nobody else.
 */
#ifndef CORRAL_KERNEL_FILES_INTERNAL_H
#define CORRAL_KERNEL_FILES_INTERNAL_H

#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "kernel/files/content.h"
#include "kernel/files/names.h"

struct corral_files {
	int root_fd;
	unsigned int flags;
	/* The name of a confined root, to know absolute links that stay inside; "" when there is
	 * none. */
	char root_path[CORRAL_FILES_PATH_MAX];
};

/* 0 to go on. */
int files_stopped(const struct corral_files_stop *stop, struct corral_error *err);
/* Asks the stop's gate, if it has one. */
int files_gate(const struct corral_files_stop *stop, int fd, const char *name, const char *path,
               struct corral_error *err);

/* Whether the path names the root: "", ".", "./", "/." and, for searches or confined, "/". */
bool files_is_root(const struct corral_files *f, const char *path, bool search);

/* What stands before the names of a directory where rows show them: "" for the root, else the path
 * as it was given, with one slash behind. */
void files_shown(struct corral_buf *out, const char *path, bool root);

enum files_parent_flags {
	FILES_PARENT_MAKE = 1u << 0, /* missing directories are made */
	FILES_PARENT_FOLLOW =
	        1u << 1, /* a last symbolic link is gone through, so that the name is none */
};

struct files_parent {
	int fd;         /* O_PATH */
	char name[256]; /* never "", "." or ".." */
};

/*
 * The directory that holds the path's last name. -EINVAL when there is no last name ("/", "a/.."),
 * else -errno; no text. The caller closes fd.
 */
int files_parent(const struct corral_files *f, const char *path, unsigned int flags,
                 struct files_parent *ret);

/* With all parents: the directory, O_PATH. */
int files_make_dirs(const struct corral_files *f, const char *path, int *ret_fd);

/* For content: regular files only, never blocking, and past the gate. Sets st. */
int files_open_regular(const struct corral_files *f, const char *path,
                       const struct corral_files_stop *stop, struct stat *st,
                       struct corral_error *err);

void files_stat_from(const struct stat *st, struct corral_files_stat *ret);

/* read(2), where nothing yet is the end, and write(2), of all; both go on after EINTR; -errno. */
long files_read(int fd, void *data, size_t size);
int files_write_all(int fd, const void *data, size_t len);

static inline bool files_all_zero(const char *data, size_t len)
{
	return len && !data[0] && !memcmp(data, data + 1, len - 1);
}

/* A temporary file in parent->fd that is to replace parent->name. */
struct files_replace {
	struct files_parent parent;
	int fd;          /* what is written to */
	int target_mode; /* -1: a new file */
	char temp[40];   /* "" when fd is the target itself */
	bool unnamed;    /* temp is to be the name of what has none yet */
};

/*
 * Where the file system can, what is written has no name until it is complete: being killed leaves
 * nothing half done behind.
 */
int files_replace_open(const struct corral_files *f, const char *path, unsigned int mode,
                       const struct corral_files_stop *stop, struct files_replace *r,
                       struct corral_error *err);
int files_replace_commit(struct files_replace *r, const char *path, struct corral_error *err);
void files_replace_done(struct files_replace *r);

/* Moves the rows behind those of r, as corral_files_rows_add() would add each. */
int files_rows_append(struct corral_files_rows *r, struct corral_files_rows *more);

struct corral_files_arena *files_arena_new(void);
void files_arena_free(struct corral_files_arena *a);
/* NULL without memory; aligned for any of our structs. */
void *files_arena_alloc(struct corral_files_arena *a, size_t size);
/* With a NUL behind. */
char *files_arena_dup(struct corral_files_arena *a, const char *data, size_t len);
/* a has all of b from now on; pointers into it stay good. */
void files_arena_take(struct corral_files_arena *a, struct corral_files_arena *b);
size_t files_arena_used(const struct corral_files_arena *a);

#endif
