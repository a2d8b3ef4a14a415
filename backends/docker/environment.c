#include "backends/docker/environment.h"

#include <stdlib.h>
#include <string.h>

#include "backends/execute.h"
#include "kernel/base/cleanup.h"

static char *const defaults[] = {
	/* git refuses mounts that somebody else owns, and commits without an identity. */
	(char *)"GIT_CONFIG_COUNT=5",
	(char *)"GIT_CONFIG_KEY_0=safe.directory",
	(char *)"GIT_CONFIG_VALUE_0=*",
	(char *)"GIT_CONFIG_KEY_1=user.name",
	(char *)"GIT_CONFIG_VALUE_1=Agent",
	(char *)"GIT_CONFIG_KEY_2=user.email",
	(char *)"GIT_CONFIG_VALUE_2=agent@sandbox.local",
	(char *)"GIT_CONFIG_KEY_3=init.defaultBranch",
	(char *)"GIT_CONFIG_VALUE_3=main",
	(char *)"GIT_CONFIG_KEY_4=advice.detachedHead",
	(char *)"GIT_CONFIG_VALUE_4=false",
	(char *)"GIT_TERMINAL_PROMPT=0",
	/* What was printed before a timeout is seen. */
	(char *)"PYTHONUNBUFFERED=1",
	(char *)"PIP_DISABLE_PIP_VERSION_CHECK=1",
	(char *)"PIP_NO_INPUT=1",
	(char *)"PIP_ROOT_USER_ACTION=ignore",
	/* Without these uv takes more memory than small containers have. */
	(char *)"UV_CONCURRENT_DOWNLOADS=2",
	(char *)"UV_CONCURRENT_INSTALLS=2",
	(char *)"UV_COMPILE_BYTECODE=1",
	(char *)"DEBIAN_FRONTEND=noninteractive",
	(char *)"NO_COLOR=1",
	(char *)"PAGER=cat",
	(char *)"GIT_PAGER=cat",
	(char *)"LANG=C.UTF-8",
	(char *)"UV_SYSTEM_PYTHON=1", /* the last: not with an account of its own */
	NULL,
};

static void free_all(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

/* The texts of a merge are borrowed from both sides. */
static char **own(char **borrowed)
{
	size_t n = 0;
	char **all;

	if (!borrowed)
		return NULL;
	while (borrowed[n])
		n++;
	all = calloc(n + 1, sizeof(*all));
	for (size_t i = 0; all && i < n; i++) {
		all[i] = strdup(borrowed[i]);
		if (!all[i]) {
			free_all(all);
			all = NULL;
		}
	}
	free(borrowed);
	return all;
}

char **corral_docker_environment(const struct corral_runtime *runtime, char *const *over)
{
	corral_autofree char **of_runtime = NULL, **base = NULL, **both = NULL;
	size_t n = CORRAL_COUNT(defaults);
	bool account = runtime && runtime->has_run_as_uid;

	base = calloc(n, sizeof(*base));
	of_runtime = calloc((runtime ? runtime->n_env_vars : 0) + 1, sizeof(*of_runtime));
	if (!base || !of_runtime)
		return NULL;
	memcpy(base, defaults, (n - 1 - account) * sizeof(*base));
	for (size_t i = 0; runtime && i < runtime->n_env_vars; i++)
		of_runtime[i] = runtime->env_vars[i];
	both = corral_environment_merge(base, of_runtime);
	return both ? own(corral_environment_merge(both, over)) : NULL;
}
