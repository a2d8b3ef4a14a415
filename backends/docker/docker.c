#include "backends/docker/docker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "backends/docker/box.h"
#include "backends/docker/contained.h"
#include "backends/docker/prune.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* What is in a container may be seen to end so long before the engine says that it has. */
#define GOING_MS      1000
#define GOING_LOOK_MS 50

static const char gone[] = "the container is gone, stopped, killed or out of memory, and what was "
                           "in it as well";

static struct corral_docker_box *to_box(struct corral_box *box)
{
	return (struct corral_docker_box *)box;
}

static void docker_box_close(struct corral_backend *b, struct corral_box *base)
{
	struct corral_docker_box *box = to_box(base);

	while (box->n_ready)
		corral_docker_stream_close(box->ready[--box->n_ready]);
	corral_backend_close(box->plain);
	(void)corral_docker_container_close(to_docker(b)->engine, &box->c, NULL);
}

static void dir_make(struct corral_docker_box *box)
{
	uint64_t n = 0;

	(void)!getrandom(&n, sizeof(n), 0);
	(void)snprintf(box->dir, sizeof(box->dir), "/tmp/.corral-%016llx", (unsigned long long)n);
}

/* The image's name as the engine knows it now, and its processor. */
static int image_find(struct corral_docker *d, char **ret_name, char **ret_arch,
                      struct corral_error *err)
{
	struct corral_docker_image image = { 0 };
	bool known = false;
	int r;

	if (d->spec.image) {
		*ret_name = strdup(d->spec.image);
		r = *ret_name ? 0 : corral_error_set(err, ENOMEM, "container: out of memory");
		/* Nearly always it is there, and one question is enough. */
		known = r == 0 && d->images.pull == CORRAL_DOCKER_PULL_MISSING &&
		        !d->images.platform &&
		        corral_docker_image_inspect(d->engine, *ret_name, &image, NULL) == 0;
		if (r == 0 && !known)
			r = corral_docker_image_ensure(d->engine, *ret_name, &d->images, err);
	} else {
		r = corral_docker_runtime_image(d->engine, d->runtime, &d->images, ret_name, err);
	}
	if (r == 0 && !known)
		r = corral_docker_image_inspect(d->engine, *ret_name, &image, err);
	if (r == 0)
		*ret_arch = corral_take_ptr(&image.arch);
	corral_docker_image_done(&image);
	return r;
}

/* What was asked for by name holds, or nothing runs. */
static int limits_check(struct corral_docker *d, const struct corral_docker_box *box,
                        struct corral_error *err)
{
	struct corral_docker_contained c = { 0 };
	int r = corral_docker_contained(d->engine, box->c.id, &d->spec.limits, &c, err);

	return r < 0 ? r : corral_docker_contained_check(&c, d->spec.limits_asked, err);
}

static int box_open(struct corral_docker *d, struct corral_docker_box *box,
                    struct corral_error *err)
{
	corral_autofree char *image = NULL, *arch = NULL;
	int r = image_find(d, &image, &arch, err);

	/* Not before the engine has answered something: one that is silent is waited for once. */
	if (r == 0)
		corral_docker_sweep(d->engine);
	if (r == 0)
		r = corral_docker_container_open(d->engine, &d->spec, image, arch, &box->c, err);
	if (r == 0 && d->spec.limits_asked)
		r = limits_check(d, box, err);
	if (r == 0 && !box->c.has_inside)
		r = corral_docker_plain_new(d, &box->c, &box->plain, err);
	return r;
}

static int docker_box_open(struct corral_backend *b, struct corral_box **ret,
                           struct corral_error *err)
{
	struct corral_docker_box *box = calloc(1, sizeof(*box));
	int r;

	if (!box)
		return corral_error_set(err, ENOMEM, "container: out of memory");
	box->docker = to_docker(b);
	dir_make(box);
	r = box_open(box->docker, box, err);
	box->alive_at_ms = (int64_t)corral_now_ms();
	if (r < 0) {
		docker_box_close(b, &box->base);
		free(box);
	} else {
		*ret = &box->base;
	}
	return r;
}

static void docker_box_opened(struct corral_backend *b, struct corral_box *base)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_box *box = to_box(base);

	(void)snprintf(d->container, sizeof(d->container), "%s", box->c.id);
	corral_docker_ready_begin(d, box);
}

static bool docker_box_has_ended(struct corral_box *box)
{
	return corral_docker_container_has_ended(&to_box(box)->c);
}

/* Asks the engine; what it cannot tell is taken for life. */
static bool runs(struct corral_docker *d, struct corral_docker_box *box)
{
	struct corral_docker_state state;

	if (corral_docker_container_inspect(d->engine, box->c.id, &state, NULL) < 0)
		return true;
	return state.running;
}

/* With r, by which a call failed: that the other side was gone is how a container's end begins. */
static bool runs_on(struct corral_docker *d, struct corral_docker_box *box, int r)
{
	const struct timespec look = { .tv_nsec = GOING_LOOK_MS * 1000000L };
	uint64_t until = corral_now_ms() + GOING_MS;
	bool runs_now = runs(d, box);

	while ((r == -EPIPE || r == -ECONNRESET || r == -EPROTO || (box->plain && r == -EIO)) &&
	       runs_now && corral_now_ms() < until) {
		(void)nanosleep(&look, NULL);
		runs_now = runs(d, box);
	}
	return runs_now;
}

int corral_docker_failed(struct corral_docker *d, struct corral_docker_box *box, int r,
                         struct corral_error *err)
{
	bool oom = false, died = false;

	if (runs_on(d, box, r))
		return r;
	(void)corral_docker_container_deaths(d->engine, &box->c, &oom, &died, NULL);
	return corral_boxes_lose(&d->boxes, &box->base,
	                         oom ? "the container ran out of memory and is gone, and what was "
	                               "in it as well"
	                             : gone,
	                         err);
}

static int docker_start(struct corral_backend *b, struct corral_error *err)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_box *box;
	int r = -EPIPE;

	/* Twice: it may be dead, and nobody have noticed before. */
	for (int i = 0; i < 2 && r == -EPIPE; i++) {
		corral_boxes_begin_anew(&d->boxes);
		r = corral_docker_acquire(d, &box, err);
		if (r < 0)
			continue;
		r = box->c.tie || runs(d, box) ? 0 : corral_docker_failed(d, box, -EPIPE, err);
		corral_docker_release(d, box);
	}
	return r;
}

static bool docker_is_alive(struct corral_backend *b)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_box *box;
	int64_t now = (int64_t)corral_now_ms();
	bool alive, known;

	pthread_mutex_lock(&d->boxes.lock);
	box = d->boxes.box ? to_box(d->boxes.box) : NULL;
	alive = box && !corral_docker_container_has_ended(&box->c);
	/* With a tie, its end is noticed at once. */
	known = !alive || box->c.tie || now - box->alive_at_ms < CORRAL_DOCKER_ALIVE_MS;
	if (!known)
		box->base.refs++;
	pthread_mutex_unlock(&d->boxes.lock);
	if (known)
		return alive;
	alive = runs(d, box);
	pthread_mutex_lock(&d->boxes.lock);
	box->alive_at_ms = alive ? now : box->alive_at_ms;
	pthread_mutex_unlock(&d->boxes.lock);
	corral_docker_release(d, box);
	return alive;
}

static int end(struct corral_docker *d, bool remove, struct corral_error *err)
{
	uint64_t last;
	struct corral_box *taken = corral_boxes_take(&d->boxes, &last);
	int r = 0;

	if (taken) {
		const struct corral_docker_box *box = to_box(taken);

		/* Whatever is in it ends with it. */
		if (!box->c.named || remove)
			r = corral_docker_container_remove(d->engine, box->c.id, err);
		corral_boxes_release(&d->boxes, taken);
	}
	return r < 0 ? r : corral_boxes_wait(&d->boxes, last, err);
}

static int docker_end(struct corral_backend *b, struct corral_error *err)
{
	return end(to_docker(b), false, err);
}

int corral_docker_sandbox_remove(struct corral_backend *b, struct corral_error *err)
{
	struct corral_docker *d = to_docker(b);
	int r = end(d, true, err);

	if (r == 0 && d->spec.container_name)
		r = corral_docker_container_remove(d->engine, d->spec.container_name, err);
	return r;
}

const char *corral_docker_sandbox_container(struct corral_backend *b)
{
	return to_docker(b)->container;
}

static void docker_close(struct corral_backend *b)
{
	struct corral_docker *d = to_docker(b);

	(void)docker_end(b, NULL);
	corral_docker_spec_done(&d->spec);
	corral_boxes_done(&d->boxes);
	corral_runs_done(&d->runs);
	free(d);
}

static int docker_pause(struct corral_backend *b, bool paused, struct corral_error *err)
{
	struct corral_docker *d = to_docker(b);
	struct corral_docker_box *box;
	int r = corral_docker_acquire(d, &box, err);

	if (r < 0)
		return r;
	r = corral_docker_container_pause(d->engine, box->c.id, paused, err);
	if (r < 0) {
		r = corral_docker_failed(d, box, r, err);
	} else {
		pthread_mutex_lock(&d->boxes.lock);
		box->paused = paused;
		pthread_mutex_unlock(&d->boxes.lock);
	}
	corral_docker_release(d, box);
	return r;
}

static struct corral_boxes *docker_boxes(struct corral_backend *b)
{
	return &to_docker(b)->boxes;
}

static const struct corral_box_ops docker_box_ops = {
	.what = "container",
	.gone = gone,
	.backgrounds = &corral_docker_background_ops,
	.open = docker_box_open,
	.opened = docker_box_opened,
	.has_ended = docker_box_has_ended,
	.close = docker_box_close,
};

static const struct corral_backend_ops docker_ops = {
	.kind = "docker",
	.caps = CORRAL_BACKEND_CAN_EXECUTE | CORRAL_BACKEND_CAN_BACKGROUND |
	        CORRAL_BACKEND_CAN_TERMINAL | CORRAL_BACKEND_CAN_PAUSE |
	        CORRAL_BACKEND_CAN_MEASURE | CORRAL_BACKEND_CAN_ARCHIVE,
	.close = docker_close,
	.exists = corral_served_exists,
	.stat = corral_served_stat,
	.ls = corral_served_ls,
	.read = corral_served_read,
	.edit = corral_served_edit,
	.glob = corral_served_glob,
	.grep = corral_served_grep,
	.mkdir = corral_served_mkdir,
	.remove = corral_served_remove,
	.rename = corral_served_rename,
	.read_stream = corral_served_read_stream,
	.write_stream = corral_served_write_stream,
	.tar_out = corral_served_tar_out,
	.tar_in = corral_served_tar_in,
	.execute = corral_docker_execute,
	.stop = corral_docker_stop,
	.background_start = corral_docker_background_start,
	.background_read = corral_boxes_background_read,
	.background_kill = corral_boxes_background_kill,
	.background_list = corral_boxes_background_list,
	.background_kill_all = corral_boxes_background_kill_all,
	.terminal_open = corral_docker_terminal_open,
	.start = docker_start,
	.is_alive = docker_is_alive,
	.end = docker_end,
	.pause = docker_pause,
	.usage = corral_docker_usage,
	.boxes = docker_boxes,
	.visit_begin = corral_docker_visit_begin,
	.visit_end = corral_docker_visit_end,
};

int corral_docker_sandbox_new(struct corral_docker_engine *engine,
                              const struct corral_docker_options *o, struct corral_backend **ret,
                              struct corral_error *err)
{
	struct corral_docker *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return corral_error_set(err, ENOMEM, "Docker sandbox: out of memory");
	r = corral_backend_init(&d->base, &docker_ops, o->id, err);
	if (r == 0)
		r = corral_docker_spec_init(&d->spec, o, d->base.id, err);
	if (r < 0) {
		free(d);
		return r;
	}
	d->engine = engine;
	d->runtime = o->runtime;
	d->images = o->images;
	corral_boxes_init(&d->boxes, &docker_box_ops, &d->base);
	corral_runs_init(&d->runs);
	*ret = &d->base;
	return 0;
}
