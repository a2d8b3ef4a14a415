/*
 * What file operations take and give, as plain values; the same on both sides of the wire. A result
 * that has rows or matches owns their memory until its _done, which is fine on one that is zeroed
 * or half-made.
 */
#ifndef CORRAL_KERNEL_FILES_RESULT_H
#define CORRAL_KERNEL_FILES_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"

#ifdef __cplusplus
extern "C" {
#endif

enum corral_files_op_flags {
	CORRAL_FILES_NOFOLLOW = 1u << 0,      /* stat */
	CORRAL_FILES_LS_LINKS = 1u << 1,      /* ls: links that lead nowhere as well */
	CORRAL_FILES_HIDDEN = 1u << 2,        /* glob */
	CORRAL_FILES_RECURSIVE = 1u << 3,     /* remove */
	CORRAL_FILES_NOREPLACE = 1u << 4,     /* rename */
	CORRAL_FILES_IGNORE_HIDDEN = 1u << 5, /* grep: no hidden names, no build directories */
	CORRAL_FILES_IGNORE_CASE = 1u << 6,   /* grep */
	CORRAL_FILES_NO_GITIGNORE = 1u << 7,  /* grep: .gitignore files say nothing */
	/* glob: only the paths are wanted, so that a backend may leave sizes and times untold */
	CORRAL_FILES_NAMES = 1u << 8,
	CORRAL_FILES_OPEN_CLOSED =
	        1u << 9, /* remove: directories of one's own, whatever their modes */
	CORRAL_FILES_OP_FLAGS_ALL = (1u << 10) - 1,
};

enum corral_files_type {
	CORRAL_FILES_REGULAR = 1,
	CORRAL_FILES_DIRECTORY,
	CORRAL_FILES_LINK,
	CORRAL_FILES_OTHER, /* FIFO, socket, device */
	CORRAL_FILES_TYPE_END,
};

struct corral_files_stat {
	enum corral_files_type type;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
	uint64_t size; /* of regular files, else 0 */
	int64_t mtime_nsec;
	bool is_link; /* the name is a symbolic link, type what it leads to */
};

struct corral_files_row {
	const char *path; /* one the caller can send back */
	const char *name; /* its last part */
	struct corral_files_stat stat;
};

struct corral_files_arena;

struct corral_files_rows {
	struct corral_files_row *rows;
	size_t n;
	bool truncated;  /* a ceiling was reached: there may be more */
	bool incomplete; /* some could not be looked at */
	struct corral_files_arena *arena;
	size_t size;
};

struct corral_files_match {
	const char *path;
	uint64_t line_number; /* from 1 */
	const char
	        *line; /* valid UTF-8 without the line's end; may hold NULs, ends with one more */
	size_t line_len;
	bool cut; /* the line was longer */
};

struct corral_files_matches {
	struct corral_files_match *matches;
	size_t n;
	bool truncated;  /* a ceiling was reached: there may be more */
	bool incomplete; /* unreadable places, lines that cost too much to match */
	struct corral_files_arena *arena;
	size_t size;
};

struct corral_files_grep {
	const char *pattern;
	const char *path; /* NULL: the root */
	const char *glob; /* or NULL */
	unsigned int flags;
	uint64_t max_matches; /* 0: CORRAL_FILES_MATCHES_MAX */
};

struct corral_files_edit {
	const char *old_text;
	size_t old_len;
	const char *new_text;
	size_t new_len;
	bool replace_all;
};

struct corral_files_copied {
	uint64_t entries;
	uint64_t bytes;   /* of file content */
	uint64_t skipped; /* left out: unreadable, or of a kind that is not copied */
};

void corral_files_rows_done(struct corral_files_rows *r);
void corral_files_matches_done(struct corral_files_matches *m);

/* Strings are copied. -ENOMEM, or -EFBIG when the result's ceilings are reached, which sets
 * truncated. */
int corral_files_rows_add(struct corral_files_rows *r, const char *path, size_t path_len,
                          const struct corral_files_stat *stat);
int corral_files_matches_add(struct corral_files_matches *m, const char *path, size_t path_len,
                             uint64_t line_number, const char *line, size_t line_len, bool cut);

/*
 * Each row gets the path that name() gives for its own, which need not last longer than until the
 * next call; NULL: the row goes. 0 or -errno, after which there are no rows.
 */
typedef int corral_files_rename_fn(void *ctx, const char *path, const char **ret_path,
                                   size_t *ret_len);
int corral_files_rows_rename(struct corral_files_rows *r, corral_files_rename_fn *name, void *ctx);

/* By path; directories first with dirs_first. */
void corral_files_rows_sort(struct corral_files_rows *r, bool dirs_first);

/*
 * The whole sentence of an edit that found nothing (occurrences 0) or too much, however long the
 * old text is; the caller frees. NULL without memory.
 */
char *corral_files_edit_text(const struct corral_files_edit *edit, uint64_t occurrences);

#ifdef __cplusplus
}
#endif

#endif
