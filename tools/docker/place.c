/*
 * Theory of operation: what may take long, an engine that does not answer, an image that is fetched
 * or built, a container that is started, is left to a thread, so that this one can hear of signals.
 * They make it stop at the next word of the engine's; when that does not come soon, it is left
 * behind, and the end of the process is its end. What it then has half-made goes with its
 * connection, or by the next corral docker prune.
 */
#include "tools/docker/place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/docker/run.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "tools/docker/find.h"
#include "tools/runtimes.h"

#define CANCEL_MS   2000
#define PROFILE_MAX ((size_t)4 << 20)

/* Everything that the options of a container point into, until it is made. */
struct making {
	struct corral_docker_options o;
	struct corral_docker_seen seen;
	struct corral_docker_mount *mounts;
	char **paths; /* of the mounts; n_mounts of them */
	char **env, **cap_add, **cap_drop, *user;
	char *sizes; /* of the mounts, SIZE_TEXT each */
	char *seccomp;
	const struct corral_config *config;
	bool remote; /* the engine may be on another host */
};
#define SIZE_TEXT 48

static void making_done(struct making *m)
{
	for (size_t i = 0; m->paths && i < m->o.n_mounts; i++)
		free(m->paths[i]);
	free(m->paths);
	free(m->mounts);
	free(m->sizes);
	/* Their texts are the configuration's. */
	free(m->env);
	free(m->cap_add);
	free(m->cap_drop);
	free(m->user);
	free(m->seccomp);
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
		{ c->keep, "keep", "--container NAME keeps what is changed in a container" },
		{ c->runtime, "runtime", "write --docker-runtime FILE for a container's" },
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

/* --- Options of the container --- */

/* The engine's host is where we are, as far as one can know. */
static int host_path(const struct making *m, const char *path, const char *option, char **ret,
                     struct corral_error *err)
{
	*ret = realpath(path, NULL);
	if (!*ret && m->remote && path[0] == '/')
		*ret = strdup(path);
	return *ret ? 0 : corral_error_sys(err, errno, "--%s '%.200s'", option, path);
}

static int mount_fill(struct making *m, size_t i, const struct corral_config_mount *from,
                      struct corral_error *err)
{
	static const char *const options[] = {
		[CORRAL_MOUNT_BIND] = "bind", [CORRAL_MOUNT_RO_BIND] = "ro-bind"
	};
	struct corral_docker_mount *to = &m->mounts[i];
	char *size = m->sizes + i * SIZE_TEXT;

	*to = (struct corral_docker_mount) { .guest_path = from->guest_path,
		                             .read_only = from->kind == CORRAL_MOUNT_RO_BIND };
	if (from->kind == CORRAL_MOUNT_TMPFS) {
		(void)snprintf(size, SIZE_TEXT, "size=%llu,mode=1777",
		               (unsigned long long)from->size_bytes);
		to->tmpfs_options = from->size_bytes ? size : NULL;
		return 0;
	}
	if (host_path(m, from->host_path, options[from->kind], &m->paths[i], err) < 0)
		return -err->code;
	to->host_path = m->paths[i];
	return 0;
}

static int workspace_fill(struct making *m, size_t i, struct corral_error *err)
{
	const char *dir = m->config->workspace;
	struct stat st;
	int r = host_path(m, dir, "workspace", &m->paths[i], err);

	if (r == 0 && !m->remote && stat(m->paths[i], &st) == 0 && !S_ISDIR(st.st_mode))
		return corral_error_sys(err, ENOTDIR, "--workspace '%.200s'", dir);
	m->mounts[i] = (struct corral_docker_mount) { .host_path = m->paths[i],
		                                      .guest_path = m->o.work_dir };
	return r;
}

static int mounts_fill(struct making *m, struct corral_error *err)
{
	const struct corral_config *c = m->config;
	size_t n = c->n_mounts + (c->workspace != NULL);
	int r = 0;

	m->mounts = calloc(n + 1, sizeof(*m->mounts));
	m->paths = calloc(n + 1, sizeof(*m->paths));
	m->sizes = calloc(n + 1, SIZE_TEXT);
	if (!m->mounts || !m->paths || !m->sizes)
		return out_of_memory(err);
	m->o.mounts = m->mounts;
	m->o.n_mounts = n;
	for (size_t i = 0; r == 0 && i < c->n_mounts; i++)
		r = mount_fill(m, i, &c->mounts[i], err);
	return r == 0 && c->workspace ? workspace_fill(m, c->n_mounts, err) : r;
}

/* The same texts behind a NULL. */
static int list_end(char **list, size_t n, char ***ret, struct corral_error *err)
{
	*ret = calloc(n + 1, sizeof(**ret));
	if (!*ret)
		return out_of_memory(err);
	if (n)
		memcpy(*ret, list, n * sizeof(*list));
	return 0;
}

static int seccomp_fill(struct making *m, struct corral_error *err)
{
	const char *name = m->config->seccomp;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	int r;

	if (!name || !strcmp(name, "default"))
		return 0;
	if (!strcmp(name, "engine")) {
		m->o.seccomp = name;
		return 0;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return corral_error_sys(err, errno, "--seccomp '%.200s'", name);
	r = corral_buf_read_fd(&text, fd, PROFILE_MAX);
	corral_buf_add(&text, "", 1);
	if (r < 0 || text.failed)
		return corral_error_sys(err, r < 0 ? -r : ENOMEM, "--seccomp: read '%.200s'", name);
	m->seccomp = corral_buf_take(&text);
	m->o.seccomp = m->seccomp;
	return 0;
}

static int user_fill(struct making *m, const struct corral_options *options,
                     struct corral_error *err)
{
	const struct corral_config *c = m->config;

	m->o.user = options->user;
	if (m->o.user || !c->has_user)
		return 0;
	if (asprintf(&m->user, "%u:%u", c->guest_uid, c->guest_gid) < 0) {
		m->user = NULL;
		return out_of_memory(err);
	}
	m->o.user = m->user;
	return 0;
}

static int options_fill(struct making *m, const struct corral_options *options,
                        struct corral_error *err)
{
	const struct corral_config *c = m->config;
	int r;

	m->o.hostname = c->hostname;
	m->o.limits = &c->limits;
	m->o.limits_asked = c->limits_asked;
	m->o.network_mode = options->network;
	if (!m->o.network_mode && c->network == CORRAL_NETWORK_HOST)
		m->o.network_mode = "host";
	r = mounts_fill(m, err);
	if (r == 0)
		r = list_end(c->env, c->n_env, &m->env, err);
	if (r == 0)
		r = list_end(c->cap_add, c->n_cap_add, &m->cap_add, err);
	if (r == 0)
		r = list_end(c->cap_drop, c->n_cap_drop, &m->cap_drop, err);
	if (r == 0)
		r = user_fill(m, options, err);
	if (r == 0)
		r = seccomp_fill(m, err);
	m->o.env = m->env;
	m->o.cap_add = m->cap_add;
	m->o.cap_drop = m->cap_drop;
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
	if (!options->docker && !options->docker_runtime)
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

static bool may_be_remote(const struct corral_docker_engine *e)
{
	return strncmp(corral_docker_engine_info(e)->endpoint, "unix:", strlen("unix:")) != 0;
}

static int backend_make(struct corral_docker_place *p, const struct corral_options *options,
                        struct corral_error *err)
{
	struct making m = { .config = options->config, .remote = may_be_remote(p->engine) };
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
		r = options_fill(&m, options, err);
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
	if (o->docker_runtime) {
		r = corral_runtimes_find(o->docker_runtime, &p->runtime, err);
		if (r < 0)
			r = corral_error_wrap(err, r, "--docker-runtime");
	}
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
