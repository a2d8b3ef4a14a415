#include "backends/docker/environment.h"

#include <stdlib.h>
#include <string.h>

#include "backends/execute.h"
#include "kernel/base/cleanup.h"
#include "policy/environment.h"

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
	corral_autofree char **of_runtime = NULL, **both = NULL;

	of_runtime = calloc((runtime ? runtime->n_env_vars : 0) + 1, sizeof(*of_runtime));
	if (!of_runtime)
		return NULL;
	for (size_t i = 0; runtime && i < runtime->n_env_vars; i++)
		of_runtime[i] = runtime->env_vars[i];
	both = corral_environment_merge(corral_environment_usual(runtime &&
	                                                         runtime->has_run_as_uid),
	                                of_runtime);
	return both ? own(corral_environment_merge(both, over)) : NULL;
}
