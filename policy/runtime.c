#include "policy/runtime.h"

#include <stdlib.h>

const char *corral_package_manager_name(enum corral_package_manager manager)
{
	switch (manager) {
	case CORRAL_PACKAGES_PIP:
		return "pip";
	case CORRAL_PACKAGES_NPM:
		return "npm";
	case CORRAL_PACKAGES_APT:
		return "apt";
	case CORRAL_PACKAGES_CARGO:
		return "cargo";
	}
	return "?";
}

static void texts_free(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

void corral_runtime_free(struct corral_runtime *r)
{
	if (!r)
		return;
	free(r->name);
	free(r->description);
	free(r->image);
	free(r->base_image);
	texts_free(r->packages, r->n_packages);
	texts_free(r->setup_commands, r->n_setup_commands);
	texts_free(r->env_vars, r->n_env_vars);
	free(r->work_dir);
	free(r);
}
