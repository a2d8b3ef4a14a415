/*
 * A web server that does whatever the test wants, for what a real registry cannot be made to do: on
 * a port of a loopback address, a thread for each connection, and every request kept. Include after
 * <cmocka.h>.
 *
 *     struct web w;
 *     web_start(&w, "127.0.0.1", answer, ctx);
 *     ... "http://" and w.at are its address ...
 *     assert_int_equal(web_count(&w, "GET /v2/"), 1);
 *     web_stop(&w);
 */
#ifndef CORRAL_TESTS_UNIT_KERNEL_IMAGE_OCI_WEB_H
#define CORRAL_TESTS_UNIT_KERNEL_IMAGE_OCI_WEB_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define WEB_UNUSED          __attribute__((unused))
#define WEB_REQUESTS_MAX    512
#define WEB_CONNECTIONS_MAX 256
#define WEB_HEAD_MAX        65536

struct web_request {
	char line[1024];        /* "GET /v2/ HTTP/1.1" */
	struct corral_buf head; /* all of it */
	struct corral_buf body;
	unsigned int number; /* of all that came, from 0 */
};

struct web;
/* Answers on fd by itself: web_say() and friends. Whether the connection goes on. */
typedef bool web_answer(struct web *w, int fd, const struct web_request *q, void *ctx);

struct web {
	char at[32]; /* "127.0.0.1:12345" */
	int listen_fd;
	web_answer *answer;
	void *ctx;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	bool stopping;
	struct web_request *requests[WEB_REQUESTS_MAX];
	unsigned int n_requests;
	struct web_connection {
		struct web *w;
		pthread_t thread;
		int fd;
	} connections[WEB_CONNECTIONS_MAX];
	unsigned int n_connections;
};

/* Everything, or as much as the other side takes before it goes. */
static inline WEB_UNUSED bool web_say_len(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static inline WEB_UNUSED bool web_say(int fd, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
static inline WEB_UNUSED bool web_say(int fd, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	bool ok;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	ok = web_say_len(fd, text, (size_t)n);
	free(text);
	return ok;
}

/* A whole answer; headers: "A: b\r\n" or "". */
static inline WEB_UNUSED bool web_reply(int fd, int status, const char *headers, const void *body,
                                        size_t len)
{
	return web_say(fd, "HTTP/1.1 %d Whatever\r\n%sContent-Length: %zu\r\n\r\n", status, headers,
	               len) &&
	       web_say_len(fd, body, len);
}

static inline WEB_UNUSED bool web_reply_text(int fd, int status, const char *headers,
                                             const char *body)
{
	return web_reply(fd, status, headers, body, strlen(body));
}

/* Until the other side has gone, or the server is stopped. */
static inline WEB_UNUSED void web_wait_gone(int fd)
{
	char c[4096];

	while (recv(fd, c, sizeof(c), 0) > 0)
		;
}

/* The value of a header of the request, up to the line's end; NULL without it. */
static inline WEB_UNUSED const char *web_header(const struct web_request *q, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = q->head.data; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : at)
		if (strncasecmp(at, name, n) == 0 && at[n] == ':')
			return at + n + 1 + strspn(at + n + 1, " ");
	return NULL;
}

static inline WEB_UNUSED bool web_header_is(const struct web_request *q, const char *name,
                                            const char *value)
{
	const char *is = web_header(q, name);

	return is && strncmp(is, value, strlen(value)) == 0 && is[strlen(value)] == '\r';
}

/* Whether its line begins like that: "GET /v2/". */
static inline WEB_UNUSED bool web_is(const struct web_request *q, const char *start)
{
	return strncmp(q->line, start, strlen(start)) == 0;
}

static inline WEB_UNUSED unsigned int web_count(struct web *w, const char *start)
{
	unsigned int n = 0;

	(void)pthread_mutex_lock(&w->lock);
	for (unsigned int i = 0; i < w->n_requests; i++)
		n += web_is(w->requests[i], start);
	(void)pthread_mutex_unlock(&w->lock);
	return n;
}

/* The n-th such request from 0, or NULL. Stays where it is until web_stop(). */
static inline WEB_UNUSED const struct web_request *web_nth(struct web *w, const char *start,
                                                           unsigned int n)
{
	const struct web_request *found = NULL;

	(void)pthread_mutex_lock(&w->lock);
	for (unsigned int i = 0; i < w->n_requests && !found; i++)
		if (web_is(w->requests[i], start) && n-- == 0)
			found = w->requests[i];
	(void)pthread_mutex_unlock(&w->lock);
	return found;
}

static inline WEB_UNUSED bool web_read(int fd, struct corral_buf *b, size_t len)
{
	char c[4096];

	while (len > 0) {
		ssize_t n = recv(fd, c, len < sizeof(c) ? len : sizeof(c), 0);

		if (n <= 0)
			return false;
		corral_buf_add(b, c, (size_t)n);
		len -= (size_t)n;
	}
	return true;
}

static inline WEB_UNUSED void web_request_free(struct web_request *q)
{
	corral_buf_done(&q->head);
	corral_buf_done(&q->body);
	free(q);
}

/* NULL: the other side has gone, or speaks something else (TLS begins with 0x16). */
static inline WEB_UNUSED struct web_request *web_read_request(int fd)
{
	struct web_request *q = calloc(1, sizeof(*q));
	const char *length;
	bool ok = q;

	while (ok && (q->head.len < 4 || strcmp(q->head.data + q->head.len - 4, "\r\n\r\n") != 0))
		ok = q->head.len < WEB_HEAD_MAX && web_read(fd, &q->head, 1) &&
		     q->head.data[0] != 0x16;
	if (ok) {
		(void)snprintf(q->line, sizeof(q->line), "%.*s", (int)strcspn(q->head.data, "\r\n"),
		               q->head.data);
		length = web_header(q, "Content-Length");
		ok = !length || web_read(fd, &q->body, strtoul(length, NULL, 10));
	}
	if (ok)
		return q;
	if (q)
		web_request_free(q);
	return NULL;
}

static inline WEB_UNUSED void *web_serve(void *arg)
{
	struct web_connection *c = arg;
	struct web *w = c->w;
	struct web_request *q;
	bool goes_on = true;

	while (goes_on && (q = web_read_request(c->fd))) {
		(void)pthread_mutex_lock(&w->lock);
		if (w->n_requests == WEB_REQUESTS_MAX)
			abort();
		q->number = w->n_requests;
		w->requests[w->n_requests++] = q;
		(void)pthread_mutex_unlock(&w->lock);
		goes_on = w->answer(w, c->fd, q, w->ctx);
	}
	/* The descriptor stays until the end, so that web_stop() knows whose it is. */
	(void)shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static inline WEB_UNUSED void *web_listen(void *arg)
{
	struct web *w = arg;
	int fd;

	while ((fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct web_connection *c;

		(void)pthread_mutex_lock(&w->lock);
		if (w->stopping || w->n_connections == WEB_CONNECTIONS_MAX) {
			(void)pthread_mutex_unlock(&w->lock);
			(void)close(fd);
			continue;
		}
		c = &w->connections[w->n_connections++];
		*c = (struct web_connection) { .w = w, .fd = fd };
		if (pthread_create(&c->thread, NULL, web_serve, c) != 0)
			abort();
		(void)pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

static inline WEB_UNUSED void web_start(struct web *w, const char *address, web_answer *answer,
                                        void *ctx)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);

	memset(w, 0, sizeof(*w));
	w->answer = answer;
	w->ctx = ctx;
	(void)pthread_mutex_init(&w->lock, NULL);
	assert_int_equal(inet_pton(AF_INET, address, &at.sin_addr), 1);
	w->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(w->listen_fd >= 0);
	assert_int_equal(bind(w->listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(w->listen_fd, WEB_CONNECTIONS_MAX), 0);
	assert_int_equal(getsockname(w->listen_fd, (struct sockaddr *)&at, &size), 0);
	(void)snprintf(w->at, sizeof(w->at), "%s:%u", address, ntohs(at.sin_port));
	assert_int_equal(pthread_create(&w->thread, NULL, web_listen, w), 0);
}

/* Ends every connection, and all that web_start() made. Does nothing the second time. */
static inline WEB_UNUSED void web_stop(struct web *w)
{
	if (!w->at[0])
		return;
	(void)pthread_mutex_lock(&w->lock);
	w->stopping = true;
	for (unsigned int i = 0; i < w->n_connections; i++)
		(void)shutdown(w->connections[i].fd, SHUT_RDWR);
	(void)pthread_mutex_unlock(&w->lock);
	(void)shutdown(w->listen_fd, SHUT_RDWR);
	(void)pthread_join(w->thread, NULL);
	(void)close(w->listen_fd);
	for (unsigned int i = 0; i < w->n_connections; i++) {
		(void)pthread_join(w->connections[i].thread, NULL);
		(void)close(w->connections[i].fd);
	}
	for (unsigned int i = 0; i < w->n_requests; i++)
		web_request_free(w->requests[i]);
	(void)pthread_mutex_destroy(&w->lock);
	w->at[0] = '\0';
}

#endif
