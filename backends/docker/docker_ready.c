/*
 * The engine takes tens of milliseconds to start anything in a container. So a "corral-inside run"
 * is started ahead, and waits there for the next command; when one is taken, a thread starts
 * another. A box has at most one that waits, and threads hold the box while they are at it.
 */
#include <errno.h>
#include <stdlib.h>

#include "backends/docker/box.h"

struct refill {
	struct corral_docker *docker;
	struct corral_docker_box *box;
};

static int waiting_open(struct corral_docker *d, struct corral_docker_box *box,
                        struct corral_docker_stream **ret, struct corral_error *err)
{
	char *const argv[] = { (char *)CORRAL_DOCKER_INSIDE_PATH, (char *)"run", NULL };
	const struct corral_docker_exec x = { .argv = argv,
		                              .guest_dir = d->spec.work_dir,
		                              .has_stdin = true };
	int r = corral_docker_container_exec(d->engine, box->c.id, &x, ret, NULL, err);

	return r < 0 ? corral_docker_failed(d, box, r, err) : 0;
}

int corral_docker_ready_take(struct corral_docker *d, struct corral_docker_box *box,
                             struct corral_docker_stream **ret, bool *ret_waited,
                             struct corral_error *err)
{
	pthread_mutex_lock(&d->lock);
	*ret = box->ready;
	box->ready = NULL;
	pthread_mutex_unlock(&d->lock);
	*ret_waited = *ret != NULL;
	return *ret ? 0 : waiting_open(d, box, ret, err);
}

static void *refill(void *arg)
{
	struct refill *f = arg;
	struct corral_docker *d = f->docker;
	struct corral_docker_box *box = f->box;
	struct corral_docker_stream *s = NULL;

	free(f);
	(void)waiting_open(d, box, &s, NULL);
	pthread_mutex_lock(&d->lock);
	box->ready = s;
	box->readying = false;
	pthread_mutex_unlock(&d->lock);
	corral_docker_release(d, box);
	return NULL;
}

static bool begin(struct corral_docker *d, struct corral_docker_box *box)
{
	bool wanted;

	pthread_mutex_lock(&d->lock);
	/* One that has been let go gets none. */
	wanted = d->box == box && !box->ready && !box->readying;
	if (wanted) {
		box->readying = true;
		box->refs++;
	}
	pthread_mutex_unlock(&d->lock);
	return wanted;
}

void corral_docker_ready_refill(struct corral_docker *d, struct corral_docker_box *box)
{
	struct refill *f;
	pthread_attr_t attr;
	pthread_t thread;
	bool started = false;

	if (!begin(d, box))
		return;
	f = malloc(sizeof(*f));
	if (f) {
		*f = (struct refill) { d, box };
		(void)pthread_attr_init(&attr);
		(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		started = pthread_create(&thread, &attr, refill, f) == 0;
		(void)pthread_attr_destroy(&attr);
	}
	if (started)
		return;
	free(f);
	pthread_mutex_lock(&d->lock);
	box->readying = false;
	pthread_mutex_unlock(&d->lock);
	corral_docker_release(d, box);
}

int corral_docker_start_in(struct corral_docker *d, struct corral_docker_box *box,
                           const struct corral_docker_start *start,
                           struct corral_docker_process **ret, struct corral_error *err)
{
	struct corral_docker_stream *stream = NULL;
	struct corral_error first = { 0 };
	bool waited;
	int r = corral_docker_ready_take(d, box, &stream, &waited, err);

	if (r < 0)
		return r;
	r = corral_docker_process_start_take(stream, true, start, ret, waited ? &first : err);
	if (waited && (r == -EPIPE || r == -EPROTO)) {
		/* Killed while it waited, as a guest may; nothing was started. */
		r = waiting_open(d, box, &stream, err);
		if (r == 0)
			r = corral_docker_process_start_take(stream, true, start, ret, err);
	} else if (waited && r < 0) {
		(void)corral_error_set(err, first.code, "%s", first.text);
	}
	if (r == -EPIPE || r == -EPROTO)
		r = corral_docker_failed(d, box, r, err);
	corral_docker_ready_refill(d, box);
	return r;
}
