#include "backends/docker/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/engine.h"
#include "backends/docker/socket.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/said.h"

/* Connections that are kept while nobody uses them. */
#define IDLE_MAX 32

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void init_once(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int docker_curl_init(void)
{
	return pthread_once(&curl_once, init_once) == 0 && curl_ready == CURLE_OK ? 0 : -ENOMEM;
}

static void connection_free(struct docker_connection *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->easy);
	if (c->multi)
		(void)curl_multi_cleanup(c->multi);
	free(c);
}

void docker_pool_init(struct docker_pool *p)
{
	memset(p, 0, sizeof(*p));
	(void)pthread_mutex_init(&p->lock, NULL);
}

void docker_pool_done(struct docker_pool *p)
{
	while (p->idle) {
		struct docker_connection *c = p->idle;

		p->idle = c->next;
		connection_free(c);
	}
	(void)pthread_mutex_destroy(&p->lock);
}

static struct docker_connection *connection_new(void)
{
	struct docker_connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->multi = curl_multi_init();
	c->easy = curl_easy_init();
	if (c->multi && c->easy &&
	    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 1L) == CURLM_OK)
		return c;
	connection_free(c);
	return NULL;
}

struct docker_connection *docker_pool_take(struct docker_pool *p)
{
	struct docker_connection *c;

	/* The last that was given back is the least likely to have grown stale. */
	(void)pthread_mutex_lock(&p->lock);
	c = p->idle;
	if (c) {
		p->idle = c->next;
		p->n_idle--;
	}
	(void)pthread_mutex_unlock(&p->lock);
	return c ? c : connection_new();
}

void docker_pool_give(struct docker_pool *p, struct docker_connection *c, bool usable)
{
	(void)pthread_mutex_lock(&p->lock);
	if (usable && p->n_idle < IDLE_MAX) {
		c->next = p->idle;
		p->idle = c;
		p->n_idle++;
		c = NULL;
	}
	(void)pthread_mutex_unlock(&p->lock);
	connection_free(c);
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	int fd;

	(void)ctx;
	(void)purpose;
	fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static CURLcode setup_tls(CURL *easy, const struct corral_docker_endpoint *at)
{
	CURLcode r = CURLE_OK;

	if (at->ca) {
		r = curl_easy_setopt(easy, CURLOPT_CAINFO, at->ca);
		/* That one and none of the system's. */
		if (r == CURLE_OK)
			r = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
	if (r == CURLE_OK && at->cert)
		r = curl_easy_setopt(easy, CURLOPT_SSLCERT, at->cert);
	if (r == CURLE_OK && at->key)
		r = curl_easy_setopt(easy, CURLOPT_SSLKEY, at->key);
	if (r == CURLE_OK && at->skip_verify) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return r;
}

int docker_curl_setup(CURL *easy, const struct corral_docker_endpoint *at)
{
	const long connect_ms = CORRAL_DOCKER_CONNECT_TIMEOUT_MS;
	CURLcode r;

	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	/* These copy their text. The environment's proxies are not for engines. */
	r = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (r == CURLE_OK && at->socket)
		r = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, at->socket);
	if (r == CURLE_OK)
		r = setup_tls(easy, at);
	return r == CURLE_OK ? 0 : -ENOMEM;
}

static int explain_tcp(const struct corral_docker_endpoint *at, int code, struct corral_error *err)
{
	if (!code || code == EINPROGRESS || code == ECONNREFUSED)
		return corral_error_set(err, ECONNREFUSED,
		                        "nobody listens on %s: is the engine running, and told "
		                        "to listen there (dockerd -H)?",
		                        at->text);
	return corral_error_sys(err, code, "connect to %s", at->text);
}

/* What libcurl's codes mean to whoever called an engine. */
static int code_of(CURLcode result)
{
	switch (result) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_OUT_OF_MEMORY:
		return ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_BAD_FUNCTION_ARGUMENT:
		return EINVAL;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return EPIPE;
	default:
		return EPROTO;
	}
}

/* With TLS 1.3 the engine's verdict on our certificate comes when the answer is read. */
static bool is_refused_certificate(CURLcode result, const char *said)
{
	return result == CURLE_SSL_CLIENTCERT ||
	       ((result == CURLE_RECV_ERROR || result == CURLE_SSL_CONNECT_ERROR) &&
	        strstr(said, " alert ") && strstr(said, "certificate"));
}

int docker_curl_error(CURL *easy, const struct corral_docker_endpoint *at, CURLcode result,
                      const char *said, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	const char *reason = said[0] ? said : curl_easy_strerror(result);
	long code = 0;

	(void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &code);
	if (result == CURLE_COULDNT_CONNECT && !at->socket)
		return explain_tcp(at, (int)code, err);
	/* Without a reason: see may_connect_again() in http.c. */
	if (result == CURLE_COULDNT_CONNECT)
		return corral_docker_socket_explain(at->socket, code ? (int)code : ETIMEDOUT, err);
	if (at->tls && is_refused_certificate(result, reason))
		return corral_error_set(err, EACCES,
		                        "%s: the engine does not speak to this certificate, or to "
		                        "nobody without one: DOCKER_CERT_PATH names a directory "
		                        "with cert.pem and key.pem",
		                        at->text);
	corral_said(&text, reason, strlen(reason), 200);
	return corral_error_set(err, code_of(result), "%s: %s", at->text,
	                        text.data && !text.failed ? text.data : "failed");
}

void docker_sigpipe_hold(struct corral_sigpipe *s, bool tls)
{
	s->is_held = false;
	if (tls)
		corral_sigpipe_hold(s);
}
