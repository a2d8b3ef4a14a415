#include "tools/docker/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/docker/docker.h"

/* A variable that is empty says nothing. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

int corral_docker_find_engine(struct corral_docker_engine **ret, struct corral_error *err)
{
	const struct corral_docker_engine_options o = {
		.host = variable("DOCKER_HOST"),
		.context = variable("DOCKER_CONTEXT"),
		.config_dir = variable("DOCKER_CONFIG"),
		.cert_path = variable("DOCKER_CERT_PATH"),
		.tls_verify = variable("DOCKER_TLS_VERIFY") != NULL,
		.home = variable("HOME"),
		.runtime_dir = variable("XDG_RUNTIME_DIR"),
		.api_version = variable("DOCKER_API_VERSION"),
	};

	return corral_docker_engine_open(&o, ret, err);
}

int corral_docker_look(struct corral_error *err)
{
	struct corral_docker_engine *e = NULL;
	int r = corral_docker_find_engine(&e, err);

	corral_docker_engine_close(e);
	return r;
}

char *corral_docker_find_config(void)
{
	const char *dir = variable("DOCKER_CONFIG"), *home = variable("HOME");
	char *ret = NULL;

	if (dir)
		return strdup(dir);
	return home && asprintf(&ret, "%s/.docker", home) >= 0 ? ret : NULL;
}
