#include "backends/docker/configured.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define PROFILE_MAX ((size_t)4 << 20)
#define SIZE_TEXT   48

struct filling {
	const struct corral_config *config;
	const char *dashes;
	struct corral_docker_options *o;
	struct corral_docker_configured *own;
	bool remote;
};

void corral_docker_configured_done(struct corral_docker_configured *own)
{
	for (size_t i = 0; own->paths && i < own->n_mounts; i++)
		free(own->paths[i]);
	free(own->paths);
	free(own->mounts);
	free(own->sizes);
	/* Their texts are the configuration's. */
	free(own->env);
	free(own->cap_add);
	free(own->cap_drop);
	free(own->user);
	free(own->seccomp);
	memset(own, 0, sizeof(*own));
}

static int out_of_memory(struct corral_error *err)
{
	return corral_error_set(err, ENOMEM, "container: out of memory");
}

/* The engine's host is where we are, as far as one can know. */
static int host_path(const struct filling *f, const char *path, const char *option, char **ret,
                     struct corral_error *err)
{
	*ret = realpath(path, NULL);
	if (!*ret && f->remote && path[0] == '/')
		*ret = strdup(path);
	return *ret ? 0 : corral_error_sys(err, errno, "%s%s '%.200s'", f->dashes, option, path);
}

static int mount_fill(struct filling *f, size_t i, const struct corral_config_mount *from,
                      struct corral_error *err)
{
	static const char *const options[] = {
		[CORRAL_MOUNT_BIND] = "bind", [CORRAL_MOUNT_RO_BIND] = "ro-bind"
	};
	struct corral_docker_mount *to = &f->own->mounts[i];
	char *size = f->own->sizes + i * SIZE_TEXT;
	int r;

	*to = (struct corral_docker_mount) { .guest_path = from->guest_path,
		                             .read_only = from->kind == CORRAL_MOUNT_RO_BIND };
	if (from->kind == CORRAL_MOUNT_TMPFS) {
		(void)snprintf(size, SIZE_TEXT, "size=%llu,mode=1777",
		               (unsigned long long)from->size_bytes);
		to->tmpfs_options = from->size_bytes ? size : NULL;
		return 0;
	}
	r = host_path(f, from->host_path, options[from->kind], &f->own->paths[i], err);
	to->host_path = f->own->paths[i];
	return r;
}

static int workspace_fill(struct filling *f, size_t i, struct corral_error *err)
{
	const char *dir = f->config->workspace;
	struct stat st;
	int r = host_path(f, dir, "workspace", &f->own->paths[i], err);

	if (r == 0 && !f->remote && stat(f->own->paths[i], &st) == 0 && !S_ISDIR(st.st_mode))
		return corral_error_sys(err, ENOTDIR, "%sworkspace '%.200s'", f->dashes, dir);
	f->own->mounts[i] = (struct corral_docker_mount) { .host_path = f->own->paths[i],
		                                           .guest_path = f->o->work_dir };
	return r;
}

static int mounts_fill(struct filling *f, struct corral_error *err)
{
	const struct corral_config *c = f->config;
	size_t n = c->n_mounts + (c->workspace != NULL);
	int r = 0;

	f->own->mounts = calloc(n + 1, sizeof(*f->own->mounts));
	f->own->paths = calloc(n + 1, sizeof(*f->own->paths));
	f->own->sizes = calloc(n + 1, SIZE_TEXT);
	if (!f->own->mounts || !f->own->paths || !f->own->sizes)
		return out_of_memory(err);
	f->own->n_mounts = n;
	f->o->mounts = f->own->mounts;
	f->o->n_mounts = n;
	for (size_t i = 0; r == 0 && i < c->n_mounts; i++)
		r = mount_fill(f, i, &c->mounts[i], err);
	return r == 0 && c->workspace ? workspace_fill(f, c->n_mounts, err) : r;
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

static int seccomp_fill(struct filling *f, struct corral_error *err)
{
	const char *name = f->config->seccomp;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;
	int r;

	if (!name || !strcmp(name, "default"))
		return 0;
	if (!strcmp(name, "engine")) {
		f->o->seccomp = name;
		return 0;
	}
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return corral_error_sys(err, errno, "%sseccomp '%.200s'", f->dashes, name);
	r = corral_buf_read_fd(&text, fd, PROFILE_MAX);
	corral_buf_add(&text, "", 1);
	if (r < 0 || text.failed)
		return corral_error_sys(err, r < 0 ? -r : ENOMEM, "%sseccomp: read '%.200s'",
		                        f->dashes, name);
	f->own->seccomp = corral_buf_take(&text);
	f->o->seccomp = f->own->seccomp;
	return 0;
}

static int user_fill(struct filling *f, struct corral_error *err)
{
	const struct corral_config *c = f->config;

	if (!c->has_user && !c->user)
		return 0;
	/* Names are the engine's to look up. */
	if (!c->has_user) {
		f->own->user = strdup(c->user);
		f->o->user = f->own->user;
		return f->own->user ? 0 : out_of_memory(err);
	}
	if (asprintf(&f->own->user, "%u:%u", c->guest_uid, c->guest_gid) < 0) {
		f->own->user = NULL;
		return out_of_memory(err);
	}
	f->o->user = f->own->user;
	return 0;
}

static bool may_be_remote(const struct corral_docker_engine *e)
{
	return strncmp(corral_docker_engine_info(e)->endpoint, "unix:", strlen("unix:")) != 0;
}

int corral_docker_configure(const struct corral_docker_engine *e, const struct corral_config *c,
                            const char *dashes, struct corral_docker_options *o,
                            struct corral_docker_configured *own, struct corral_error *err)
{
	struct filling f = { c, dashes, o, own, may_be_remote(e) };
	int r = mounts_fill(&f, err);

	if (r == 0)
		r = list_end(c->env, c->n_env, &own->env, err);
	if (r == 0)
		r = list_end(c->cap_add, c->n_cap_add, &own->cap_add, err);
	if (r == 0)
		r = list_end(c->cap_drop, c->n_cap_drop, &own->cap_drop, err);
	if (r == 0)
		r = user_fill(&f, err);
	if (r == 0)
		r = seccomp_fill(&f, err);
	if (r < 0)
		return r;
	if (c->hostname)
		o->hostname = c->hostname;
	o->limits = &c->limits;
	o->limits_asked = c->limits_asked;
	if (c->network == CORRAL_NETWORK_ALLOW)
		return corral_error_set(
		        err, EOPNOTSUPP,
		        "network 'allow' is native sandboxes' alone: a container has "
		        "its engine's networks");
	if (c->network == CORRAL_NETWORK_HOST)
		o->network_mode = "host";
	o->env = c->n_env ? own->env : o->env;
	o->cap_add = c->n_cap_add ? own->cap_add : o->cap_add;
	o->cap_drop = c->n_cap_drop ? own->cap_drop : o->cap_drop;
	return 0;
}
