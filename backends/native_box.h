/*
 * Inside the native backend: one live sandbox that several threads use, and that the last of them
 * closes.
 */
#ifndef CORRAL_BACKENDS_NATIVE_BOX_H
#define CORRAL_BACKENDS_NATIVE_BOX_H

#include <sys/types.h>

#include "backends/boxes.h"
#include "backends/native.h"
#include "backends/runs.h"
#include "kernel/process.h"

struct corral_native_box {
	struct corral_box base;
	struct corral_sandbox *sandbox;
};

struct corral_native {
	struct corral_backend base;
	struct corral_launcher *launcher;
	const struct corral_policy *policy; /* a share */
	struct corral_boxes boxes;
	struct corral_runs runs;
};

static inline struct corral_native *to_native(struct corral_backend *b)
{
	return (struct corral_native *)b;
}

/* As those of boxes.h. */
static inline int corral_native_acquire(struct corral_native *n, struct corral_native_box **ret,
                                        struct corral_error *err)
{
	struct corral_box *box;
	int r = corral_boxes_acquire(&n->boxes, &box, err);

	if (r == 0)
		*ret = (struct corral_native_box *)box;
	return r;
}

static inline void corral_native_release(struct corral_native *n, struct corral_native_box *box)
{
	corral_boxes_release(&n->boxes, &box->base);
}

/* From the next sandbox on. Nobody may be in a call, and there is no sandbox. */
void corral_native_set_policy(struct corral_backend *b, const struct corral_policy *policy);

/* native_background.c */
extern const struct corral_background_ops corral_native_background_ops;

/* native_terminal.c */
int corral_native_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
                                struct corral_terminal **ret, struct corral_error *err);

/* native_files.c */
int corral_native_visit_begin(struct corral_backend *b, struct corral_visit *v,
                              struct corral_error *err);
int corral_native_visit_end(struct corral_backend *b, struct corral_visit *v, int r,
                            struct corral_error *err);

#endif
