#include "backends/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/local_dirs.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

static const char *local_root_path(const struct corral_backend *b)
{
	return ((const struct corral_local *)b)->root;
}

static void local_free(struct corral_local *l)
{
	corral_local_dirs_close(l);
	for (char **e = l->env; e && *e; e++)
		free(*e);
	free(l->env);
	/* What killed owners left, now that nobody waits. */
	if (l->cgroups)
		corral_cgroup_host_sweep(l->cgroups);
	corral_cgroup_host_close(l->cgroups);
	corral_runs_done(&l->runs);
	(void)pthread_mutex_destroy(&l->lock);
	(void)pthread_cond_destroy(&l->changed);
	free(l);
}

static void local_close(struct corral_backend *b)
{
	struct corral_local *l = to_local(b);

	if (l->ops.background_kill_all)
		(void)l->ops.background_kill_all(b, NULL);
	local_free(l);
}

/* The list, or the process's own environment as it is now. */
static int env_copy(struct corral_local *l, char *const *env, struct corral_error *err)
{
	size_t n = 0;

	if (!env)
		env = environ;
	while (env && env[n])
		n++;
	l->env = calloc(n + 1, sizeof(*l->env));
	for (size_t i = 0; l->env && i < n; i++) {
		l->env[i] = strdup(env[i]);
		if (!l->env[i])
			break;
	}
	return l->env && (!n || l->env[n - 1])
	               ? 0
	               : corral_error_set(err, ENOMEM, "local backend: out of memory");
}

static void ops_init(struct corral_local *l, const struct corral_local_options *o)
{
	l->ops.kind = "local";
	l->ops.close = local_close;
	l->ops.root_path = local_root_path;
	corral_local_files_ops(&l->ops);
	if (!o->guard.check)
		l->ops.caps |= CORRAL_BACKEND_CAN_ARCHIVE;
	if (o->no_execute)
		return;
	l->ops.caps |= CORRAL_BACKEND_CAN_EXECUTE | CORRAL_BACKEND_CAN_BACKGROUND;
	corral_local_execute_ops(&l->ops);
	corral_local_background_ops(&l->ops);
}

int corral_local_backend_new(const struct corral_local_options *options,
                             struct corral_backend **ret, struct corral_error *err)
{
	const struct corral_local_options none = { 0 };
	const struct corral_local_options *o = options ? options : &none;
	struct corral_local *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return corral_error_set(err, ENOMEM, "local backend: out of memory");
	l->root_fd = -1;
	l->guard = o->guard;
	l->no_cgroup = o->no_cgroup;
	corral_runs_init(&l->runs);
	(void)pthread_mutex_init(&l->lock, NULL);
	corral_cond_init(&l->changed);
	ops_init(l, o);
	r = corral_backend_init(&l->base, &l->ops, o->id, err);
	if (r == 0)
		r = corral_local_dirs_open(l, o, err);
	if (r == 0)
		r = env_copy(l, o->env, err);
	if (r < 0) {
		local_free(l);
		return r;
	}
	*ret = &l->base;
	return 0;
}
