/*
 * Theory of operation: what may take long, an engine that does not answer, an image that is fetched
 * or built, a container that is started, is left to a thread, so that this one can hear of signals.
 * They make it stop at the next word of the engine's; when that does not come soon, it is left
 * behind, and the end of the process is its end. What it then has half-made goes with its
 * connection, or by the next corral docker prune.
 */
#include "tools/docker/place.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "backends/docker/configured.h"
#include "backends/docker/run.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "tools/docker/find.h"

#define CANCEL_MS 2000

/* Everything that the options of a container point into, until it is made. */
struct making {
	struct corral_docker_options o;
	struct corral_docker_seen seen;
	struct corral_docker_configured own;
	const struct corral_config *config;
};

static void making_done(struct making *m)
{
	corral_docker_configured_done(&m->own);
	corral_docker_seen_done(&m->seen);
}

static int out_of_memory(struct corral_error *err)
{
	return corral_error_set(err, ENOMEM, "container: out of memory");
}

/* --- What makes no sense for a container --- */

static int config_check(const struct corral_options *o, struct corral_error *err)
{
	const struct corral_config *c = o->config;
	const struct {
		bool is_set;
		const char *name, *why;
	} rows[] = {
		{ c->rootfs, "rootfs", "a container's root is its image" },
		{ c->image, "image", "a container's image is the engine's" },
		{ c->keep, "keep", "--container NAME keeps what is changed in a container" },
		{ c->runtime, "runtime", "write --docker-runtime for a container's" },
		{ c->n_publish, "publish", "a container's ports are the engine's to publish" },
		{ c->clear_env, "clear-env", "containers keep the environment of their image" },
		{ c->ids != CORRAL_IDS_AUTO, "ids", "how ids map is the engine's to say" },
		{ c->allow_weaker && !o->container, "allow-weaker",
		  "it is for a container that somebody else made" },
	};

	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		if (rows[i].is_set)
			return corral_error_set(err, EINVAL,
			                        "--%s and --%s: leave one of them out: %s",
			                        rows[i].name, corral_options_have_docker(o),
			                        rows[i].why);
	if (o->docker && o->docker_runtime)
		return corral_error_set(err, EINVAL,
		                        "--docker and --docker-runtime: leave one of them out: the "
		                        "runtime names its image");
	if (c->limits_asked & CORRAL_LIMIT_DISK_INODES)
		return corral_error_set(err, EOPNOTSUPP,
		                        "--disk-inodes: containers have no limit on the number of "
		                        "files");
	return 0;
}

static int options_fill(struct corral_docker_place *p, struct making *m,
                        const struct corral_options *options, struct corral_error *err)
{
	int r = corral_docker_configure(p->engine, m->config, "--", &m->o, &m->own, err);

	/* These have flags of a container's own. */
	if (options->user)
		m->o.user = options->user;
	if (options->network)
		m->o.network_mode = options->network;
	return r;
}

/* --- Which container --- */

/* One that is there is as it was made: of what was asked for, only what must hold is looked at. */
static int taken_up(struct making *m, const struct corral_options *options,
                    struct corral_error *err)
{
	const char *asked = options->network;

	if (asked && strcmp(asked, m->seen.network_mode) != 0)
		return corral_error_set(err, EEXIST,
		                        "--network %.64s: the container '%.64s' is there already, "
		                        "and its network is '%.64s'",
		                        asked, options->container, m->seen.network_mode);
	m->o.image = m->seen.image;
	m->o.images.pull = CORRAL_DOCKER_PULL_NEVER;
	return 0;
}

static int container_find(struct corral_docker_place *p, struct making *m,
                          const struct corral_options *options, struct corral_error *err)
{
	int r;

	m->o.container_name = options->container;
	m->o.leave_running = true;
	m->o.allow_weaker = options->config->allow_weaker;
	if (!options->container)
		return 0;
	r = corral_docker_see(p->engine, options->container, &m->seen, err);
	if (r < 0)
		return r;
	if (r > 0)
		return taken_up(m, options, err);
	if (!options->docker && !p->runtime)
		return corral_error_set(err, ENOENT,
		                        "there is no container '%.64s': with --docker IMAGE it is "
		                        "made",
		                        options->container);
	return 0;
}

/* Where commands start: what was asked for, the container's own, the runtime's, or as usual. */
static int work_dir_find(struct corral_docker_place *p, struct making *m, struct corral_error *err)
{
	const char *asked = m->config->work_dir;
	const char *dir = p->runtime ? p->runtime->work_dir : NULL;

	if (asked && asked[0] != '/')
		return corral_error_set(err, EINVAL, "--workdir '%.200s': not an absolute path",
		                        asked);
	if (m->seen.id)
		dir = *m->seen.work_dir ? m->seen.work_dir : "/";
	if (asked)
		dir = asked;
	p->work_dir = strdup(dir ? dir : CORRAL_WORK_DIR_DEFAULT);
	if (!p->work_dir)
		return out_of_memory(err);
	m->o.work_dir = p->work_dir;
	if (p->runtime) {
		/* What a runtime says comes first there. */
		free(p->runtime->work_dir);
		p->runtime->work_dir = strdup(p->work_dir);
		return p->runtime->work_dir ? 0 : out_of_memory(err);
	}
	return 0;
}

static int backend_make(struct corral_docker_place *p, const struct corral_options *options,
                        struct corral_error *err)
{
	struct making m = { .config = options->config };
	int r;

	m.o.image = options->docker;
	m.o.runtime = p->runtime;
	p->config_dir = corral_docker_find_config();
	m.o.images.config_dir = p->config_dir;
	m.o.images.progress = &p->teller.progress;
	r = container_find(p, &m, options, err);
	if (r == 0)
		r = work_dir_find(p, &m, err);
	if (r == 0)
		r = options_fill(p, &m, options, err);
	if (m.seen.id)
		m.o.runtime = NULL;
	if (r == 0)
		r = corral_docker_sandbox_new(p->engine, &m.o, &p->backend, err);
	making_done(&m);
	return r;
}

void corral_docker_name_option(struct corral_error *err)
{
	static const char *const names[][2] = { { "container_name '", "--container '" },
		                                { "work directory '", "--workdir '" },
		                                { "work_dir '", "--workdir '" } };
	char text[CORRAL_ERROR_TEXT_SIZE];

	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		size_t len = strlen(names[i][0]);

		if (strncmp(err->text, names[i][0], len) != 0)
			continue;
		(void)snprintf(text, sizeof(text), "%s", err->text + len);
		(void)corral_error_set(err, err->code, "%s%s", names[i][1], text);
		return;
	}
}

/* --- Its start --- */

struct starting {
	struct corral_docker_place *place;
	struct corral_options options; /* a copy, which outlives the caller's when left behind */
	int done_fd, r;
	struct corral_error err;
};

static int prepare(struct corral_docker_place *p, const struct corral_options *o,
                   struct corral_error *err)
{
	int r = corral_docker_find_engine(&p->engine, err);

	if (r == 0)
		r = backend_make(p, o, err);
	return r < 0 ? r : corral_backend_start(p->backend, err);
}

static void *start(void *arg)
{
	struct starting *s = arg;

	s->r = prepare(s->place, &s->options, &s->err);
	(void)eventfd_write(s->done_fd, 1);
	return NULL;
}

static bool is_end(int stop_fd)
{
	struct signalfd_siginfo info;
	int signo;

	if (read(stop_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	signo = (int)info.ssi_signo;
	if (signo == SIGTSTP)
		(void)raise(SIGSTOP);
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT;
}

/* Whether it has come to its end; not when it was told to, and takes its time. */
static bool await(const struct starting *s, int stop_fd, struct corral_docker_teller *teller)
{
	struct pollfd fds[] = { { .fd = s->done_fd, .events = POLLIN },
		                { .fd = stop_fd, .events = POLLIN } };

	while (!(fds[0].revents & POLLIN)) {
		bool cancelled = atomic_load(&teller->cancelled);
		int n = poll(fds, cancelled ? 1 : 2, cancelled ? CANCEL_MS : -1);

		if (n == 0)
			return false;
		if (n > 0 && !cancelled && fds[1].revents && is_end(stop_fd))
			atomic_store(&teller->cancelled, true);
	}
	return true;
}

static int interrupted(struct corral_error *err)
{
	return corral_error_set(err, EINTR, "interrupted before the container was ready");
}

/* *left: it goes on by itself, with the place, and with the configuration of o. */
static int prepare_beside(struct corral_docker_place *p, struct corral_options *o, int stop_fd,
                          bool *left, struct corral_error *err)
{
	struct starting *s = calloc(1, sizeof(*s));
	pthread_t thread;
	int r;

	if (!s)
		return out_of_memory(err);
	s->place = p;
	s->options = *o;
	s->done_fd = eventfd(0, EFD_CLOEXEC);
	r = s->done_fd < 0 ? errno : pthread_create(&thread, NULL, start, s);
	if (r) {
		corral_fd_closep(&s->done_fd);
		free(s);
		return corral_error_sys(err, r, "start the container");
	}
	*left = !await(s, stop_fd, &p->teller);
	if (*left) {
		(void)pthread_detach(thread);
		o->config = NULL;
		return interrupted(err);
	}
	(void)pthread_join(thread, NULL);
	r = s->r;
	if (r < 0) {
		corral_docker_teller_done(&p->teller);
		corral_docker_teller_failed(&p->teller, &s->err);
		corral_docker_name_option(&s->err);
		(void)corral_error_set(err, s->err.code, "%s", s->err.text);
	}
	corral_fd_closep(&s->done_fd);
	free(s);
	return atomic_load(&p->teller.cancelled) ? interrupted(err) : r;
}

int corral_docker_place_open(struct corral_options *o, int stop_fd,
                             struct corral_docker_place **ret, struct corral_error *err)
{
	struct corral_docker_place *p;
	bool left = false;
	int r = config_check(o, err);

	if (r < 0)
		return r;
	p = calloc(1, sizeof(*p));
	if (!p)
		return out_of_memory(err);
	corral_docker_teller_init(&p->teller);
	/* A copy, which outlives the options when the making is left behind. */
	if (o->runtime)
		r = corral_runtime_dup(o->runtime, &p->runtime, err);
	if (r == 0)
		r = prepare_beside(p, o, stop_fd, &left, err);
	corral_docker_teller_done(&p->teller);
	if (r == 0)
		*ret = p;
	else if (!left)
		corral_docker_place_close(p);
	return r;
}

struct corral_backend *corral_docker_place_backend(const struct corral_docker_place *p)
{
	return p->backend;
}

int corral_docker_place_end(struct corral_docker_place *p, struct corral_error *err)
{
	return p && p->backend ? corral_backend_end(p->backend, err) : 0;
}

void corral_docker_place_close(struct corral_docker_place *p)
{
	if (!p)
		return;
	corral_backend_close(p->backend);
	corral_docker_engine_close(p->engine);
	corral_runtime_free(p->runtime);
	free(p->config_dir);
	free(p->work_dir);
	free(p);
}
