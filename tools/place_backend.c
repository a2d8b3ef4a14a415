#include "tools/place_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local.h"
#include "backends/native.h"
#include "kernel/base/cleanup.h"
#include "tools/compile.h"
#include "tools/docker/docker.h"
#include "tools/session_backend.h"

#define RULES_MAX ((size_t)1 << 20)

static void ruleset_freep(struct corral_permission_ruleset **s)
{
	corral_permission_ruleset_free(*s);
}

static bool is_preset(const char *name)
{
	for (const char *const *p = corral_permission_presets(); *p; p++)
		if (!strcmp(*p, name))
			return true;
	return false;
}

static int rules_read(const char *path, struct corral_permission_ruleset **ret,
                      struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return corral_error_sys(err, errno, "'%.200s' is neither a preset nor a file",
		                        path);
	if (!S_ISREG(st.st_mode))
		return corral_error_set(err, EINVAL, "'%.200s' is not a regular file", path);
	r = corral_buf_read_fd(&text, fd, RULES_MAX);
	if (r < 0)
		return corral_error_sys(err, -r, "read '%.200s'", path);
	r = corral_permission_ruleset_parse(text.data ? text.data : "", text.len, ret, err);
	return r < 0 ? corral_error_wrap(err, r, "'%.200s'", path) : 0;
}

static int rules_compile(const struct corral_permission_ruleset *rules,
                         struct corral_permission_checker **ret, struct corral_error *err)
{
	size_t inert;
	int r = corral_permission_checker_new(rules, NULL, ret, err);

	inert = r == 0 ? corral_permission_checker_inert(*ret) : 0;
	if (!inert)
		return r;
	return corral_error_set(err, EINVAL,
	                        "%zu of its patterns make no sense and match nothing "
	                        "(\"[\" without an end?)",
	                        inert);
}

static int permissions_open(const char *name, struct corral_permission_checker **ret,
                            struct corral_error *err)
{
	corral_auto(ruleset_freep) struct corral_permission_ruleset *rules = NULL;
	int r = is_preset(name) ? corral_permission_preset(name, &rules, err)
	                        : rules_read(name, &rules, err);

	if (r == 0) {
		r = rules_compile(rules, ret, err);
		if (r < 0)
			r = corral_error_wrap(err, r, "'%.200s'", name);
	}
	return r < 0 ? corral_error_wrap(err, r, "--permissions") : 0;
}

/* The flag's, else the configuration's. */
static int permissions_find(const struct corral_options *o, struct corral_permission_checker **ret,
                            struct corral_error *err)
{
	int r;

	if (o->permissions)
		return permissions_open(o->permissions, ret, err);
	if (!o->config->permissions)
		return 0;
	r = rules_compile(o->config->permissions, ret, err);
	return r < 0 ? corral_error_wrap(err, r, "--config: permissions") : 0;
}

static int local_open(const char *dir, struct corral_place_backend *p, struct corral_error *err)
{
	struct corral_local_options o = { .root_dir = dir };
	int r;

	/* The backend would make it; by hand that is a slip of the finger. */
	p->real_dir = realpath(dir, NULL);
	if (!p->real_dir)
		return corral_error_sys(err, errno, "--local '%s'", dir);
	p->guard = (struct corral_permission_guard) {
		.checker = p->permissions,
		.place = { .work_dir = p->real_dir, .home = getenv("HOME") },
	};
	if (p->permissions)
		o.guard = corral_permission_guard(&p->guard);
	p->guarded = p->permissions != NULL;
	r = corral_local_backend_new(&o, &p->backend, err);
	return r < 0 ? corral_error_wrap(err, r, "--local '%s'", dir) : 0;
}

static int sandbox_open(struct corral_options *o, struct corral_place_backend *p,
                        struct corral_error *err)
{
	int r = corral_options_compile(o, &p->policy, err);

	if (r == 0)
		r = corral_launcher_open(0, &p->launcher, err);
	if (r == 0)
		r = corral_native_sandbox_new(p->launcher, p->policy, NULL, &p->backend, err);
	/* Whoever connects hears at once what is wrong, and not at the first call. */
	if (r == 0)
		r = corral_backend_start(p->backend, err);
	return r;
}

static const char *place_name(const struct corral_options *o)
{
	return o->local ? "--local" : o->session ? "--session" : NULL;
}

static int place_check(const struct corral_options *o, struct corral_error *err)
{
	const char *name = place_name(o), *docker = corral_options_have_docker(o);

	if (o->local && o->session)
		return corral_error_set(err, EINVAL,
		                        "--local and --session: leave one of them out");
	if (name && docker)
		return corral_error_set(err, EINVAL, "%s and --%s: leave one of them out", name,
		                        docker);
	if (name && o->of_sandbox)
		return corral_error_set(err, EINVAL,
		                        "--%s is a new sandbox's, and %s makes none: leave one of "
		                        "them out",
		                        o->of_sandbox, name);
	if (name && o->config->allow_weaker)
		return corral_error_set(err, EINVAL,
		                        "--allow-weaker is for a container, and %s is none: leave "
		                        "one of them out",
		                        name);
	if (name && o->config->sandbox_key)
		return corral_error_set(err, EINVAL,
		                        "'%s' in --config is a new sandbox's, and %s makes none: "
		                        "leave one of them out",
		                        o->config->sandbox_key, name);
	return 0;
}

static int docker_open(struct corral_options *o, int stop_fd, struct corral_place_backend *p,
                       struct corral_error *err)
{
	int r = corral_docker_place_open(o, stop_fd, &p->docker, err);

	if (r == 0)
		p->backend = corral_docker_place_backend(p->docker);
	return r;
}

int corral_place_backend_open(struct corral_options *o, int stop_fd,
                              struct corral_place_backend *ret, struct corral_error *err)
{
	int r = place_check(o, err);

	if (r < 0)
		return r;
	r = permissions_find(o, &ret->permissions, err);
	if (r < 0)
		return r;
	if (corral_options_have_docker(o))
		r = docker_open(o, stop_fd, ret, err);
	else if (o->session)
		r = corral_session_backend_new(o->session, &ret->backend, err);
	else
		r = o->local ? local_open(o->local, ret, err) : sandbox_open(o, ret, err);
	return r;
}

void corral_place_backend_done(struct corral_place_backend *p)
{
	if (p->docker)
		corral_docker_place_close(p->docker);
	else
		corral_backend_close(p->backend);
	corral_launcher_close(p->launcher);
	corral_policy_free(p->policy);
	corral_permission_checker_free(p->permissions);
	free(p->real_dir);
	memset(p, 0, sizeof(*p));
}
