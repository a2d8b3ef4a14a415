/*
 * A place where files live: a directory, memory, the inside of a sandbox. One protocol for all of
 * them, so that callers need not know which they have. What a backend cannot do is asked for by
 * corral_backend_can() and answered with -EOPNOTSUPP otherwise.
 *
 * Paths, results, limits and error texts are those of kernel/files/files.h. A backend may be used
 * by many threads at once. Nothing here starts what need not run: a sandbox is made by the first
 * call that needs it.
 */
#ifndef CORRAL_BACKENDS_BACKEND_H
#define CORRAL_BACKENDS_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"
#include "kernel/files/files.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_backend;

enum corral_backend_cap {
	CORRAL_BACKEND_CAN_EXECUTE = 1u << 0,    /* backends/sandbox.h */
	CORRAL_BACKEND_CAN_BACKGROUND = 1u << 1, /* background processes */
	CORRAL_BACKEND_CAN_TERMINAL = 1u << 2,   /* interactive sessions */
	CORRAL_BACKEND_CAN_PAUSE = 1u << 3,
	CORRAL_BACKEND_CAN_MEASURE = 1u << 4, /* resource usage */
	CORRAL_BACKEND_CAN_ARCHIVE = 1u << 5, /* trees in and out */
};

bool corral_backend_can(const struct corral_backend *b, enum corral_backend_cap cap);
/* "native", "local", ...; static. */
const char *corral_backend_kind(const struct corral_backend *b);
/* Given when it was made, or a random UUID. Owned by the backend. */
const char *corral_backend_id(const struct corral_backend *b);
/* What the paths of listings and searches begin with: "/srv/project", "/", or "" when they are
 * relative to the root. Owned by the backend. */
const char *corral_backend_root_path(const struct corral_backend *b);
/* Ends what runs in it and frees it; nobody else may be in a call. Takes NULL. */
void corral_backend_close(struct corral_backend *b);

/* Of a regular file; false for whatever reason. */
bool corral_backend_exists(struct corral_backend *b, const char *path);
int corral_backend_stat(struct corral_backend *b, const char *path, unsigned int flags,
                        struct corral_files_stat *ret, struct corral_error *err);
int corral_backend_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                      struct corral_error *err);
/* Numbered text, appended to ret. limit 0: CORRAL_FILES_READ_LINES. */
int corral_backend_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                        struct corral_buf *ret, struct corral_error *err);
/* Appended to ret; a file of more than max bytes (0: 8 MiB) is -EFBIG. */
int corral_backend_read_bytes(struct corral_backend *b, const char *path, uint64_t max,
                              struct corral_buf *ret, struct corral_error *err);
/* Parents are made; readers see the old content or the new. */
int corral_backend_write(struct corral_backend *b, const char *path, const void *data, size_t len,
                         struct corral_error *err);
/* The number of occurrences is set also on -ENOMSG and -ENOTUNIQ. */
int corral_backend_edit(struct corral_backend *b, const char *path,
                        const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                        struct corral_error *err);
int corral_backend_glob(struct corral_backend *b, const char *pattern, const char *path,
                        unsigned int flags, struct corral_files_rows *ret,
                        struct corral_error *err);
int corral_backend_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                        struct corral_files_matches *ret, struct corral_error *err);
int corral_backend_mkdir(struct corral_backend *b, const char *path, struct corral_error *err);
int corral_backend_remove(struct corral_backend *b, const char *path, unsigned int flags,
                          struct corral_error *err);
int corral_backend_rename(struct corral_backend *b, const char *path, const char *new_path,
                          unsigned int flags, struct corral_error *err);

/* Streams, for what is too big for memory. */
int corral_backend_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                               uint64_t length, const struct corral_files_sink *sink,
                               struct corral_error *err);
int corral_backend_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                                const struct corral_files_source *source, struct corral_error *err);
int corral_backend_tar_out(struct corral_backend *b, const char *path,
                           const struct corral_files_sink *sink, struct corral_files_copied *ret,
                           struct corral_error *err);
int corral_backend_tar_in(struct corral_backend *b, const char *path,
                          const struct corral_files_source *source, struct corral_files_copied *ret,
                          struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
