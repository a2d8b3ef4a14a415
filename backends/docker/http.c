/*
 * Theory of operation: a call takes a handle from the engine's pool and drives it by itself until
 * it is done, looking between its steps at the deadline, at when the last byte moved, and at the
 * descriptor that cancels it. libcurl calls back for what is sent and what came; the first of these
 * that fails leaves its error in the call. A handle whose call ended any other way than with an
 * answer is closed with its connection, since nobody knows what is still on the way there.
 */
#include "backends/docker/http.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/answer.h"
#include "backends/docker/engine_state.h"
#include "kernel/base/base64.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* A wait that nothing limits is cut into these. */
#define STEP_MS 60000

/* Between attempts to get into a full queue, which has no event to wait for. */
#define CONNECT_AGAIN_MS 10

struct call {
	struct corral_docker_engine *e;
	const struct corral_docker_request *q;
	struct corral_docker_answer *a;
	struct corral_error *err;
	struct docker_connection *c;
	int cancel_fd; /* or -1 */
	struct curl_slist *headers;
	char *text; /* of q->json */
	char said[CURL_ERROR_SIZE];
	int code; /* negative: err is set, and libcurl was told to stop */
	uint64_t started_ms, moved_ms;
	size_t n_head;
	unsigned int n_sent;
	bool is_json, head_done;
	bool own_words; /* the error is a sink's or a source's: the caller's own */
};

static void call_done(struct call *c)
{
	curl_slist_free_all(c->headers);
	free(c->text);
}

static int stop(struct call *c, int r)
{
	c->code = r < 0 ? r : -EIO;
	return r;
}

static size_t on_header(char *line, size_t one, size_t len, void *ctx)
{
	struct call *c = ctx;
	const char *value;
	size_t n;

	(void)one;
	c->moved_ms = corral_now_ms();
	c->n_head += len;
	if (c->n_head > DOCKER_HEAD_MAX) {
		(void)stop(c, corral_error_set(c->err, EPROTO,
		                               "the head of the engine's answer does not end"));
		return 0;
	}
	/* Of several heads (100, then 200) the last counts. */
	if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
		c->head_done = c->is_json = false;
		corral_buf_done(&c->a->stat);
	} else if (line[0] == '\r' || line[0] == '\n') {
		c->head_done = true;
	} else if (docker_header_is(line, len, "content-type", &value, &n)) {
		c->is_json = docker_type_is_json(value, n);
	} else if (docker_header_is(line, len, "x-docker-container-path-stat", &value, &n)) {
		corral_buf_done(&c->a->stat);
		if (corral_base64_decode(value, n, &c->a->stat) < 0)
			corral_buf_done(&c->a->stat);
	}
	return len;
}

static int keep(struct call *c, const char *data, size_t len)
{
	struct corral_buf *b = &c->a->body;

	if (len > CORRAL_DOCKER_ANSWER_MAX - b->len)
		return corral_error_set(c->err, EMSGSIZE,
		                        "the engine's answer is longer than %u MiB",
		                        CORRAL_DOCKER_ANSWER_MAX >> 20);
	corral_buf_add(b, data, len);
	return b->failed ? corral_error_set(c->err, ENOMEM, "no memory for the engine's answer")
	                 : 0;
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct call *c = ctx;
	const struct corral_files_sink *sink = c->q->sink;
	long status = 0;
	int r;

	(void)one;
	(void)curl_easy_getinfo(c->c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (sink && status >= 200 && status < 300) {
		r = sink->put(sink->ctx, data, len, c->err);
		c->own_words = r != 0;
	} else {
		r = keep(c, data, len);
	}
	/* After the sink: how long that takes is not the engine's fault. */
	c->moved_ms = corral_now_ms();
	if (r != 0) {
		(void)stop(c, r);
		return 0;
	}
	return len;
}

static size_t on_source(char *data, size_t one, size_t size, void *ctx)
{
	struct call *c = ctx;
	const struct corral_files_source *source = c->q->source;
	long n = source->get(source->ctx, data, one * size, c->err);

	c->moved_ms = corral_now_ms();
	if (n >= 0 && (size_t)n <= one * size)
		return (size_t)n;
	c->own_words = true;
	(void)stop(c, n < 0 ? (int)n : -EIO);
	return CURL_READFUNC_ABORT;
}

/*
 * Before a request goes out. libcurl sends it anew by itself where a connection that stood open
 * turns out to be dead; what changes something must not happen twice.
 */
static int on_request(void *ctx, char *from, char *to, int from_port, int to_port)
{
	struct call *c = ctx;
	const char *method = c->q->method;
	bool harmless = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	(void)from;
	(void)to;
	(void)from_port;
	(void)to_port;
	if (++c->n_sent <= (harmless ? 2 : 1))
		return CURL_PREREQFUNC_OK;
	(void)stop(c, corral_error_set(c->err, EPIPE,
	                               "the engine closed the connection before it answered"));
	return CURL_PREREQFUNC_ABORT;
}

static int add_header(struct call *c, const char *line)
{
	struct curl_slist *more;

	for (const char *at = line; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return corral_error_set(c->err, EINVAL, "a header with control characters");
	more = curl_slist_append(c->headers, line);
	if (!more)
		return corral_error_set(c->err, ENOMEM, "no memory");
	c->headers = more;
	return 0;
}

static int add_headers(struct call *c)
{
	const struct corral_docker_request *q = c->q;
	corral_autobuf struct corral_buf type = CORRAL_BUF_INIT;
	const char *usual = q->json ? "application/json" : "application/x-tar";
	int r = 0;

	/* With nothing behind it, libcurl leaves its own out. */
	corral_buf_str(&type, "Content-Type:");
	if (q->content_type || q->json || q->body || q->source)
		corral_buf_fmt(&type, " %s", q->content_type ? q->content_type : usual);
	if (type.failed)
		return corral_error_set(c->err, ENOMEM, "no memory");
	r = add_header(c, type.data);
	for (const char *const *line = q->headers; line && *line && r == 0; line++)
		r = add_header(c, *line);
	return r;
}

/* A body that is known; may be empty. */
static CURLcode give_bytes(CURL *easy, const char *data, size_t len)
{
	CURLcode r = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);

	return r == CURLE_OK ? curl_easy_setopt(easy, CURLOPT_POSTFIELDS, data ? data : "") : r;
}

static int give_body(struct call *c)
{
	const struct corral_docker_request *q = c->q;
	CURL *easy = c->c->easy;
	bool has_body = strcmp(q->method, "POST") == 0 || strcmp(q->method, "PUT") == 0;
	CURLcode r = CURLE_OK;

	if (q->json) {
		c->text = json_dumps(q->json, JSON_COMPACT | JSON_ENCODE_ANY);
		if (!c->text)
			return corral_error_set(c->err, ENOMEM, "no memory for a request");
		r = give_bytes(easy, c->text, strlen(c->text));
	} else if (q->body) {
		r = give_bytes(easy, q->body->data, q->body->len);
	} else if (q->source) {
		(void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_source);
		(void)curl_easy_setopt(easy, CURLOPT_READDATA, c);
	} else if (has_body) {
		r = give_bytes(easy, "", 0);
	} else if (strcmp(q->method, "HEAD") == 0) {
		(void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	}
	if (r == CURLE_OK)
		r = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
	return r == CURLE_OK ? 0 : corral_error_set(c->err, ENOMEM, "no memory for a request");
}

static int prepare(struct call *c)
{
	corral_autobuf struct corral_buf url = CORRAL_BUF_INIT;
	CURL *easy = c->c->easy;
	int r;

	corral_buf_fmt(&url, "%s%s%s", c->e->at.base_url, c->e->prefix, c->q->path);
	curl_easy_reset(easy);
	if (url.failed || docker_curl_setup(easy, &c->e->at) < 0 ||
	    curl_easy_setopt(easy, CURLOPT_URL, url.data) != CURLE_OK)
		return corral_error_set(c->err, ENOMEM, "no memory for a request");
	(void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->said);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, c);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	(void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
	(void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, c);
	(void)curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 65536L);
	r = give_body(c);
	if (r == 0)
		r = add_headers(c);
	if (r == 0)
		(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
	return r;
}

/* What is left of a limit (0: there is none) that began at from_ms; at most `left`. */
static int64_t shorter(int64_t left, int64_t limit_ms, uint64_t from_ms, uint64_t now_ms)
{
	int64_t mine = limit_ms - (int64_t)(now_ms - from_ms);

	if (limit_ms <= 0 || mine >= left)
		return left;
	return mine > 0 ? mine : 0;
}

/* Milliseconds that may be waited now; 0 when patience is at its end. */
static int64_t patience(const struct call *c)
{
	int64_t whole = c->q->timeout_ms ? c->q->timeout_ms : c->e->call_timeout_ms;
	uint64_t now = corral_now_ms();
	int64_t left = shorter(STEP_MS, whole, c->started_ms, now);

	return shorter(left, c->q->idle_ms, c->moved_ms, now);
}

/* A descriptor that hangs up is told by poll() alone, not by libcurl. */
static bool is_canceled(const struct call *c)
{
	struct pollfd p = { .fd = c->cancel_fd, .events = POLLIN };

	/* Negative ones are passed over. */
	return poll(&p, 1, 0) > 0;
}

/* Until the transfer is done; its result. */
static int drive(struct call *c, CURLcode *ret)
{
	struct curl_waitfd cancel = { .fd = c->cancel_fd, .events = CURL_WAIT_POLLIN };
	unsigned int n_cancel = c->q->use_cancel;
	int running = 1, n_left = 0;
	const CURLMsg *done;
	CURLMcode m;

	for (;;) {
		int64_t wait_ms;

		if (is_canceled(c))
			return corral_error_set(c->err, ECANCELED, "canceled");
		m = curl_multi_perform(c->c->multi, &running);
		if (m != CURLM_OK)
			return corral_error_set(c->err, ENOMEM, "%s", curl_multi_strerror(m));
		if (!running)
			break;
		wait_ms = patience(c);
		if (!wait_ms)
			return corral_error_set(c->err, ETIMEDOUT,
			                        "the engine was waited for %llu ms, and nothing "
			                        "more came",
			                        (unsigned long long)(corral_now_ms() -
			                                             c->started_ms));
		m = curl_multi_poll(c->c->multi, &cancel, n_cancel, (int)wait_ms, NULL);
		if (m != CURLM_OK)
			return corral_error_set(c->err, ENOMEM, "%s", curl_multi_strerror(m));
	}
	done = curl_multi_info_read(c->c->multi, &n_left);
	*ret = done && done->msg == CURLMSG_DONE ? done->data.result : CURLE_RECV_ERROR;
	return 0;
}

int docker_engine_is_gone(int r, struct corral_error *err)
{
	if (r != -ENOENT && r != -ENOTSOCK)
		return r;
	if (err)
		err->code = ECONNREFUSED;
	return -ECONNREFUSED;
}

/* The error of a transfer that libcurl gave up. */
static int explain(struct call *c, CURLcode result)
{
	int r;

	if (c->code < 0)
		return c->code;
	/* What libcurl says, too, of one header line that is longer than it allows. */
	if (result == CURLE_OUT_OF_MEMORY && c->n_sent && !c->head_done)
		return corral_error_set(c->err, EPROTO,
		                        "the head of the engine's answer is too long");
	r = docker_curl_error(c->c->easy, &c->e->at, result, c->said, c->err);
	return docker_engine_is_gone(r, c->err);
}

/*
 * Whether the engine's queue of connections was full, and there is patience to try again. libcurl
 * takes EAGAIN for a connection that is on its way, finds that it is none, and knows no reason.
 */
static bool may_connect_again(const struct call *c, CURLcode result)
{
	struct pollfd p = { .fd = c->cancel_fd, .events = POLLIN };
	long code = 0;

	(void)curl_easy_getinfo(c->c->easy, CURLINFO_OS_ERRNO, &code);
	if (result != CURLE_COULDNT_CONNECT || code || !c->e->at.socket || !patience(c) ||
	    corral_now_ms() - c->started_ms >= CORRAL_DOCKER_CONNECT_TIMEOUT_MS)
		return false;
	(void)poll(&p, 1, CONNECT_AGAIN_MS);
	return true;
}

static int transfer(struct call *c)
{
	CURLcode result = CURLE_OK;
	bool again = true;
	int r = prepare(c);

	while (r == 0 && again) {
		if (curl_multi_add_handle(c->c->multi, c->c->easy) != CURLM_OK)
			return corral_error_set(c->err, ENOMEM, "no memory for a request");
		r = drive(c, &result);
		again = r == 0 && may_connect_again(c, result);
		if (r == 0 && result != CURLE_OK && !again)
			r = explain(c, result);
		(void)curl_multi_remove_handle(c->c->multi, c->c->easy);
	}
	if (r < 0)
		return r;
	if (!c->head_done)
		return corral_error_set(c->err, EPIPE,
		                        "the head of the engine's answer breaks off");
	(void)curl_easy_getinfo(c->c->easy, CURLINFO_RESPONSE_CODE, &c->a->status);
	return 0;
}

/* The body, understood. That of a refusal is kept as it is when it is no JSON after all. */
static int finish(struct call *c)
{
	struct corral_docker_answer *a = c->a;
	int r;

	if (a->stat.failed)
		return corral_error_set(c->err, ENOMEM, "no memory for the engine's answer");
	if (!c->is_json || !a->body.len)
		return 0;
	if (a->status < 400)
		return docker_answer_parse(a, c->err);
	r = docker_answer_parse(a, NULL);
	return r == -ENOMEM ? corral_error_set(c->err, ENOMEM, "no memory") : 0;
}

int corral_docker_call(struct corral_docker_engine *e, const struct corral_docker_request *q,
                       struct corral_docker_answer *a, struct corral_error *err)
{
	corral_auto(call_done) struct call c = { .e = e, .q = q, .a = a, .err = err };
	struct corral_sigpipe pipe;
	int path_len = (int)strcspn(q->path, "?");
	int r;

	memset(a, 0, sizeof(*a));
	c.cancel_fd = q->use_cancel ? q->cancel_fd : -1;
	c.started_ms = c.moved_ms = corral_now_ms();
	c.c = docker_pool_take(&e->pool);
	if (!c.c)
		return corral_error_set(err, ENOMEM, "no memory for a request");
	docker_sigpipe_hold(&pipe, e->at.tls);
	r = transfer(&c);
	docker_pool_give(&e->pool, c.c, r == 0);
	corral_sigpipe_release(&pipe);
	if (r == 0)
		r = finish(&c);
	if (r < 0 && !c.own_words)
		r = corral_error_wrap(err, r, "%s %.*s", q->method, path_len < 160 ? path_len : 160,
		                      q->path);
	return r;
}

int corral_docker_do(struct corral_docker_engine *e, const char *method, const char *path,
                     const json_t *json, json_t **ret_json, struct corral_error *err)
{
	const struct corral_docker_request q = { .method = method, .path = path, .json = json };
	corral_auto(corral_docker_answer_done) struct corral_docker_answer a;
	int r = corral_docker_call(e, &q, &a, err);

	if (r < 0)
		return r;
	if (a.status >= 400)
		return corral_docker_refused(&a, err);
	if (!ret_json)
		return 0;
	if (!a.json)
		return corral_error_set(err, EPROTO, "%s %.160s: the engine's answer is no JSON",
		                        method, path);
	*ret_json = json_incref(a.json);
	return 0;
}

void corral_docker_escape(struct corral_buf *b, const char *text)
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
