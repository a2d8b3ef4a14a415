/* Where engines are looked for. */
#include "backends/docker/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/socket.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

const struct corral_docker_places corral_docker_system_places = {
	.docker = "/var/run/docker.sock",
	.podman = "/run/podman/podman.sock",
};

void corral_docker_endpoints_done(struct corral_docker_endpoints *s)
{
	for (size_t i = 0; i < s->n; i++)
		corral_docker_endpoint_done(&s->at[i]);
	memset(s, 0, sizeof(*s));
}

/* A socket beneath a directory that may be unknown, NULL. What cannot be one's path is none. */
static int add_socket(struct corral_docker_endpoints *s, const char *dir, const char *name,
                      const char *found_by, struct corral_error *err)
{
	struct corral_docker_endpoint *p = &s->at[s->n];
	corral_autobuf struct corral_buf host = CORRAL_BUF_INIT;
	int r;

	if (!dir || strlen(dir) + strlen(name) > CORRAL_DOCKER_SOCKET_PATH_MAX)
		return 0;
	if (dir[0] != '/' && name[0] != '/')
		return 0;
	corral_buf_fmt(&host, "unix://%s%s", dir, name);
	if (host.failed)
		return corral_error_set(err, ENOMEM, "no memory");
	r = corral_docker_endpoint_parse(host.data, false, p, err);
	if (r < 0)
		return r;
	s->n++;
	p->found_by = strdup(found_by);
	return p->found_by ? 0 : corral_error_set(err, ENOMEM, "no memory");
}

static int add_sockets(struct corral_docker_endpoints *s,
                       const struct corral_docker_engine_options *o,
                       const struct corral_docker_places *places, struct corral_error *err)
{
	const struct {
		const char *dir, *name, *found_by;
	} rows[] = {
		{ "", places->docker, "default socket" },
		{ o->runtime_dir, "/docker.sock", "rootless socket" },
		{ o->home, "/.docker/run/docker.sock", "rootless socket" },
		{ o->runtime_dir, "/podman/podman.sock", "Podman's socket" },
		{ "", places->podman, "Podman's socket" },
	};
	int r = 0;

	_Static_assert(CORRAL_COUNT(rows) <= CORRAL_DOCKER_ENDPOINTS_MAX, "room for all");
	for (size_t i = 0; i < CORRAL_COUNT(rows) && r == 0; i++)
		r = add_socket(s, rows[i].dir, rows[i].name, rows[i].found_by, err);
	return r;
}

/*
 * DOCKER_HOST. DOCKER_CERT_PATH alone asks for TLS as well, as it does elsewhere, but what is
 * asked for is verified here.
 */
static int add_host(struct corral_docker_endpoints *s, const struct corral_docker_engine_options *o,
                    const char *config_dir, struct corral_error *err)
{
	bool has_certs = o->cert_path && o->cert_path[0];
	const char *dir = has_certs ? o->cert_path : config_dir;
	struct corral_docker_endpoint *p = &s->at[0];
	int r = corral_docker_endpoint_parse(o->host, o->tls_verify || has_certs, p, err);

	if (r < 0)
		return corral_error_wrap(err, r, "DOCKER_HOST");
	s->n = 1;
	s->chosen = true;
	p->found_by = strdup("DOCKER_HOST");
	if (!p->found_by)
		return corral_error_set(err, ENOMEM, "no memory");
	if (!p->tls || !dir)
		return 0;
	if (!has_certs && !o->tls_verify)
		return 0; /* https:// by itself: the system's authorities */
	return corral_docker_endpoint_certificates(p, dir, has_certs, err);
}

static int find(struct corral_docker_endpoints *s, const struct corral_docker_engine_options *o,
                const struct corral_docker_places *places, struct corral_error *err)
{
	const char *name = o->context && o->context[0] ? o->context : NULL;
	corral_autobuf struct corral_buf dir = CORRAL_BUF_INIT;
	int r;

	if (o->config_dir && o->config_dir[0])
		corral_buf_str(&dir, o->config_dir);
	else if (o->home && o->home[0])
		corral_buf_fmt(&dir, "%s/.docker", o->home);
	if (dir.failed)
		return corral_error_set(err, ENOMEM, "no memory");
	if (o->host && o->host[0])
		return add_host(s, o, dir.data, err);
	if (!dir.data && name && strcmp(name, "default") != 0)
		return corral_error_set(err, EINVAL,
		                        "DOCKER_CONTEXT '%.64s': there is neither HOME nor "
		                        "DOCKER_CONFIG to look for it",
		                        name);
	r = dir.data ? corral_docker_context_find(dir.data, name, &s->at[0], err) : 0;
	if (r == 0)
		return add_sockets(s, o, places, err);
	if (r > 0) {
		s->n = 1;
		s->chosen = true;
	}
	return r < 0 ? r : 0;
}

int corral_docker_endpoints_find(const struct corral_docker_engine_options *o,
                                 const struct corral_docker_places *places,
                                 struct corral_docker_endpoints *ret, struct corral_error *err)
{
	corral_auto(corral_docker_endpoints_done) struct corral_docker_endpoints s = { 0 };
	int r = find(&s, o, places, err);

	if (r < 0)
		return r;
	*ret = s;
	memset(&s, 0, sizeof(s));
	return 0;
}
