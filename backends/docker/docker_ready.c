/*
 * The engine takes tens of milliseconds to start anything in a container. So "corral-inside run"
 * stays after its command has ended, and waits for the next: that costs a message and a fork. The
 * first one is started with the container, by a thread that holds the box while it is at it; more
 * come as commands run side by side.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/box.h"
#include "backends/docker/json.h"
#include "kernel/base/clock.h"

#define SWEEP_MS  20000
#define ROOM_PIDS 64

struct beginning {
	struct corral_docker *docker;
	struct corral_docker_box *box;
};

static int waiting_open(struct corral_docker *d, struct corral_docker_box *box,
                        struct corral_docker_stream **ret, struct corral_error *err)
{
	char *const argv[] = { box->c.inside, (char *)"run", NULL };
	const struct corral_docker_exec x = { .argv = argv,
		                              .guest_dir = d->spec.work_dir,
		                              .has_stdin = true };

	return corral_docker_container_exec(d->engine, box->c.id, &x, ret, NULL, err);
}

/* One that waits; NULL when there is none, and none on its way. */
static struct corral_docker_stream *waiting_take(struct corral_docker *d,
                                                 struct corral_docker_box *box)
{
	struct corral_docker_stream *s = NULL;

	pthread_mutex_lock(&d->boxes.lock);
	while (!box->n_ready && box->readying)
		pthread_cond_wait(&d->boxes.changed, &d->boxes.lock);
	if (box->n_ready)
		s = box->ready[--box->n_ready];
	pthread_mutex_unlock(&d->boxes.lock);
	return s;
}

/* Takes the stream, or NULL. */
static void waiting_put(struct corral_docker *d, struct corral_docker_box *box,
                        struct corral_docker_stream *s)
{
	pthread_mutex_lock(&d->boxes.lock);
	if (s && d->boxes.box == &box->base && box->n_ready < CORRAL_DOCKER_READY_MAX) {
		box->ready[box->n_ready++] = s;
		s = NULL;
	}
	pthread_mutex_unlock(&d->boxes.lock);
	corral_docker_stream_close(s);
}

static void *first(void *arg)
{
	struct beginning *f = arg;
	struct corral_docker *d = f->docker;
	struct corral_docker_box *box = f->box;
	struct corral_docker_stream *s = NULL;

	free(f);
	(void)waiting_open(d, box, &s, NULL);
	waiting_put(d, box, s);
	pthread_mutex_lock(&d->boxes.lock);
	box->readying = false;
	pthread_cond_broadcast(&d->boxes.changed);
	pthread_mutex_unlock(&d->boxes.lock);
	corral_docker_release(d, box);
	return NULL;
}

/* With the backend's lock held. */
void corral_docker_ready_begin(struct corral_docker *d, struct corral_docker_box *box)
{
	struct beginning *f = box->plain ? NULL : malloc(sizeof(*f));
	pthread_attr_t attr;
	pthread_t thread;

	/* Without, the first command starts its own. */
	if (!f)
		return;
	*f = (struct beginning) { d, box };
	box->readying = true;
	box->base.refs++;
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, first, f) != 0) {
		free(f);
		box->readying = false;
		box->base.refs--;
	}
	(void)pthread_attr_destroy(&attr);
}

/*
 * What ran it was killed, or stopped, which a guest may do: then nobody ends what the command left
 * but we. In a container that somebody else uses, too, no more than its session is ended.
 */
static void sweep(struct corral_docker *d, struct corral_docker_box *box, int pid)
{
	char number[16], said[64];
	char *const argv[] = { box->c.inside, (char *)"sweep", number,
		               (char *)(box->c.named ? "session" : "all"), NULL };
	const struct corral_docker_exec x = { .argv = argv };
	const uint64_t until = corral_now_ms() + SWEEP_MS;
	struct corral_docker_stream *s = NULL;

	(void)snprintf(number, sizeof(number), "%d", pid);
	if (corral_docker_container_exec(d->engine, box->c.id, &x, &s, NULL, NULL) < 0)
		return;
	while (corral_now_ms() < until) {
		struct pollfd pfd = { .fd = corral_docker_stream_fd(s), .events = POLLIN };
		long n = corral_docker_stream_read(s, said, sizeof(said));

		if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR))
			break;
		if (n < 0)
			(void)poll(&pfd, 1, 100);
	}
	corral_docker_stream_close(s);
}

/*
 * Nothing can be started: a guest that killed what ran its command may have filled the container
 * with processes, up to the limit. That is raised for as long as ending them takes.
 */
static void room_make(struct corral_docker *d, struct corral_docker_box *box)
{
	corral_autojson json_t *wider = NULL, *back = NULL;
	json_int_t pids = (json_int_t)d->spec.limits.pids;
	char path[160];

	(void)snprintf(path, sizeof(path), "/containers/%s/update", box->c.id);
	wider = json_pack("{s:I}", "PidsLimit", pids + ROOM_PIDS);
	back = json_pack("{s:I}", "PidsLimit", pids);
	if (!pids || !wider || !back ||
	    corral_docker_do(d->engine, "POST", path, wider, NULL, NULL) < 0)
		return;
	sweep(d, box, INT_MAX);
	(void)corral_docker_do(d->engine, "POST", path, back, NULL, NULL);
}

static int start_anew(struct corral_docker *d, struct corral_docker_box *box,
                      const struct corral_docker_start *start, struct corral_docker_process **ret,
                      struct corral_error *err)
{
	struct corral_docker_stream *stream = NULL;
	int r = waiting_open(d, box, &stream, err);

	return r < 0 ? r : corral_docker_process_start_take(stream, true, start, ret, err);
}

/* Why the directory cannot be entered, in the words of whichever program of the engine's tried. */
static int directory_error(const char *said)
{
	if (strcasestr(said, "no such file or directory"))
		return ENOENT;
	if (strcasestr(said, "not a directory"))
		return ENOTDIR;
	return strcasestr(said, "permission denied") ? EACCES : 0;
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What engines say at length, in our words. said: by the call that failed with r. */
static int explain(const struct corral_docker *d, int r, const char *said, struct corral_error *err)
{
	int code;

	(void)corral_error_set(err, -r, "%s", said);
	/* Not what has names of the caller's in it. */
	if (!starts(said, "engine: ") && !starts(said, "exec: ") && !starts(said, "fork: "))
		return r;
	code = strcasestr(said, "chdir") ? directory_error(said) : 0;
	if (code == ENOENT)
		return corral_error_set(
		        err, code, "work directory '%.200s': no such directory in the container",
		        d->spec.work_dir);
	if (code)
		return corral_error_sys(err, code, "work directory '%.200s'", d->spec.work_dir);
	/* The first is what becomes of a fork inside that finds no room. */
	if (strstr(said, "read init-p: connection reset by peer") ||
	    strcasestr(said, "resource temporarily unavailable"))
		return corral_error_set(err, EAGAIN,
		                        "the container has no room for another process (--pids)");
	return r;
}

/* A container that ends looks full at first. */
static int failed(struct corral_docker *d, struct corral_docker_box *box, int r,
                  struct corral_error *err)
{
	int end = corral_docker_failed(d, box, r == -EAGAIN ? -ECONNRESET : r, err);

	return r == -EAGAIN && end == -ECONNRESET ? r : end;
}

int corral_docker_start_in(struct corral_docker *d, struct corral_docker_box *box,
                           const struct corral_docker_start *start,
                           struct corral_docker_process **ret, struct corral_error *err)
{
	struct corral_docker_stream *stream = waiting_take(d, box);
	struct corral_error own = { 0 };
	int r = -EPIPE;

	if (stream)
		r = corral_docker_process_start_take(stream, true, start, ret, &own);
	/* None waited, or it was killed while it did, as a guest may. */
	if (r == -EPIPE || r == -EPROTO)
		r = start_anew(d, box, start, ret, &own);
	if (r < 0)
		r = explain(d, r, own.text, err);
	if (r == -EAGAIN && !box->c.named) {
		room_make(d, box);
		r = start_anew(d, box, start, ret, &own);
		if (r < 0)
			r = explain(d, r, own.text, err);
	}
	/* It may have been, and stopped what was to say so. */
	if (r == -ETIMEDOUT || r == -ECONNRESET)
		sweep(d, box, INT_MAX);
	if (r == 0 || r == -ENOENT || r == -EACCES)
		return r;
	r = failed(d, box, r, err);
	/* A guest that kills it may be faster than its word that the command runs. */
	if (r == -ECONNRESET)
		return corral_error_set(err, EPIPE, CORRAL_DOCKER_SUPERVISOR_GONE);
	return r;
}

static bool has_ended(struct corral_docker *d, struct corral_docker_box *box)
{
	bool ended;

	pthread_mutex_lock(&d->boxes.lock);
	ended = corral_docker_container_has_ended(&box->c);
	pthread_mutex_unlock(&d->boxes.lock);
	return ended;
}

void corral_docker_finish_in(struct corral_docker *d, struct corral_docker_box *box,
                             struct corral_docker_process *p)
{
	struct corral_docker_stream *s = NULL;
	bool lost;
	int pid;

	if (!p)
		return;
	corral_docker_process_kill(p, CORRAL_REASON_KILLED);
	s = corral_docker_process_stream_take(p);
	lost = corral_docker_process_is_lost(p);
	pid = corral_docker_process_pid(p);
	corral_docker_process_close(p);
	waiting_put(d, box, s);
	if (lost && !has_ended(d, box))
		sweep(d, box, pid);
}
