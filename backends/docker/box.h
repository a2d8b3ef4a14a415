/*
 * Inside the Docker backend: one live container that several threads use, and that the last of them
 * lets go.
 */
#ifndef CORRAL_BACKENDS_DOCKER_BOX_H
#define CORRAL_BACKENDS_DOCKER_BOX_H

#include "backends/boxes.h"
#include "backends/docker/container.h"
#include "backends/docker/inside.h"
#include "backends/docker/spec.h"
#include "backends/runs.h"

#define CORRAL_DOCKER_READY_MAX 8

struct corral_docker_box {
	struct corral_box base;
	struct corral_docker *docker;
	struct corral_docker_container c;
	struct corral_backend *plain; /* how it is spoken to without our program in it; or NULL */
	char dir[48];                 /* of ours inside, for the output of background processes */

	/* Under the lock of the boxes: */
	/* "corral-inside run", each waiting for a command; at most so many. */
	struct corral_docker_stream *ready[CORRAL_DOCKER_READY_MAX];
	unsigned int n_ready;
	bool readying;       /* the first is on its way */
	bool paused;         /* by us: nothing in it answers */
	int64_t alive_at_ms; /* when the engine last said so */
};

struct corral_docker {
	struct corral_backend base;
	struct corral_docker_engine *engine;
	struct corral_docker_spec spec;
	const struct corral_runtime *runtime; /* borrowed until the image is known */
	struct corral_docker_image_options images;
	struct corral_boxes boxes;
	char container[CORRAL_DOCKER_ID_SIZE]; /* under their lock */
	struct corral_runs runs;
};

static inline struct corral_docker *to_docker(struct corral_backend *b)
{
	return (struct corral_docker *)b;
}

/* As those of boxes.h. */
static inline int corral_docker_acquire(struct corral_docker *d, struct corral_docker_box **ret,
                                        struct corral_error *err)
{
	struct corral_box *box;
	int r = corral_boxes_acquire(&d->boxes, &box, err);

	if (r < 0)
		return r;
	*ret = (struct corral_docker_box *)box;
	return 0;
}

static inline void corral_docker_release(struct corral_docker *d, struct corral_docker_box *box)
{
	corral_boxes_release(&d->boxes, &box->base);
}

/*
 * A call on the box failed with r: asks the engine whether it still runs, and if it does not,
 * remembers why, lets it go, and returns -EPIPE with that text; else r.
 */
int corral_docker_failed(struct corral_docker *d, struct corral_docker_box *box, int r,
                         struct corral_error *err);

/* Killed by its guest, as one that is root in the container may. */
#define CORRAL_DOCKER_SUPERVISOR_GONE "what ran the command in the container is gone"

/* Starts the first "corral-inside run", behind the caller's back; with the lock held. */
void corral_docker_ready_begin(struct corral_docker *d, struct corral_docker_box *box);
/*
 * A command in it, by one that waits or, should that have died, another. *ret is given to
 * corral_docker_finish_in(). -EPIPE: what was to run it is gone, and it may have begun.
 */
int corral_docker_start_in(struct corral_docker *d, struct corral_docker_box *box,
                           const struct corral_docker_start *start,
                           struct corral_docker_process **ret, struct corral_error *err);
/* Ends it, if it has not, and keeps what can start the next one. Takes NULL. */
void corral_docker_finish_in(struct corral_docker *d, struct corral_docker_box *box,
                             struct corral_docker_process *p);

/* docker_execute.c */
int corral_docker_execute(struct corral_backend *b, const struct corral_execute *x,
                          struct corral_executed *ret, struct corral_error *err);
int corral_docker_stop(struct corral_backend *b, const char *run_id, struct corral_error *err);

/* docker_background.c */
extern const struct corral_background_ops corral_docker_background_ops;
int corral_docker_background_start(struct corral_backend *b, const char *command,
                                   struct corral_background *ret, struct corral_error *err);

/* docker_terminal.c */
int corral_docker_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
                                struct corral_terminal **ret, struct corral_error *err);

/* docker_files.c */
int corral_docker_visit_begin(struct corral_backend *b, struct corral_visit *v,
                              struct corral_error *err);
int corral_docker_visit_end(struct corral_backend *b, struct corral_visit *v, int r,
                            struct corral_error *err);
/* A new piece of the file from an offset on, appended; at most max bytes. For background output. */
int corral_docker_read_on(struct corral_docker *d, struct corral_docker_box *box, const char *path,
                          uint64_t offset, uint64_t max, struct corral_buf *ret,
                          struct corral_error *err);

/* docker_usage.c */
int corral_docker_usage(struct corral_backend *b, struct corral_usage *ret,
                        struct corral_error *err);

/* docker_plain.c: a backend over execs of the container's own shell, with the ops that it has. */
int corral_docker_plain_new(struct corral_docker *d, const struct corral_docker_container *c,
                            struct corral_backend **ret, struct corral_error *err);

#endif
