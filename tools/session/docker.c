/* Sessions that are containers of a Docker engine. */
#include <errno.h>
#include <stdio.h>

#include "kernel/base/cleanup.h"
#include "tools/docker/docker.h"
#include "tools/docker_exec.h"
#include "tools/session/commands.h"

/* Of its name behind "corral-session-". */
#define NAME_SIZE (CORRAL_SESSION_ID_SIZE + 16)

static void name_of(const char *id, char ret[NAME_SIZE])
{
	(void)snprintf(ret, NAME_SIZE, "corral-session-%s", id);
}

static int options_check(const struct corral_options *o, const char *id, struct corral_error *err)
{
	const char *name = o->diff ? "diff" : o->detach ? "detach" : NULL;

	if (name)
		return corral_error_set(err, EOPNOTSUPP,
		                        "session %s is a container: --%s is for native sessions",
		                        id, name);
	if (o->config->work_dir && o->config->work_dir[0] != '/')
		return corral_error_set(err, EINVAL,
		                        "session %s is a container: --workdir '%.200s': write an "
		                        "absolute path",
		                        id, o->config->work_dir);
	return 0;
}

/* What the runtime says of its sandbox, under what was said of this command. */
static int config_fill(struct corral_call *call, const struct corral_session_record *session,
                       char **argv, size_t n_argv, struct corral_error *err)
{
	struct corral_config *c = call->options.config;
	const struct corral_limits own = c->limits;
	corral_autofree char *workspace = NULL;
	int r;

	c->limits.timeout_ms = corral_limits_default.timeout_ms;
	c->limits.output_bytes = corral_limits_default.output_bytes;
	r = corral_runtime_sandbox(session->runtime, c, err);
	if (own.timeout_ms != CORRAL_OPTION_UNSAID)
		c->limits.timeout_ms = own.timeout_ms;
	if (own.output_bytes != CORRAL_OPTION_UNSAID)
		c->limits.output_bytes = own.output_bytes;
	if (r == 0)
		r = corral_session_store_workspace(call->store, session->id, &workspace, err);
	if (r == 0)
		r = corral_config_set_text(&c->workspace, workspace, err);
	if (r == 0)
		r = corral_config_set_argv(c, argv, n_argv, err);
	return r;
}

int corral_session_contained_run(struct corral_call *call,
                                 const struct corral_session_record *session, char **argv,
                                 size_t n_argv, struct corral_error *err)
{
	struct corral_options *o = &call->options;
	char name[NAME_SIZE];
	int r = options_check(o, session->id, err);

	if (r == 0)
		r = corral_docker_exec(call->main_argv, err);
	if (r == 0)
		r = config_fill(call, session, argv, n_argv, err);
	if (r < 0)
		return r;
	name_of(session->id, name);
	o->container = name;
	r = corral_runtime_dup(session->runtime, &o->runtime, err);
	return r < 0 ? r : corral_docker_run(o);
}

int corral_session_contained_remove(const char *id, struct corral_error *err)
{
	char name[NAME_SIZE];

	name_of(id, name);
	return corral_docker_place_remove(name, err);
}
