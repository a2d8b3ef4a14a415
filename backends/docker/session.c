#include "backends/docker/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/call.h"
#include "backends/docker/configured.h"
#include "backends/docker/http.h"
#include "backends/docker/run.h"
#include "backends/wrap_ops.h"
#include "kernel/base/cleanup.h"

#define NAME_SIZE (sizeof(CORRAL_DOCKER_SESSION_PREFIX) + CORRAL_SESSION_ID_SIZE)

static void name_of(const char *id, char ret[NAME_SIZE])
{
	(void)snprintf(ret, NAME_SIZE, CORRAL_DOCKER_SESSION_PREFIX "%s", id);
}

/* The mounts of all, and then those of the runtime. */
static int mounts_join(const struct corral_docker_options *all, struct corral_docker_options *o,
                       struct corral_docker_mount **ret, struct corral_error *err)
{
	struct corral_docker_mount *joined = NULL;
	size_t n = all->n_mounts + o->n_mounts;

	if (!all->n_mounts)
		return 0;
	joined = calloc(n, sizeof(*joined));
	if (!joined)
		return corral_error_set(err, ENOMEM, "container: out of memory");
	memcpy(joined, all->mounts, all->n_mounts * sizeof(*joined));
	if (o->n_mounts)
		memcpy(joined + all->n_mounts, o->mounts, o->n_mounts * sizeof(*joined));
	o->mounts = *ret = joined;
	o->n_mounts = n;
	return 0;
}

/* name NULL: a container that goes with its backend. */
static int container_make(const struct corral_docker_sessions *s,
                          const struct corral_session_make *what, const char *name,
                          struct corral_backend **ret, struct corral_error *err)
{
	static const struct corral_docker_options usual;
	const struct corral_docker_options *all = s->options ? s->options : &usual;
	corral_auto(corral_config_freep) struct corral_config *c = corral_config_new();
	corral_auto(corral_docker_configured_done) struct corral_docker_configured own = { 0 };
	corral_autofree struct corral_docker_mount *joined = NULL;
	struct corral_docker_options o = *all;
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "container: out of memory");
	r = corral_runtime_sandbox(what->runtime, c, err);
	if (r == 0 && what->workspace_path)
		r = corral_config_set_text(&c->workspace, what->workspace_path, err);
	o.id = name ? what->id : NULL;
	o.runtime = what->runtime;
	o.image = NULL;
	o.container_name = name;
	o.leave_running = false;
	o.work_dir = what->runtime->work_dir;
	o.allow_weaker = c->allow_weaker;
	if (r == 0)
		r = corral_docker_configure(s->engine, c, "", &o, &own, err);
	if (r == 0)
		r = mounts_join(all, &o, &joined, err);
	return r < 0 ? r : corral_docker_sandbox_new(s->engine, &o, ret, err);
}

/*
 * An unprivileged user of the container's is to write there, and only root can see to it. By
 * descriptor: what is in it is the guest's.
 */
static int workspace_give(const struct corral_session_make *what, struct corral_error *err)
{
	const struct corral_runtime *rt = what->runtime;
	corral_autofd int fd = -1;
	struct stat st;

	if (!what->workspace_path || rt->image || !rt->has_run_as_uid)
		return 0;
	fd = open(what->workspace_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 &&
	    (st.st_uid == rt->run_as_uid || fchown(fd, rt->run_as_uid, (gid_t)-1) == 0))
		return 0;
	return corral_error_sys(err, errno, "Cannot give %s to uid %u for an unprivileged sandbox",
	                        what->workspace_path, rt->run_as_uid);
}

/* --- Scope "call" --- */

/* Around a backend of backends/call.h, for what its containers are made of. */
struct caller {
	struct corral_wrap wrap;
	const struct corral_docker_sessions *sessions;
	struct corral_session_make what;
	char *workspace_path;
};

static int caller_make(void *ctx, struct corral_backend **ret, struct corral_error *err)
{
	const struct caller *c = ctx;

	return container_make(c->sessions, &c->what, NULL, ret, err);
}

static void caller_close(struct corral_backend *b)
{
	struct caller *c = (struct caller *)b;

	corral_backend_close(c->wrap.inner);
	free(c->workspace_path);
	free(c);
}

static int caller_new(const struct corral_docker_sessions *s,
                      const struct corral_session_make *what, struct corral_backend **ret,
                      struct corral_error *err)
{
	struct caller *c = calloc(1, sizeof(*c));
	struct corral_backend *inner = NULL;
	int r = 0;

	if (!c)
		return corral_error_set(err, ENOMEM, "container: out of memory");
	c->sessions = s;
	c->what = (struct corral_session_make) { .runtime = what->runtime };
	if (what->workspace_path) {
		c->what.workspace_path = c->workspace_path = strdup(what->workspace_path);
		if (!c->workspace_path)
			r = corral_error_set(err, ENOMEM, "container: out of memory");
	}
	if (r == 0)
		r = corral_call_backend_new(caller_make, c, what->id, &inner, err);
	if (r == 0)
		r = corral_wrap_init(&c->wrap, inner, err);
	if (r < 0) {
		corral_backend_close(inner);
		free(c->workspace_path);
		free(c);
		return r;
	}
	c->wrap.ops.close = caller_close;
	*ret = &c->wrap.base;
	return 0;
}

/* --- The maker --- */

static int session_make(void *ctx, const struct corral_session_make *what,
                        struct corral_backend **ret, struct corral_error *err)
{
	const struct corral_docker_sessions *s = ctx;
	char name[NAME_SIZE];
	int r = workspace_give(what, err);

	if (r < 0)
		return r;
	if (what->runtime->scope == CORRAL_SCOPE_CALL)
		return caller_new(s, what, ret, err);
	name_of(what->id, name);
	return container_make(s, what, name, ret, err);
}

static int session_look(void *ctx, struct corral_error *err)
{
	const struct corral_docker_sessions *s = ctx;

	return corral_docker_do(s->engine, "GET", "/version", NULL, NULL, err);
}

static int session_forget(void *ctx, const char *id, struct corral_error *err)
{
	const struct corral_docker_sessions *s = ctx;
	char name[NAME_SIZE];

	name_of(id, name);
	return corral_docker_forget(s->engine, name, err);
}

void corral_docker_session_maker(const struct corral_docker_sessions *o,
                                 struct corral_session_maker *ret)
{
	*ret = (struct corral_session_maker) {
		.make = session_make,
		.look = session_look,
		.forget = session_forget,
		.ctx = (void *)(uintptr_t)o,
	};
}
