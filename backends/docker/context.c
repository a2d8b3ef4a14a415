/*
 * Docker's contexts: endpoints with names, below the user's configuration. contexts/meta/DIGEST/
 * has a description, contexts/tls/DIGEST/docker/ the certificates; DIGEST is the name's SHA-256.
 */
#include "backends/docker/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <jansson.h>
#include <sha256.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/said.h"

#define CONFIG_MAX (1u << 20)

/* Hands over the file's JSON object; *ret stays NULL when there is no such file. */
static int read_json(const char *path, json_t **ret, struct corral_error *err)
{
	corral_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	json_error_t where;
	json_t *j;
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR
		               ? 0
		               : corral_error_sys(err, errno, "read '%s'", path);
	r = corral_buf_read_fd(&text, fd, CONFIG_MAX);
	if (r < 0)
		return corral_error_sys(err, -r, "read '%s'", path);
	j = json_loadb(text.data ? text.data : "", text.len, 0, &where);
	if (!json_is_object(j)) {
		json_decref(j);
		return corral_error_set(err, EINVAL, "'%s' is not a JSON object", path);
	}
	*ret = j;
	return 0;
}

static void name_digest(const char *name, char hex[65])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, (const uint8_t *)name, strlen(name));
	SHA256Final(digest, &ctx);
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[64] = '\0';
}

/* What the description says of the engine: Endpoints.docker. */
static int read_endpoint(const json_t *meta, const char *tls_dir, struct corral_docker_endpoint *p,
                         struct corral_error *err)
{
	const json_t *docker = json_object_get(json_object_get(meta, "Endpoints"), "docker");
	const char *host = json_string_value(json_object_get(docker, "Host"));
	bool skip = json_is_true(json_object_get(docker, "SkipTLSVerify"));
	bool tls = skip || access(tls_dir, F_OK) == 0;
	int r;

	if (!host || !host[0])
		return corral_error_set(err, EINVAL, "it names no Docker engine");
	r = corral_docker_endpoint_parse(host, tls, p, err);
	if (r < 0 || !p->tls)
		return r;
	p->skip_verify = skip;
	return corral_docker_endpoint_certificates(p, tls_dir, false, err);
}

static int read_context(const char *dir, const char *name, struct corral_docker_endpoint *p,
                        struct corral_error *err)
{
	corral_autobuf struct corral_buf meta_path = CORRAL_BUF_INIT, tls_dir = CORRAL_BUF_INIT;
	json_t *meta = NULL;
	char digest[65];
	int r;

	name_digest(name, digest);
	corral_buf_fmt(&meta_path, "%s/contexts/meta/%s/meta.json", dir, digest);
	corral_buf_fmt(&tls_dir, "%s/contexts/tls/%s/docker", dir, digest);
	if (meta_path.failed || tls_dir.failed)
		return corral_error_set(err, ENOMEM, "no memory");
	r = read_json(meta_path.data, &meta, err);
	if (r == 0 && !meta)
		r = corral_error_set(err, ENOENT,
		                     "there is none of that name in '%s' (docker context ls)", dir);
	if (r == 0)
		r = read_endpoint(meta, tls_dir.data, p, err);
	json_decref(meta);
	return r;
}

/* 1: the name is set. */
static int read_current(const char *dir, char **ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;
	const char *name;
	json_t *config = NULL;
	int r;

	corral_buf_fmt(&path, "%s/config.json", dir);
	if (path.failed)
		return corral_error_set(err, ENOMEM, "no memory");
	r = read_json(path.data, &config, err);
	if (r < 0)
		return r;
	name = json_string_value(json_object_get(config, "currentContext"));
	if (name && name[0]) {
		*ret = strdup(name);
		r = *ret ? 1 : corral_error_set(err, ENOMEM, "no memory");
	}
	json_decref(config);
	return r;
}

int corral_docker_context_find(const char *dir, const char *name,
                               struct corral_docker_endpoint *ret, struct corral_error *err)
{
	corral_auto(corral_docker_endpoint_done) struct corral_docker_endpoint p = { 0 };
	corral_autobuf struct corral_buf found_by = CORRAL_BUF_INIT;
	corral_autofree char *current = NULL;
	int r;

	if (!name) {
		r = read_current(dir, &current, err);
		if (r <= 0)
			return r;
		name = current;
	}
	if (strcmp(name, "default") == 0)
		return 0;
	corral_buf_str(&found_by, "context '");
	corral_said(&found_by, name, strlen(name), 64);
	corral_buf_str(&found_by, "'");
	if (found_by.failed)
		return corral_error_set(err, ENOMEM, "no memory");
	r = read_context(dir, name, &p, err);
	if (r < 0)
		return corral_error_wrap(err, r, "Docker's %s", found_by.data);
	p.found_by = corral_buf_take(&found_by);
	*ret = p;
	memset(&p, 0, sizeof(p));
	return 1;
}
