/*
 * Inside the base backend: shell text made of data, and the answers to it. A script is the body of
 * a shell function; what it prints is plain text without ":" and "]", its first character "=", or
 * it ends by `no WORD [TEXT]`. Shell functions at hand: no; why PATH (tells why there is none); reg
 * PATH (returns for a regular file that can be read); enc (bytes from its input as text); and $R,
 * the script that prints rows: sh -c "$R" sh TAG [-L] NAMES.
 */
#ifndef CORRAL_BACKENDS_BASE_SHELL_H
#define CORRAL_BACKENDS_BASE_SHELL_H

#include <pthread.h>

#include "backends/backend_ops.h"
#include "backends/base.h"
#include "kernel/base/cleanup.h"

struct corral_base {
	struct corral_backend base;
	struct corral_base_options options;
	pthread_mutex_t lock;  /* with one_at_a_time */
	atomic_bool no_base64; /* what is written goes as octal numbers */
	size_t text_max;       /* of an answer */
	size_t piece;          /* bytes of content that are asked for at once */
};

static inline struct corral_base *to_base(struct corral_backend *b)
{
	return (struct corral_base *)(void *)b;
}

/* An errno of the guest's, or what its tool said. */
struct corral_base_answer {
	struct corral_buf text; /* behind the "=" */
	bool hex;               /* what enc has made of bytes: not base64 */
	int code;               /* 0, or an errno: text is what the tool said, may be empty */
	char word;              /* the first letter of no's word */
};

void corral_base_answer_done(struct corral_base_answer *a);

uint64_t corral_base_deadline(int64_t ms);

/* -EINVAL, -ENAMETOOLONG. */
int corral_base_check(const char *path, struct corral_error *err);
/* The root as all operations know it; "/" as well when a search asks. */
bool corral_base_is_root(const char *path, bool search);
/* What rows below the path begin with: "" or with a slash behind. */
void corral_base_shown(struct corral_buf *out, const char *path, bool root);
/* Assigns it to the shell's variable, as a path that begins with "./" or "/". */
void corral_base_let(struct corral_buf *script, const char *name, const char *path);

/* Runs the script: 0 with an answer, which may be a failure; -errno when there was none. */
int corral_base_ask(struct corral_base *s, const struct corral_buf *script, uint64_t deadline_nsec,
                    struct corral_base_answer *ret, struct corral_error *err);
/* Decodes len bytes that enc has printed. -EIO. */
int corral_base_decode(const struct corral_base_answer *a, const char *text, size_t len,
                       struct corral_buf *ret, struct corral_error *err);
/* The error that the answer is. */
int corral_base_fail(const struct corral_base_answer *a, const char *path,
                     struct corral_error *err);

/* Rows as $R prints them, from a decoded text: the next one, false at the end. */
struct corral_base_row {
	char tag;
	const char *name; /* without "./" in front; not terminated */
	size_t name_len;
	struct corral_files_stat stat;
};
bool corral_base_row_next(const struct corral_buf *text, size_t *at, struct corral_base_row *ret);

/* base_read.c: the bytes from offset on to the sink. id, which may be NULL: what tells the content
 * from any later one. -EAGAIN without a text: it changed meanwhile. */
#define CORRAL_BASE_ID_SIZE 96
int corral_base_fetch(struct corral_base *s, const char *path, uint64_t offset, uint64_t length,
                      uint64_t max, uint64_t deadline_nsec, const struct corral_files_sink *sink,
                      char *id, struct corral_error *err);
/* The whole file, tried again when it changes. */
int corral_base_whole(struct corral_base *s, const char *path, uint64_t max, uint64_t deadline_nsec,
                      struct corral_buf *ret, char *id, struct corral_error *err);
int corral_base_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                            uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                            struct corral_error *err);
int corral_base_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                     struct corral_buf *ret, struct corral_error *err);

/* base_write.c */
int corral_base_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                             bool known, const struct corral_files_source *source,
                             struct corral_error *err);
int corral_base_edit(struct corral_backend *b, const char *path,
                     const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                     struct corral_error *err);

/* base_files.c */
bool corral_base_exists(struct corral_backend *b, const char *path);
int corral_base_stat(struct corral_backend *b, const char *path, unsigned int flags,
                     struct corral_files_stat *ret, struct corral_error *err);
int corral_base_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                   struct corral_error *err);
int corral_base_mkdir(struct corral_backend *b, const char *path, struct corral_error *err);
int corral_base_remove(struct corral_backend *b, const char *path, unsigned int flags,
                       struct corral_error *err);
int corral_base_rename(struct corral_backend *b, const char *path, const char *new_path,
                       unsigned int flags, struct corral_error *err);

/* base_search.c: what find(1) has below path, decoded, as rows of names relative to the directory
 * `below` in it; *ret_dir false: a regular file. No directory `below` is an empty list. */
int corral_base_find(struct corral_base *s, const char *path, const char *below, const char *what,
                     uint64_t deadline_nsec, struct corral_buf *ret, bool *ret_dir,
                     struct corral_base_answer *answer, struct corral_error *err);
int corral_base_glob(struct corral_backend *b, const char *pattern, const char *path,
                     unsigned int flags, struct corral_files_rows *ret, struct corral_error *err);
/* base_grep.c */
int corral_base_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                     struct corral_files_matches *ret, struct corral_error *err);

#endif
