#include "tools/docker/find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define RUNTIME_MAX ((size_t)1 << 20)

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

char *corral_docker_find_config(void)
{
	const char *dir = variable("DOCKER_CONFIG"), *home = variable("HOME");
	char *ret = NULL;

	if (dir)
		return strdup(dir);
	return home && asprintf(&ret, "%s/.docker", home) >= 0 ? ret : NULL;
}

int corral_docker_find_runtime(const char *path, struct corral_runtime **ret,
                               struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "'%.200s'", path);
	r = corral_buf_read_fd(&text, fd, RUNTIME_MAX);
	if (r == -EFBIG)
		return corral_error_set(err, EFBIG, "'%.200s' is larger than 1M", path);
	if (r < 0)
		return corral_error_sys(err, -r, "read '%.200s'", path);
	r = corral_runtime_parse(text.data ? text.data : "", text.len, ret, err);
	return r < 0 ? corral_error_wrap(err, r, "'%.200s'", path) : 0;
}
