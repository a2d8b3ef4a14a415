/*
 * How a connection becomes a stream: the request and the head of its answer are written and read
 * here, since libcurl has no word for an answer after which the connection goes on as bytes.
 */
#include "backends/docker/stream_state.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/answer.h"
#include "backends/docker/engine_state.h"
#include "backends/docker/head.h"
#include "backends/docker/socket.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* Of a refusal with its head, and of interim answers before it. */
#define REFUSAL_MAX (64u << 10)

static void stream_closep(struct corral_docker_stream **s)
{
	corral_docker_stream_close(*s);
}

static int open_unix(struct corral_docker_engine *e, struct corral_docker_stream **ret,
                     struct corral_error *err)
{
	int fd = corral_docker_socket_connect(e->at.socket, CORRAL_DOCKER_CONNECT_TIMEOUT_MS);
	int r;

	if (fd >= 0)
		return corral_docker_stream_new_take(fd, ret, err);
	r = corral_docker_socket_explain(e->at.socket, -fd, err);
	return docker_engine_is_gone(r, err);
}

/* Connected, and through with TLS, by libcurl. */
static int open_tcp(struct corral_docker_engine *e, struct corral_docker_stream **ret,
                    struct corral_error *err)
{
	corral_auto(stream_closep) struct corral_docker_stream *s = calloc(1, sizeof(*s));
	char said[CURL_ERROR_SIZE] = "";
	struct corral_sigpipe pipe;
	curl_socket_t fd = CURL_SOCKET_BAD;
	CURLcode r;

	if (!s)
		return corral_error_set(err, ENOMEM, "no memory for a stream");
	s->fd = -1;
	s->tls = e->at.tls;
	s->easy = curl_easy_init();
	if (!s->easy || docker_curl_setup(s->easy, &e->at) < 0 ||
	    curl_easy_setopt(s->easy, CURLOPT_URL, e->at.base_url) != CURLE_OK)
		return corral_error_set(err, ENOMEM, "no memory for a stream");
	(void)curl_easy_setopt(s->easy, CURLOPT_CONNECT_ONLY, 1L);
	(void)curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, said);
	docker_sigpipe_hold(&pipe, s->tls);
	r = curl_easy_perform(s->easy);
	corral_sigpipe_release(&pipe);
	(void)curl_easy_setopt(s->easy, CURLOPT_ERRORBUFFER, NULL);
	if (r != CURLE_OK)
		return docker_curl_error(s->easy, &e->at, r, said, err);
	if (curl_easy_getinfo(s->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd < 0)
		return corral_error_set(err, EPIPE, "%s: the connection is gone", e->at.text);
	s->fd = fd;
	*ret = corral_take_ptr(&s);
	return 0;
}

/* 0 when the descriptor is ready, -ETIMEDOUT. */
static int wait_for(const struct corral_docker_stream *s, short events, uint64_t end_ms,
                    struct corral_error *err)
{
	struct pollfd p = { .fd = s->fd, .events = events };
	uint64_t now;
	int r;

	do {
		now = corral_now_ms();
		r = now < end_ms ? poll(&p, 1, (int)(end_ms - now)) : 0;
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return corral_error_sys(err, errno, "poll");
	return r ? 0 : corral_error_set(err, ETIMEDOUT, "the engine does not answer");
}

static int write_all(struct corral_docker_stream *s, const struct corral_buf *b, uint64_t end_ms,
                     struct corral_error *err)
{
	size_t at = 0;

	while (at < b->len) {
		long n = corral_docker_stream_write(s, b->data + at, b->len - at);
		int r = 0;

		if (n == -EAGAIN)
			r = wait_for(s, POLLOUT, end_ms, err);
		else if (n < 0)
			r = corral_error_sys(err, (int)-n, "send a request");
		if (r < 0)
			return r;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Appends what comes next. 1: nothing more will. */
static int read_more(struct corral_docker_stream *s, struct corral_buf *b, uint64_t end_ms,
                     struct corral_error *err)
{
	char chunk[4096];
	long n;
	int r;

	while ((n = corral_docker_stream_read(s, chunk, sizeof(chunk))) == -EAGAIN) {
		r = wait_for(s, POLLIN, end_ms, err);
		if (r < 0)
			return r;
	}
	if (n < 0)
		return corral_error_sys(err, (int)-n, "read an answer");
	corral_buf_add(b, chunk, (size_t)n);
	if (b->failed)
		return corral_error_set(err, ENOMEM, "no memory for an answer");
	return n == 0;
}

static void drop_front(struct corral_buf *b, size_t n)
{
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

/* The head that counts, what came behind it left in b. */
static int read_head(struct corral_docker_stream *s, struct docker_head *ret, struct corral_buf *b,
                     uint64_t end_ms, struct corral_error *err)
{
	size_t dropped = 0;

	for (;;) {
		long n = b->len ? docker_head_parse(b->data, b->len, ret) : 0;
		int r = 0;

		if (n < 0 || dropped > REFUSAL_MAX)
			return corral_error_set(err, EPROTO, "the engine's answer is no HTTP");
		if (n > 0) {
			drop_front(b, (size_t)n);
			if (ret->status >= 200 || ret->status == 101)
				return 0;
			dropped += (size_t)n;
			continue;
		}
		r = read_more(s, b, end_ms, err);
		if (r == 1)
			return corral_error_set(err, EPIPE,
			                        "the engine closed the connection before it "
			                        "answered");
		if (r < 0)
			return r;
	}
}

/* The reason of a refusal, as much of it as comes in time. */
static int read_refusal(struct corral_docker_stream *s, const struct docker_head *h,
                        struct corral_buf *b, uint64_t end_ms, struct corral_error *err)
{
	corral_auto(corral_docker_answer_done) struct corral_docker_answer a = {
		.status = h->status,
	};
	int r = 0, eof = 0;

	while (r == 0) {
		corral_buf_done(&a.body);
		r = docker_head_body(h, b->data, b->len, eof || b->len > REFUSAL_MAX, &a.body);
		if (r == 0) {
			eof = read_more(s, b, end_ms, NULL);
			eof = eof != 0;
		}
	}
	if (a.body.failed)
		return corral_error_set(err, ENOMEM, "no memory for an answer");
	if (h->is_json)
		(void)docker_answer_parse(&a, NULL);
	return corral_docker_refused(&a, err);
}

static int add_request(struct corral_docker_engine *e, const char *path, const json_t *json,
                       struct corral_buf *b, struct corral_error *err)
{
	const char *host = strstr(e->at.base_url, "://") + 3;
	corral_autofree char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;

	if (json && !body)
		return corral_error_set(err, ENOMEM, "no memory for a request");
	for (const char *at = path; *at; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			return corral_error_set(err, EINVAL, "a path that is not escaped");
	/* The engine may be served below a path of its own. */
	corral_buf_fmt(b, "POST %s%s%s HTTP/1.1\r\n", host + strcspn(host, "/"), e->prefix, path);
	corral_buf_fmt(b, "Host: %.*s\r\n", (int)strcspn(host, "/"), host);
	corral_buf_str(b, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
	if (body)
		corral_buf_str(b, "Content-Type: application/json\r\n");
	corral_buf_fmt(b, "Content-Length: %zu\r\n\r\n%s", body ? strlen(body) : 0,
	               body ? body : "");
	return b->failed ? corral_error_set(err, ENOMEM, "no memory for a request") : 0;
}

/* Asks, and hears whether the connection is ours now. */
static int upgrade(struct corral_docker_engine *e, struct corral_docker_stream *s, const char *path,
                   const json_t *json, struct corral_error *err)
{
	corral_autobuf struct corral_buf request = CORRAL_BUF_INIT, came = CORRAL_BUF_INIT;
	uint64_t end_ms = corral_now_ms() + (uint64_t)e->call_timeout_ms;
	struct docker_head h = { 0 };
	int r = add_request(e, path, json, &request, err);

	if (r == 0)
		r = write_all(s, &request, end_ms, err);
	if (r == 0)
		r = read_head(s, &h, &came, end_ms, err);
	if (r < 0)
		return r;
	if (h.status >= 400)
		return read_refusal(s, &h, &came, end_ms, err);
	/* Engines before "Upgrade" say 200, without a word on how long the body is. */
	if (h.status != 101 && (h.status != 200 || h.is_chunked || h.length >= 0))
		return corral_error_set(err, EPROTO,
		                        "the engine answered %ld and keeps the connection",
		                        h.status);
	s->early = came;
	memset(&came, 0, sizeof(came));
	return 0;
}

int corral_docker_stream_open(struct corral_docker_engine *e, const char *path, const json_t *json,
                              struct corral_docker_stream **ret, struct corral_error *err)
{
	corral_auto(stream_closep) struct corral_docker_stream *s = NULL;
	int r = e->at.socket ? open_unix(e, &s, err) : open_tcp(e, &s, err);

	if (r == 0) {
		assert(s);
		r = upgrade(e, s, path, json, err);
	}
	if (r < 0) {
		int path_len = (int)strcspn(path, "?");

		return corral_error_wrap(err, r, "POST %.*s", path_len < 160 ? path_len : 160,
		                         path);
	}
	*ret = corral_take_ptr(&s);
	return 0;
}
