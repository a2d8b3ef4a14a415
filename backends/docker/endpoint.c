#include "backends/docker/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "backends/docker/socket.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

void corral_docker_endpoint_done(struct corral_docker_endpoint *p)
{
	free(p->text);
	free(p->found_by);
	free(p->socket);
	free(p->base_url);
	free(p->ca);
	free(p->cert);
	free(p->key);
	memset(p, 0, sizeof(*p));
}

/* What is shown of it in errors: "?" where it would turn the line into something else. */
static const char *shown(const char *host, char room[128])
{
	size_t i = 0;

	for (; i < 127 && host[i]; i++)
		room[i] = (char)((unsigned char)host[i] < ' ' || host[i] == 0x7f ? '?' : host[i]);
	room[i] = '\0';
	return room;
}

static int parse_unix(const char *host, struct corral_docker_endpoint *p, struct corral_error *err)
{
	const char *path = host + strlen("unix://");
	char room[128];

	if (path[0] != '/')
		return corral_error_set(err, EINVAL,
		                        "'%s': a socket's path is absolute: unix:///...",
		                        shown(host, room));
	if (strlen(path) > CORRAL_DOCKER_SOCKET_PATH_MAX)
		return corral_error_set(err, EINVAL, "'%s': longer than a socket's path may be, %d",
		                        shown(host, room), CORRAL_DOCKER_SOCKET_PATH_MAX);
	p->text = strdup(host);
	p->socket = strdup(path);
	p->base_url = strdup("http://localhost");
	return p->text && p->socket && p->base_url ? 0 : corral_error_set(err, ENOMEM, "no memory");
}

static void url_cleanup(CURLU **u)
{
	curl_url_cleanup(*u);
}

static bool has_part(CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

/* scheme, host, port, and a path below which the engine may be served. */
static int build_url(CURLU *u, bool tls, const char *default_port, struct corral_buf *b)
{
	char *host = NULL, *port = NULL, *path = NULL;
	int r = -EINVAL;

	if (curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && host[0] &&
	    curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
		(void)curl_url_get(u, CURLUPART_PORT, &port, 0);
		corral_buf_fmt(b, "%s://%s:%s%s", tls ? "https" : "http", host,
		               port ? port : default_port, path);
		while (b->len && b->data[b->len - 1] == '/')
			b->data[--b->len] = '\0';
		r = b->failed ? -ENOMEM : 0;
	}
	curl_free(host);
	curl_free(port);
	curl_free(path);
	return r;
}

/* rest: behind "://". */
static int parse_url(const char *host, const char *rest, bool tls, const char *default_port,
                     struct corral_docker_endpoint *p, struct corral_error *err)
{
	corral_auto(url_cleanup) CURLU *u = curl_url();
	corral_autobuf struct corral_buf url = CORRAL_BUF_INIT, base = CORRAL_BUF_INIT;
	char room[128];
	int r = 0;

	corral_buf_fmt(&url, "http://%s", rest);
	if (!u || url.failed)
		return corral_error_set(err, ENOMEM, "no memory");
	if (curl_url_set(u, CURLUPART_URL, url.data, 0) != CURLUE_OK)
		r = -EINVAL;
	/* Credentials in a URL end up in logs, and engines know none. */
	if (r < 0 || has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_QUERY) ||
	    has_part(u, CURLUPART_FRAGMENT) || build_url(u, tls, default_port, &base) < 0)
		return corral_error_set(err, EINVAL,
		                        "'%s' is no address of an engine: tcp://HOST:PORT",
		                        shown(host, room));
	p->text = strdup(host);
	p->base_url = corral_buf_take(&base);
	p->tls = tls;
	return p->text && p->base_url ? 0 : corral_error_set(err, ENOMEM, "no memory");
}

static int parse(const char *host, bool tls, struct corral_docker_endpoint *p,
                 struct corral_error *err)
{
	char room[128];

	if (strncmp(host, "unix://", 7) == 0)
		return parse_unix(host, p, err);
	if (strncmp(host, "tcp://", 6) == 0)
		return parse_url(host, host + 6, tls, tls ? "2376" : "2375", p, err);
	if (strncmp(host, "http://", 7) == 0)
		return parse_url(host, host + 7, false, "80", p, err);
	if (strncmp(host, "https://", 8) == 0)
		return parse_url(host, host + 8, true, "443", p, err);
	if (strncmp(host, "ssh://", 6) == 0)
		return corral_error_set(
		        err, EPROTONOSUPPORT,
		        "'%s': SSH is not spoken here; forward the socket (ssh -nNT "
		        "-L /tmp/docker.sock:/var/run/docker.sock HOST) and use "
		        "unix:///tmp/docker.sock",
		        shown(host, room));
	if (strncmp(host, "npipe://", 8) == 0)
		return corral_error_set(err, EPROTONOSUPPORT,
		                        "'%s': named pipes are Windows'; use unix:// or tcp://",
		                        shown(host, room));
	return corral_error_set(err, EINVAL,
	                        "'%s' is no address of an engine: unix:///PATH or tcp://HOST:PORT",
	                        shown(host, room));
}

int corral_docker_endpoint_parse(const char *host, bool tls, struct corral_docker_endpoint *ret,
                                 struct corral_error *err)
{
	corral_auto(corral_docker_endpoint_done) struct corral_docker_endpoint p = { 0 };
	int r = parse(host, tls, &p, err);

	if (r < 0)
		return r;
	*ret = p;
	memset(&p, 0, sizeof(p));
	return 0;
}

/* The path of a file that is there; empty when it is not. */
static int look(const char *dir, const char *name, char **ret, struct corral_error *err)
{
	corral_autobuf struct corral_buf path = CORRAL_BUF_INIT;

	corral_buf_fmt(&path, "%s/%s", dir, name);
	if (path.failed)
		return corral_error_set(err, ENOMEM, "no memory");
	if (access(path.data, R_OK) == 0)
		*ret = corral_buf_take(&path);
	else if (errno != ENOENT)
		return corral_error_sys(err, errno, "read '%s'", path.data);
	return 0;
}

int corral_docker_endpoint_certificates(struct corral_docker_endpoint *p, const char *dir,
                                        bool need_ca, struct corral_error *err)
{
	int r = look(dir, "ca.pem", &p->ca, err);

	if (r == 0)
		r = look(dir, "cert.pem", &p->cert, err);
	if (r == 0)
		r = look(dir, "key.pem", &p->key, err);
	if (r < 0)
		return r;
	if (need_ca && !p->ca)
		return corral_error_set(
		        err, EINVAL, "'%s' has no ca.pem to know the engine by (DOCKER_CERT_PATH)",
		        dir);
	if (!p->cert != !p->key)
		return corral_error_set(err, EINVAL, "'%s' has %s without %s", dir,
		                        p->cert ? "cert.pem" : "key.pem",
		                        p->cert ? "key.pem" : "cert.pem");
	return 0;
}
