/*
 * Inside the backends: the one live sandbox behind a backend. It is made by the first call that
 * needs it, used by several threads, and closed by the last of them; when it went by itself, calls
 * say so until somebody begins anew. And the operations on its background processes, which need no
 * more than that.
 */
#ifndef CORRAL_BACKENDS_BOXES_H
#define CORRAL_BACKENDS_BOXES_H

#include <pthread.h>
#include <stdatomic.h>

#include "backends/backend_ops.h"
#include "backends/backgrounds.h"
#include "backends/served.h"

/* The first member of what a backend has for a live sandbox. */
struct corral_box {
	unsigned int refs; /* under the lock of the boxes, as the next three */
	uint64_t number;   /* in the order of their making */
	struct corral_box *older, *newer;
	struct corral_backgrounds backgrounds; /* with locks of their own, as: */
	struct corral_served_slot files;
	uint64_t cpu_usec, cpu_at_usec; /* of the last measure; under the lock of the boxes */
};

struct corral_box_ops {
	const char *what; /* "sandbox", in texts */
	const char *gone; /* the sentence for one that went by itself */
	const struct corral_background_ops *backgrounds;
	/* Without the lock. *ret is from calloc(); nothing is left on failure. */
	int (*open)(struct corral_backend *b, struct corral_box **ret, struct corral_error *err);
	/* With it, when it has become the one; or NULL. */
	void (*opened)(struct corral_backend *b, struct corral_box *box);
	/* With it, so it takes no time. */
	bool (*has_ended)(struct corral_box *box);
	/* Without. Background processes and the file server are closed already; it is freed by
	 * who called. */
	void (*close)(struct corral_backend *b, struct corral_box *box);
};

struct corral_boxes {
	const struct corral_box_ops *ops;
	struct corral_backend *owner;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct corral_box *box;    /* NULL: none yet */
	struct corral_box *newest; /* of those not yet closed */
	uint64_t n_made;
	bool opening;
	char lost[200]; /* why the last one went by itself; "" when it did not */
	atomic_uint last_background;
};

void corral_boxes_init(struct corral_boxes *l, const struct corral_box_ops *ops,
                       struct corral_backend *owner);
/* After their end. */
void corral_boxes_done(struct corral_boxes *l);

/* The live one, made when there is none; to be released. -EPIPE when it went by itself, and nobody
 * has begun anew since. */
int corral_boxes_acquire(struct corral_boxes *l, struct corral_box **ret, struct corral_error *err);
/* The same, but NULL when there is none. */
struct corral_box *corral_boxes_find(struct corral_boxes *l);
void corral_boxes_release(struct corral_boxes *l, struct corral_box *box);
/* It went by itself, and this is why: lets it go, if it is still the one. -EPIPE with the text. */
int corral_boxes_lose(struct corral_boxes *l, struct corral_box *box, const char *why,
                      struct corral_error *err);
/* What was lost is no longer said. */
void corral_boxes_begin_anew(struct corral_boxes *l);
/* Takes the live one off, to be ended and released; NULL when there is none. *ret_last is for the
 * wait. */
struct corral_box *corral_boxes_take(struct corral_boxes *l, uint64_t *ret_last);
/* Until all that were made before the take are closed: what others have begun since is not waited
 * for. -ETIMEDOUT when calls stay in them. */
int corral_boxes_wait(struct corral_boxes *l, uint64_t last, struct corral_error *err);

/* Of processor time used in all, what it was of the time since the last measure, in percent of one
 * core; negative for the first, and for UINT64_MAX. */
double corral_boxes_cpu_percent(struct corral_boxes *l, struct corral_box *box, uint64_t cpu_usec);

/* Background processes, for backends that say what their boxes are. */
int corral_boxes_background_start(struct corral_backend *b, const char *command,
                                  struct corral_background *ret, struct corral_error *err);
int corral_boxes_background_read(struct corral_backend *b, const char *shell_id,
                                 struct corral_buf *out, struct corral_buf *err_out,
                                 struct corral_background *ret, struct corral_error *err);
int corral_boxes_background_kill(struct corral_backend *b, const char *shell_id,
                                 struct corral_error *err);
int corral_boxes_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                 struct corral_error *err);
int corral_boxes_background_kill_all(struct corral_backend *b, struct corral_error *err);

#endif
