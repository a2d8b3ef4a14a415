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

const char *corral_isolation_name(enum corral_isolation isolation)
{
	switch (isolation) {
	case CORRAL_ISOLATION_AUTO:
		return "auto";
	case CORRAL_ISOLATION_NATIVE:
		return "native";
	case CORRAL_ISOLATION_DOCKER:
		return "docker";
	}
	return "?";
}

const char *corral_scope_name(enum corral_scope scope)
{
	switch (scope) {
	case CORRAL_SCOPE_SESSION:
		return "session";
	case CORRAL_SCOPE_CALL:
		return "call";
	}
	return "?";
}

const char *corral_disk_backing_name(enum corral_disk_backing backing)
{
	switch (backing) {
	case CORRAL_DISK_HOST:
		return "host";
	case CORRAL_DISK_IMAGE:
		return "image";
	}
	return "?";
}

static void texts_free(char **texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

struct corral_runtime *corral_runtime_share(struct corral_runtime *r)
{
	(void)__atomic_fetch_add(&r->n_shared, 1, __ATOMIC_RELAXED);
	return r;
}

void corral_runtime_free(struct corral_runtime *r)
{
	if (!r || __atomic_fetch_sub(&r->n_shared, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(r->path);
	free(r->name);
	free(r->description);
	free(r->image);
	free(r->base_image);
	texts_free(r->packages, r->n_packages);
	texts_free(r->setup_commands, r->n_setup_commands);
	texts_free(r->env_vars, r->n_env_vars);
	free(r->work_dir);
	free(r->rootfs);
	corral_config_free(r->sandbox);
	free(r);
}
