/*
 * Inside the native backend: one live sandbox that several threads use, and that the last of them
 * closes.
 */
#ifndef CORRAL_BACKENDS_NATIVE_BOX_H
#define CORRAL_BACKENDS_NATIVE_BOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "backends/backend_ops.h"
#include "backends/backgrounds.h"
#include "backends/native.h"
#include "backends/runs.h"
#include "kernel/process.h"

struct corral_native_server;

struct corral_native_box {
	struct corral_sandbox *sandbox;
	unsigned int refs; /* under the backend's lock, as is all that follows */
	struct corral_backgrounds backgrounds; /* with a lock of their own */
	struct corral_native_server *server;   /* NULL until the first file operation */
	bool starting;                         /* it is on its way */
	uint64_t cpu_usec, cpu_at_usec;        /* of the last measure */
};

struct corral_native {
	struct corral_backend base;
	struct corral_launcher *launcher;
	const struct corral_policy *policy; /* a share */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct corral_native_box *box; /* NULL: none yet */
	unsigned int n_boxes;          /* not yet closed */
	bool opening;
	char lost[160]; /* why the last one went by itself; "" when it did not */
	struct corral_runs runs;
	atomic_uint last_background;
};

static inline struct corral_native *to_native(struct corral_backend *b)
{
	return (struct corral_native *)b;
}

/* The live sandbox, made when there is none; to be released. -EPIPE when it went by itself, and
 * nobody has begun anew since. */
int corral_native_acquire(struct corral_native *n, struct corral_native_box **ret,
                          struct corral_error *err);
/* The same, but NULL when there is none. */
struct corral_native_box *corral_native_find(struct corral_native *n);
void corral_native_release(struct corral_native *n, struct corral_native_box *box);

/* native_background.c */
extern const struct corral_background_ops corral_native_background_ops;
int corral_native_background_start(struct corral_backend *b, const char *command,
                                   struct corral_background *ret, struct corral_error *err);
int corral_native_background_read(struct corral_backend *b, const char *shell_id,
                                  struct corral_buf *out, struct corral_buf *err_out,
                                  struct corral_background *ret, struct corral_error *err);
int corral_native_background_kill(struct corral_backend *b, const char *shell_id,
                                  struct corral_error *err);
int corral_native_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                  struct corral_error *err);
int corral_native_background_kill_all(struct corral_backend *b, struct corral_error *err);

/* native_terminal.c */
int corral_native_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
                                struct corral_terminal **ret, struct corral_error *err);

/* native_files.c: the ops, and the end of a box's server. */
bool corral_native_exists(struct corral_backend *b, const char *path);
int corral_native_stat(struct corral_backend *b, const char *path, unsigned int flags,
                       struct corral_files_stat *ret, struct corral_error *err);
int corral_native_ls(struct corral_backend *b, const char *path, struct corral_files_rows *ret,
                     struct corral_error *err);
int corral_native_read(struct corral_backend *b, const char *path, uint64_t offset, uint64_t limit,
                       struct corral_buf *ret, struct corral_error *err);
int corral_native_edit(struct corral_backend *b, const char *path,
                       const struct corral_files_edit *edit, uint64_t *ret_occurrences,
                       struct corral_error *err);
int corral_native_glob(struct corral_backend *b, const char *pattern, const char *path,
                       unsigned int flags, struct corral_files_rows *ret, struct corral_error *err);
int corral_native_grep(struct corral_backend *b, const struct corral_files_grep *grep,
                       struct corral_files_matches *ret, struct corral_error *err);
int corral_native_mkdir(struct corral_backend *b, const char *path, struct corral_error *err);
int corral_native_remove(struct corral_backend *b, const char *path, unsigned int flags,
                         struct corral_error *err);
int corral_native_rename(struct corral_backend *b, const char *path, const char *new_path,
                         unsigned int flags, struct corral_error *err);
int corral_native_read_stream(struct corral_backend *b, const char *path, uint64_t offset,
                              uint64_t length, uint64_t max, const struct corral_files_sink *sink,
                              struct corral_error *err);
int corral_native_write_stream(struct corral_backend *b, const char *path, unsigned int mode,
                               bool known, const struct corral_files_source *source,
                               struct corral_error *err);
int corral_native_tar_out(struct corral_backend *b, const char *path,
                          const struct corral_files_sink *sink, struct corral_files_copied *ret,
                          struct corral_error *err);
int corral_native_tar_in(struct corral_backend *b, const char *path,
                         const struct corral_files_source *source, struct corral_files_copied *ret,
                         struct corral_error *err);
void corral_native_server_close(struct corral_native_box *box);

#endif
