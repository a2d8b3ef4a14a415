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
#include "backends/served.h"
#include "kernel/process.h"

struct corral_native_box {
	struct corral_sandbox *sandbox;
	unsigned int refs; /* under the backend's lock, as is all that follows */
	struct corral_backgrounds backgrounds; /* with a lock of their own */
	struct corral_served_slot files;       /* the same */
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

/* native_files.c */
int corral_native_visit_begin(struct corral_backend *b, struct corral_visit *v,
                              struct corral_error *err);
int corral_native_visit_end(struct corral_backend *b, struct corral_visit *v, int r,
                            struct corral_error *err);

#endif
