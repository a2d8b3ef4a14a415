/*
 * Theory of operation: a request is driven by the thread that makes it, which looks between its
 * steps at the clock and calls the tick. libcurl calls back for what came; the first callback that
 * fails leaves its error in the call. libcurl follows no redirect by itself: each address is looked
 * at first, and is a transfer of its own.
 */
#include "kernel/image/oci/registry_http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/base/parse.h"
#include "kernel/base/said.h"
#include "kernel/base/sigpipe.h"
#include "kernel/image/oci/registry_certs.h"
#include "kernel/image/oci/registry_challenge.h"

#define STALL_MS   30000
#define CONNECT_MS 15000

/* Whoever drips holds up all who want the same: so long with less than that a second is enough, as
 * for curl --speed-time and --speed-limit. */
#define SLOW_MS    60000
#define SLOW_BYTES 1024

/* What a server has to send within the time of a stall. */
#define PROGRESS_BYTES 4096
/* Of a body that nobody wants, before the connection is given up. */
#define DISCARD_MAX (1u << 20)
#define BUFFER_SIZE (512L << 10)

struct corral_registry_http {
	CURL *easy;
	CURLM *multi;
	const struct corral_registry_http_options *o;
	int64_t stall_ms, slow_ms;
	const char *system_certs; /* libcurl's own default */
};

struct call {
	struct corral_registry_http *h;
	const struct corral_registry_request *q;
	struct corral_registry_answer *a;
	struct corral_error *err;
	struct corral_registry_origin start, at;
	char *url; /* of this transfer */
	struct curl_slist *headers;
	struct corral_registry_certs certs;
	char said[CURL_ERROR_SIZE];
	int code; /* negative: err is set, and libcurl was told to stop */
	uint64_t started_ms, moved_ms;
	uint64_t window_ms, window_bytes; /* of the body, since then */
	size_t n_head, n_new, n_discarded;
	bool head_done, begun, is_interim;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void init_once(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int corral_registry_http_new(const struct corral_registry_http_options *o,
                             struct corral_registry_http **ret, struct corral_error *err)
{
	corral_auto(corral_registry_http_freep) struct corral_registry_http *h =
	        calloc(1, sizeof(*h));
	const curl_version_info_data *version;

	if (!h || pthread_once(&curl_once, init_once) != 0 || curl_ready != CURLE_OK)
		return corral_error_set(err, ENOMEM, "out of memory");
	h->easy = curl_easy_init();
	h->multi = curl_multi_init();
	if (!h->easy || !h->multi)
		return corral_error_set(err, ENOMEM, "out of memory");
	(void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, 4L);
	h->o = o;
	h->stall_ms = o->stall_ms > 0 ? o->stall_ms : STALL_MS;
	h->slow_ms = o->slow_ms > 0 ? o->slow_ms : SLOW_MS;
	version = curl_version_info(CURLVERSION_NOW);
	if (version->age >= CURLVERSION_SEVENTH)
		h->system_certs = version->cainfo;
	*ret = corral_take_ptr(&h);
	return 0;
}

void corral_registry_http_free(struct corral_registry_http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->easy);
	if (h->multi)
		(void)curl_multi_cleanup(h->multi);
	free(h);
}

void corral_registry_answer_done(struct corral_registry_answer *a)
{
	free(a->content_type);
	free(a->content_range);
	free(a->digest);
	corral_buf_done(&a->wanted);
	/* Tokens come as bodies. */
	if (a->body.data)
		explicit_bzero(a->body.data, a->body.size);
	corral_buf_done(&a->body);
	memset(a, 0, sizeof(*a));
}

static void call_done(struct call *c)
{
	free(c->url);
	curl_slist_free_all(c->headers);
	corral_registry_certs_done(&c->certs);
}

static int stop(struct call *c, int r)
{
	c->code = r < 0 ? r : -EIO;
	return r;
}

/* ---- what comes ---- */

static bool header_is(const char *line, size_t len, const char *name, const char **value, size_t *n)
{
	size_t at = strlen(name);

	if (len <= at || line[at] != ':' || strncasecmp(line, name, at) != 0)
		return false;
	for (at++; at < len && (line[at] == ' ' || line[at] == '\t'); at++)
		;
	while (len > at && strchr(" \t\r\n", line[len - 1]))
		len--;
	*value = line + at;
	*n = len - at;
	return true;
}

static void text_set(char **to, const char *text, size_t len)
{
	free(*to);
	*to = strndup(text, len);
}

static void header_take(struct corral_registry_answer *a, const char *line, size_t len)
{
	const char *value;
	size_t n;

	if (header_is(line, len, "content-type", &value, &n)) {
		const char *end = memchr(value, ';', n);

		n = end ? (size_t)(end - value) : n;
		while (n && value[n - 1] == ' ')
			n--;
		text_set(&a->content_type, value, n);
	} else if (header_is(line, len, "content-range", &value, &n)) {
		text_set(&a->content_range, value, n);
	} else if (header_is(line, len, "docker-content-digest", &value, &n)) {
		text_set(&a->digest, value, n);
	} else if (header_is(line, len, "www-authenticate", &value, &n) &&
	           a->wanted.len + n < CORRAL_REGISTRY_CHALLENGE_MAX) {
		if (a->wanted.len)
			corral_buf_str(&a->wanted, ", ");
		corral_buf_add(&a->wanted, value, n);
	}
}

static void head_forget(struct corral_registry_answer *a)
{
	struct corral_buf body = a->body;

	memset(&a->body, 0, sizeof(a->body));
	corral_registry_answer_done(a);
	a->body = body;
	a->length = -1;
}

static size_t on_header(char *line, size_t one, size_t len, void *ctx)
{
	struct call *c = ctx;

	(void)one;
	c->n_head += len;
	if (c->n_head > CORRAL_REGISTRY_HEAD_MAX) {
		(void)stop(c, corral_error_set(c->err, EPROTO, "its answer's head does not end"));
		return 0;
	}
	/* Of several heads (100, then 200) the last counts. */
	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		const char *blank = memchr(line, ' ', len - 1);

		head_forget(c->a);
		c->head_done = false;
		c->is_interim = blank && blank[1] == '1';
	} else if (line[0] == '\r' || line[0] == '\n') {
		c->head_done = true;
		/* One that says "100 Continue" for ever has not answered. */
		if (!c->is_interim)
			c->moved_ms = c->window_ms = corral_now_ms();
	} else {
		header_take(c->a, line, len);
	}
	return len;
}

static int begin(struct call *c)
{
	curl_off_t length = -1;

	if (c->begun)
		return 0;
	c->begun = true;
	(void)curl_easy_getinfo(c->h->easy, CURLINFO_RESPONSE_CODE, &c->a->status);
	(void)curl_easy_getinfo(c->h->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	c->a->length = length;
	if (c->q->begin && c->a->status >= 200 && c->a->status < 300)
		return c->q->begin(c->q->ctx, c->a, c->err);
	return 0;
}

static int keep(struct call *c, const char *data, size_t len)
{
	bool is_answer = c->a->status >= 200 && c->a->status < 300;
	size_t max = is_answer ? c->q->body_max : CORRAL_REGISTRY_REFUSAL_MAX;
	size_t room = max > c->a->body.len ? max - c->a->body.len : 0;

	if (len > room && is_answer)
		return corral_error_set(c->err, EMSGSIZE, "its answer is longer than %zu bytes",
		                        max);
	corral_buf_add(&c->a->body, data, len < room ? len : room);
	if (c->a->body.failed)
		return corral_error_set(c->err, ENOMEM, "out of memory");
	if (len > room)
		c->n_discarded += len - room;
	return c->n_discarded > DISCARD_MAX
	               ? corral_error_set(c->err, EMSGSIZE, "its refusal does not end")
	               : 0;
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct call *c = ctx;
	uint64_t came_ms = corral_now_ms();
	int r = begin(c);

	(void)one;
	if (r == 0 && c->q->put && c->a->status >= 200 && c->a->status < 300)
		r = c->q->put(c->q->ctx, data, len, c->err);
	else if (r == 0)
		r = keep(c, data, len);
	/* After the sink: how long that takes is not the other side's fault. */
	c->n_new += len;
	if (c->n_new >= PROGRESS_BYTES) {
		c->n_new = 0;
		c->moved_ms = corral_now_ms();
	}
	c->window_bytes += len;
	c->window_ms += corral_now_ms() - came_ms;
	if (r != 0) {
		(void)stop(c, r);
		return 0;
	}
	return len;
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);

	(void)ctx;
	(void)purpose;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* ---- what goes out ---- */

static int add_header(struct call *c, const char *line)
{
	struct curl_slist *more;

	for (const char *at = line; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return corral_error_set(c->err, EINVAL, "a header with control characters");
	more = curl_slist_append(c->headers, line);
	if (!more)
		return corral_error_set(c->err, ENOMEM, "out of memory");
	c->headers = more;
	return 0;
}

static int add_headers(struct call *c)
{
	bool is_start = corral_registry_origin_equal(&c->start, &c->at);
	/* A blob is asked for as it is: its digest is of that. */
	int r = add_header(c, "Accept-Encoding: identity");

	for (const char *const *line = c->q->headers; line && *line && r == 0; line++)
		r = add_header(c, *line);
	if (r == 0 && c->q->secret_header && is_start)
		r = add_header(c, c->q->secret_header);
	return r;
}

/* Of the one that was asked, it was said; of those it sends us to, the list says. */
static bool is_unverified(const struct call *c)
{
	if (corral_registry_origin_equal(&c->start, &c->at))
		return c->q->is_unverified;
	return c->at.is_loopback || corral_registry_is_insecure(c->h->o->insecure, &c->at);
}

static CURLcode setup_tls(struct call *c)
{
	CURL *easy = c->h->easy;
	struct curl_blob trusted = { .data = c->certs.trusted.data,
		                     .len = c->certs.trusted.len,
		                     .flags = CURL_BLOB_NOCOPY };
	CURLcode r = CURLE_OK;

	if (is_unverified(c)) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	} else if (trusted.len) {
		r = curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &trusted);
	}
	if (r == CURLE_OK && c->certs.cert)
		r = curl_easy_setopt(easy, CURLOPT_SSLCERT, c->certs.cert);
	if (r == CURLE_OK && c->certs.key)
		r = curl_easy_setopt(easy, CURLOPT_SSLKEY, c->certs.key);
	return r;
}

static CURLcode setup_proxy(struct call *c)
{
	const struct corral_registry_http_options *o = c->h->o;
	/* With these set, libcurl does not look into the environment. */
	CURLcode r = curl_easy_setopt(c->h->easy, CURLOPT_PROXY,
	                              o->proxy && !c->at.is_loopback ? o->proxy : "");

	if (r == CURLE_OK)
		r = curl_easy_setopt(c->h->easy, CURLOPT_NOPROXY, o->no_proxy ? o->no_proxy : "");
	return r;
}

static int prepare(struct call *c)
{
	CURL *easy = c->h->easy;
	CURLcode code;
	int r;

	curl_easy_reset(easy);
	curl_slist_free_all(c->headers);
	c->headers = NULL;
	corral_registry_certs_done(&c->certs);
	c->n_head = c->n_new = c->n_discarded = 0;
	c->window_bytes = 0;
	c->head_done = c->begun = c->is_interim = false;
	c->said[0] = '\0';
	corral_buf_done(&c->a->body);
	r = add_headers(c);
	if (r == 0 && c->at.is_tls)
		r = corral_registry_certs_find(c->h->o->certs_dirs, c->h->system_certs, &c->at,
		                               &c->certs, c->err);
	if (r < 0)
		return r;
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
	                       (long)(c->h->stall_ms < CONNECT_MS ? c->h->stall_ms : CONNECT_MS));
	(void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->said);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	(void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
	code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "corral/" CORRAL_VERSION);
	if (code == CURLE_OK)
		code = curl_easy_setopt(easy, CURLOPT_URL, c->url);
	if (code == CURLE_OK && c->q->form)
		code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->q->form);
	if (code == CURLE_OK)
		code = setup_proxy(c);
	if (code == CURLE_OK && c->at.is_tls)
		code = setup_tls(c);
	return code == CURLE_OK ? 0 : corral_error_set(c->err, ENOMEM, "out of memory");
}

/* ---- one transfer ---- */

static int late(struct call *c, int64_t ms)
{
	c->a->is_broken = true;
	return corral_error_set(c->err, ETIMEDOUT, "%s in %lld ms",
	                        c->head_done ? "nothing more came" : "there was no answer",
	                        (long long)ms);
}

/* Not "broken": what begins anew would drip again. */
static int look_at_rate(struct call *c, uint64_t now)
{
	if (!c->head_done || c->is_interim || (int64_t)(now - c->window_ms) < c->h->slow_ms)
		return 0;
	if (c->window_bytes < (uint64_t)c->h->slow_ms * SLOW_BYTES / 1000)
		return corral_error_set(c->err, ETIMEDOUT,
		                        "it sends less than %d bytes a second, for %lld ms",
		                        SLOW_BYTES, (long long)c->h->slow_ms);
	c->window_ms = now;
	c->window_bytes = 0;
	return 0;
}

static int look_at_clock(struct call *c)
{
	uint64_t now = corral_now_ms();

	if ((int64_t)(now - c->moved_ms) >= c->h->stall_ms)
		return late(c, c->h->stall_ms);
	if (c->q->timeout_ms && (int64_t)(now - c->started_ms) >= c->q->timeout_ms)
		return late(c, c->q->timeout_ms);
	return look_at_rate(c, now);
}

/* Until the transfer is done; its result. */
static int drive(struct call *c, CURLcode *ret)
{
	int running = 1, n_left = 0, r = 0;
	uint64_t ticked_ms = 0;
	const CURLMsg *done;

	while (running) {
		CURLMcode m = curl_multi_perform(c->h->multi, &running);

		if (m == CURLM_OK && running)
			m = curl_multi_poll(c->h->multi, NULL, 0, CORRAL_REGISTRY_TICK_MS, NULL);
		if (m != CURLM_OK)
			return corral_error_set(c->err, ENOMEM, "%s", curl_multi_strerror(m));
		if (!running)
			break;
		r = look_at_clock(c);
		if (r == 0 && c->q->tick &&
		    corral_now_ms() - ticked_ms >= CORRAL_REGISTRY_TICK_MS) {
			ticked_ms = corral_now_ms();
			r = c->q->tick(c->q->ctx, c->err);
		}
		if (r != 0)
			return r < 0 ? r : -EIO;
	}
	done = curl_multi_info_read(c->h->multi, &n_left);
	*ret = done && done->msg == CURLMSG_DONE ? done->data.result : CURLE_RECV_ERROR;
	return 0;
}

/* What libcurl's codes mean to whoever wants an image. */
static int code_of(const struct call *c, CURLcode result, bool *ret_is_broken)
{
	*ret_is_broken = true;
	switch (result) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return ECONNRESET;
	default:
		break;
	}
	*ret_is_broken = false;
	switch (result) {
	case CURLE_OUT_OF_MEMORY:
		/* Also said of one header's line that is longer than it allows. */
		return c->n_head && !c->head_done ? EPROTO : ENOMEM;
	case CURLE_PEER_FAILED_VERIFICATION:
		return EKEYREJECTED;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return EINVAL;
	default:
		return EPROTO;
	}
}

/* Its host and port, without who it is asked as. */
static void proxy_name(const char *proxy, char *ret, size_t size)
{
	const char *scheme = strstr(proxy, "://");
	const char *at = scheme ? scheme + 3 : proxy;
	size_t len = strcspn(at, "/");

	for (const char *p = at; p < at + len; p++)
		if (*p == '@') {
			len -= (size_t)(p + 1 - at);
			at = p + 1;
		}
	(void)snprintf(ret, size, "%.*s", (int)(len < size ? len : size - 1), at);
}

/* libcurl names the host that it wanted to reach: "Failed to connect to proxy.lan port 3128". */
static bool is_of_proxy(const struct call *c, const char *name, CURLcode result)
{
	const char *said = strstr(c->said, "connect to ");
	size_t len = strcspn(name, ":");

	if (result == CURLE_COULDNT_RESOLVE_PROXY)
		return true;
	if (result != CURLE_COULDNT_CONNECT || !said)
		return false;
	said += strlen("connect to ");
	if (strncmp(said, name, len) != 0 || strncmp(said + len, " port ", 6) != 0)
		return false;
	return !name[len] || strtoul(said + len + 6, NULL, 10) == strtoul(name + len + 1, NULL, 10);
}

static int explain(struct call *c, CURLcode result)
{
	const char *proxy = c->h->o->proxy && !c->at.is_loopback ? c->h->o->proxy : NULL;
	char name[256];
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	const char *reason = c->said[0] ? c->said : curl_easy_strerror(result);
	int code;

	if (c->code < 0)
		return c->code;
	code = code_of(c, result, &c->a->is_broken);
	if (proxy) {
		proxy_name(proxy, name, sizeof(name));
		if (is_of_proxy(c, name, result))
			return corral_error_set(c->err, code,
			                        "the proxy %.200s does not answer, by which "
			                        "%.100s:%u is to be reached (https_proxy, "
			                        "no_proxy)",
			                        name, c->at.host, c->at.port);
	}
	if (code == ECONNREFUSED)
		return corral_error_set(c->err, code, "nobody answers at %.200s:%u", c->at.host,
		                        c->at.port);
	/* OpenSSL's "wrong version number" is what the letters of HTTP look like to TLS. */
	if (result == CURLE_SSL_CONNECT_ERROR && c->at.is_tls &&
	    (strstr(reason, "wrong version number") || strstr(reason, "packet length too long") ||
	     strstr(reason, "record layer failure"))) {
		c->a->is_plain = true;
		return corral_error_set(c->err, code,
		                        "%.80s:%u does not speak TLS; if it speaks plain HTTP: "
		                        "corral image pull --insecure %.80s:%u NAME, or "
		                        "\"insecure\" in registries.json",
		                        c->at.host, c->at.port, c->at.host, c->at.port);
	}
	corral_said(&text, reason, strlen(reason), 200);
	return corral_error_set(c->err, code, "%s",
	                        text.data && !text.failed ? text.data : "it failed");
}

static int transfer(struct call *c)
{
	CURLcode result = CURLE_OK;
	int r = prepare(c);

	if (r < 0)
		return r;
	c->moved_ms = corral_now_ms();
	if (curl_multi_add_handle(c->h->multi, c->h->easy) != CURLM_OK)
		return corral_error_set(c->err, ENOMEM, "out of memory");
	r = drive(c, &result);
	if (r == 0 && result != CURLE_OK)
		r = explain(c, result);
	/* The answer may have no body. */
	if (r == 0 && c->head_done)
		r = begin(c);
	if (r == 0 && !c->head_done) {
		c->a->is_broken = true;
		r = corral_error_set(c->err, ECONNRESET, "its answer breaks off");
	}
	if (r == 0) {
		curl_off_t seconds = 0;

		(void)curl_easy_getinfo(c->h->easy, CURLINFO_RETRY_AFTER, &seconds);
		c->a->retry_after_s = seconds > 0 ? seconds : 0;
	}
	return r;
}

/* ---- a request ---- */

static bool is_redirect(const struct call *c)
{
	long status = c->a->status;

	return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

/* To where the answer sends us: c->url and c->at. */
static int turn(struct call *c)
{
	struct corral_registry_origin to;
	char *url = NULL;
	int r;

	(void)curl_easy_getinfo(c->h->easy, CURLINFO_REDIRECT_URL, &url);
	if (!url)
		return corral_error_set(c->err, EPROTO, "it sends us elsewhere, and not where to");
	if (c->q->form)
		return corral_error_set(c->err, EPERM, "it sends elsewhere what only it is told");
	r = corral_registry_origin_of(url, &to, c->err);
	if (r < 0)
		return corral_error_wrap(c->err, r, "it sends us elsewhere");
	r = corral_registry_may_follow(&c->at, &to, c->h->o->insecure, c->err);
	if (r < 0)
		return r;
	free(c->url);
	c->url = strdup(url);
	c->at = to;
	return c->url ? 0 : corral_error_set(c->err, ENOMEM, "out of memory");
}

static int request(struct call *c)
{
	int r = 0;

	for (int n = 0; n <= CORRAL_REGISTRY_REDIRECTS_MAX && r == 0; n++) {
		r = transfer(c);
		c->a->is_elsewhere = !corral_registry_origin_equal(&c->start, &c->at);
		if (r == 0 && !is_redirect(c))
			return 0;
		if (r == 0)
			r = turn(c);
		(void)curl_multi_remove_handle(c->h->multi, c->h->easy);
	}
	return r < 0 ? r
	             : corral_error_set(c->err, ELOOP, "it sends us on more than %d times",
	                                CORRAL_REGISTRY_REDIRECTS_MAX);
}

int corral_registry_http_do(struct corral_registry_http *h, const struct corral_registry_request *q,
                            struct corral_registry_answer *ret, struct corral_error *err)
{
	corral_auto(call_done) struct call c = { .h = h, .q = q, .a = ret, .err = err };
	struct corral_sigpipe pipe;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->length = -1;
	r = corral_registry_origin_of(q->url, &c.start, err);
	if (r < 0)
		return r;
	c.at = c.start;
	c.url = strdup(q->url);
	if (!c.url)
		return corral_error_set(err, ENOMEM, "out of memory");
	c.started_ms = corral_now_ms();
	/* TLS writes without MSG_NOSIGNAL. */
	corral_sigpipe_hold(&pipe);
	r = request(&c);
	(void)curl_multi_remove_handle(h->multi, h->easy);
	/* What it was given is ours to free. */
	curl_easy_reset(h->easy);
	corral_sigpipe_release(&pipe);
	if (r == 0 && (ret->wanted.failed || ret->body.failed))
		return corral_error_set(err, ENOMEM, "out of memory");
	return r;
}

bool corral_registry_range_is(const char *content_range, uint64_t from, uint64_t size)
{
	char first[21] = "", last[21] = "", all[21] = "";
	uint64_t a = 0, z = 0, n = 0;

	if (!content_range || strncasecmp(content_range, "bytes ", 6) != 0 ||
	    sscanf(content_range + 6, "%20[0-9]-%20[0-9]/%20[0-9*]", first, last, all) != 3)
		return false;
	if (corral_parse_u64(first, UINT64_MAX, &a, NULL) < 0 ||
	    corral_parse_u64(last, UINT64_MAX, &z, NULL) < 0)
		return false;
	if (strcmp(all, "*") != 0 && (corral_parse_u64(all, UINT64_MAX, &n, NULL) < 0 || n != size))
		return false;
	return a == from && z >= a && z < size;
}

void corral_registry_escape(struct corral_buf *b, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                            "0123456789._~-";

	for (const char *at = text; *at; at++) {
		if (strchr(plain, *at))
			corral_buf_add(b, at, 1);
		else
			corral_buf_fmt(b, "%%%02X", (unsigned int)(unsigned char)*at);
	}
}
