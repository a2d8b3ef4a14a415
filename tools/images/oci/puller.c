#include "tools/images/oci/puller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A variable that is empty says nothing. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* The first of several that says something. */
static const char *variable_of(const char *const *names)
{
	const char *value = NULL;

	for (; *names && !value; names++)
		value = variable(*names);
	return value;
}

/* The folder of the user's Docker configuration; NULL: there is none. */
static char *docker_config(void)
{
	const char *dir = variable("DOCKER_CONFIG"), *home = variable("HOME");
	char *path = NULL;

	if (dir)
		return strdup(dir);
	return home && asprintf(&path, "%s/.docker", home) >= 0 ? path : NULL;
}

int corral_images_puller_init(struct corral_images_puller *p, const struct corral_images_maker *m,
                              const char *const *mirrors, const char *const *insecure,
                              struct corral_error *err)
{
	/* As curl takes them. */
	static const char *const proxy[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
		                             NULL };
	static const char *const no_proxy[] = { "no_proxy", "NO_PROXY", NULL };
	int r;

	memset(p, 0, sizeof(*p));
	p->config = docker_config();
	r = corral_images_registries_add(&p->registries, mirrors, insecure, err);
	if (r == 0)
		r = corral_images_registries_load(&p->registries, err);
	p->options = (struct corral_pull_options) {
		.config_dir = p->config,
		.proxy = variable_of(proxy),
		.no_proxy = variable_of(no_proxy),
		.mirrors = (const char *const *)p->registries.mirrors,
		.insecure = (const char *const *)p->registries.insecure,
		.unpack = m->unpack,
	};
	return r;
}

void corral_images_puller_done(struct corral_images_puller *p)
{
	corral_images_registries_done(&p->registries);
	free(p->config);
}
