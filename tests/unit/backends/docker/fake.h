/*
 * An engine that is none, for what a real one cannot be made to do: a socket in a directory of its
 * own, a thread for each connection, answers that the test lays down, and every request kept.
 * Include after <cmocka.h>.
 *
 *     struct fake f;
 *     fake_start(&f);                        (it answers /version and /_ping; all else is 404)
 *     fake_json(&f, "GET", "/info", 200, "{\"ID\":\"x\"}");
 *     fake_raw(&f, "GET", "/odd", "HTTP/1.1 200 OK\r\n", FAKE_CLOSE);
 *     fake_call(&f, "POST", "/containers/create", create, &ctx);
 *     e = fake_engine(&f);                   (a corral_docker_engine that talks to it)
 *     ...
 *     assert_int_equal(fake_count(&f, "GET", "/info"), 1);
 *     corral_docker_engine_close(e);
 *     fake_stop(&f);                         (also when the test has failed: from a teardown)
 *
 * Paths are compared without the API's version and without the query; one that ends with "*" stands
 * for all that begin so. Of several rules for a request, the last laid down is used; rules may be
 * added while it runs.
 */
#ifndef CORRAL_TESTS_UNIT_BACKENDS_DOCKER_FAKE_H
#define CORRAL_TESTS_UNIT_BACKENDS_DOCKER_FAKE_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/docker/engine.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

#define FAKE_UNUSED          __attribute__((unused))
#define FAKE_RULES_MAX       64
#define FAKE_REQUESTS_MAX    4096
#define FAKE_CONNECTIONS_MAX 256

struct fake_request {
	char method[16];
	char path[1024];         /* as it came: with version and query */
	struct corral_buf head;  /* all of it */
	struct corral_buf body;  /* without its framing */
	unsigned int connection; /* which one it came on, from 0 */
};

/* What becomes of a connection after an answer. */
enum fake_then {
	FAKE_KEEP,
	FAKE_CLOSE,
	FAKE_HANG, /* stays open, and nothing more is said until the other side goes */
};

struct fake;
/* Answers on fd by itself: fake_say() and friends. On the connection's thread. */
typedef enum fake_then fake_answer(struct fake *f, int fd, const struct fake_request *q, void *ctx);

struct fake_rule {
	char method[16], path[256];
	char *text; /* of raw ones */
	size_t len;
	enum fake_then then;
	fake_answer *call;
	void *ctx;
};

struct fake_connection {
	struct fake *f;
	pthread_t thread;
	int fd;
	unsigned int number;
};

struct fake {
	char dir[64], socket[96], host[112];
	int listen_fd;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	bool stopping;
	struct fake_rule rules[FAKE_RULES_MAX];
	size_t n_rules;
	struct fake_request *requests[FAKE_REQUESTS_MAX];
	size_t n_requests;
	struct fake_connection connections[FAKE_CONNECTIONS_MAX];
	size_t n_connections;
};

/* Everything, or as much as the other side takes before it goes. */
static inline FAKE_UNUSED bool fake_say(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static inline FAKE_UNUSED bool fake_say_json(int fd, int status, const char *json)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	corral_buf_fmt(&b,
	               "HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\n"
	               "Content-Length: %zu\r\n\r\n%s",
	               status, strlen(json), json);
	return fake_say(fd, b.data, b.len);
}

/* Until the other side has gone, or the fake is stopped. */
static inline FAKE_UNUSED void fake_wait_gone(int fd)
{
	char c[4096];

	while (recv(fd, c, sizeof(c), 0) > 0)
		;
}

static inline FAKE_UNUSED struct fake_rule *fake_rule_new(struct fake *f, const char *method,
                                                          const char *path)
{
	struct fake_rule *rule = &f->rules[f->n_rules];

	if (f->n_rules == FAKE_RULES_MAX) {
		(void)fprintf(stderr, "fake engine: too many rules\n");
		abort();
	}
	(void)snprintf(rule->method, sizeof(rule->method), "%s", method);
	(void)snprintf(rule->path, sizeof(rule->path), "%s", path);
	f->n_rules++;
	return rule;
}

/* Bytes that are said as they are. */
static inline FAKE_UNUSED void fake_raw_len(struct fake *f, const char *method, const char *path,
                                            const char *data, size_t len, enum fake_then then)
{
	struct fake_rule *rule;

	(void)pthread_mutex_lock(&f->lock);
	rule = fake_rule_new(f, method, path);
	rule->text = malloc(len + 1);
	if (!rule->text)
		abort();
	memcpy(rule->text, data, len);
	rule->len = len;
	rule->then = then;
	(void)pthread_mutex_unlock(&f->lock);
}

static inline FAKE_UNUSED void fake_raw(struct fake *f, const char *method, const char *path,
                                        const char *text, enum fake_then then)
{
	fake_raw_len(f, method, path, text, strlen(text), then);
}

static inline FAKE_UNUSED void fake_json(struct fake *f, const char *method, const char *path,
                                         int status, const char *json)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	corral_buf_fmt(&b,
	               "HTTP/1.1 %d Whatever\r\nContent-Type: application/json\r\n"
	               "Content-Length: %zu\r\n\r\n%s",
	               status, strlen(json), json);
	fake_raw_len(f, method, path, b.data, b.len, FAKE_KEEP);
}

static inline FAKE_UNUSED void fake_call(struct fake *f, const char *method, const char *path,
                                         fake_answer *call, void *ctx)
{
	struct fake_rule *rule;

	(void)pthread_mutex_lock(&f->lock);
	rule = fake_rule_new(f, method, path);
	rule->call = call;
	rule->ctx = ctx;
	(void)pthread_mutex_unlock(&f->lock);
}

/* "/v1.41/info?x=1" is "/info". */
static inline FAKE_UNUSED bool fake_path_is(const char *path, const char *pattern)
{
	size_t n = strlen(pattern), len;

	if (path[0] == '/' && path[1] == 'v' && path[2] >= '0' && path[2] <= '9')
		path += 1 + strcspn(path + 1, "/");
	len = strcspn(path, "?");
	if (n && pattern[n - 1] == '*')
		return len >= n - 1 && strncmp(path, pattern, n - 1) == 0;
	return len == n && strncmp(path, pattern, n) == 0;
}

/* How many such requests have come. */
static inline FAKE_UNUSED size_t fake_count(struct fake *f, const char *method, const char *path)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n_requests; i++)
		n += strcmp(f->requests[i]->method, method) == 0 &&
		     fake_path_is(f->requests[i]->path, path);
	(void)pthread_mutex_unlock(&f->lock);
	return n;
}

/* The last such request, or NULL. Stays where it is until fake_stop(). */
static inline FAKE_UNUSED const struct fake_request *fake_last(struct fake *f, const char *method,
                                                               const char *path)
{
	const struct fake_request *found = NULL;

	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = f->n_requests; i > 0 && !found; i--)
		if (strcmp(f->requests[i - 1]->method, method) == 0 &&
		    fake_path_is(f->requests[i - 1]->path, path))
			found = f->requests[i - 1];
	(void)pthread_mutex_unlock(&f->lock);
	return found;
}

static inline FAKE_UNUSED bool fake_read(int fd, struct corral_buf *b, size_t len)
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

/* Up to and with the end of a line. */
static inline FAKE_UNUSED bool fake_read_line(int fd, struct corral_buf *b)
{
	do {
		if (b->len > (1u << 16) || !fake_read(fd, b, 1))
			return false;
	} while (b->data[b->len - 1] != '\n');
	return true;
}

/* The value of a header of the request, up to the line's end; NULL without it. */
static inline FAKE_UNUSED const char *fake_header(const struct fake_request *q, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = q->head.data; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : at)
		if (strncasecmp(at, name, n) == 0 && at[n] == ':')
			return at + n + 1 + strspn(at + n + 1, " ");
	return NULL;
}

static inline FAKE_UNUSED bool fake_read_chunks(int fd, struct corral_buf *body)
{
	for (;;) {
		corral_autobuf struct corral_buf line = CORRAL_BUF_INIT;
		unsigned long size;

		if (!fake_read_line(fd, &line))
			return false;
		size = strtoul(line.data, NULL, 16);
		corral_buf_done(&line);
		if (size && !fake_read(fd, body, size))
			return false;
		if (!fake_read_line(fd, &line))
			return false;
		if (!size)
			return true;
	}
}

/* NULL: the other side has gone. */
static inline FAKE_UNUSED struct fake_request *fake_read_request(int fd)
{
	struct fake_request *q = calloc(1, sizeof(*q));
	const char *length, *encoding;
	size_t line = 0;
	bool ok = q;

	while (ok) {
		ok = fake_read_line(fd, &q->head);
		if (ok && q->head.len - line <= 2)
			break;
		line = q->head.len;
	}
	ok = ok && sscanf(q->head.data, "%15s %1023s", q->method, q->path) == 2;
	if (ok) {
		if (fake_header(q, "Expect"))
			ok = fake_say(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
		length = fake_header(q, "Content-Length");
		encoding = fake_header(q, "Transfer-Encoding");
		if (ok && encoding)
			ok = fake_read_chunks(fd, &q->body);
		else if (ok && length)
			ok = fake_read(fd, &q->body, strtoul(length, NULL, 10));
	}
	if (ok)
		return q;
	if (q) {
		corral_buf_done(&q->head);
		corral_buf_done(&q->body);
	}
	free(q);
	return NULL;
}

/* Keeps the request and finds what is to be done about it. */
static inline FAKE_UNUSED struct fake_rule fake_meet(struct fake *f, struct fake_request *q)
{
	struct fake_rule rule = { .len = 0 };

	(void)pthread_mutex_lock(&f->lock);
	if (f->n_requests == FAKE_REQUESTS_MAX) {
		(void)fprintf(stderr, "fake engine: too many requests\n");
		abort();
	}
	f->requests[f->n_requests++] = q;
	for (size_t i = f->n_rules; i > 0; i--) {
		if (strcmp(f->rules[i - 1].method, q->method) == 0 &&
		    fake_path_is(q->path, f->rules[i - 1].path)) {
			rule = f->rules[i - 1];
			break;
		}
	}
	(void)pthread_mutex_unlock(&f->lock);
	return rule;
}

static inline FAKE_UNUSED void *fake_serve(void *arg)
{
	struct fake_connection *c = arg;
	enum fake_then then = FAKE_KEEP;
	struct fake_request *q;

	while (then == FAKE_KEEP && (q = fake_read_request(c->fd))) {
		struct fake_rule rule;

		q->connection = c->number;
		rule = fake_meet(c->f, q);
		then = rule.then;
		if (rule.call)
			then = rule.call(c->f, c->fd, q, rule.ctx);
		else if (!rule.method[0])
			(void)fake_say_json(c->fd, 404, "{\"message\":\"page not found\"}");
		else if (!fake_say(c->fd, rule.text, rule.len))
			then = FAKE_CLOSE;
	}
	if (then == FAKE_HANG)
		fake_wait_gone(c->fd);
	/* The descriptor stays until the end, so that fake_stop() knows whose it is. */
	(void)shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static inline FAKE_UNUSED void *fake_listen(void *arg)
{
	struct fake *f = arg;
	int fd;

	while ((fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct fake_connection *c;

		(void)pthread_mutex_lock(&f->lock);
		if (f->stopping || f->n_connections == FAKE_CONNECTIONS_MAX) {
			(void)pthread_mutex_unlock(&f->lock);
			(void)close(fd);
			continue;
		}
		c = &f->connections[f->n_connections];
		*c = (struct fake_connection) { .f = f, .fd = fd };
		c->number = (unsigned int)f->n_connections++;
		if (pthread_create(&c->thread, NULL, fake_serve, c) != 0)
			abort();
		(void)pthread_mutex_unlock(&f->lock);
	}
	return NULL;
}

static inline FAKE_UNUSED void fake_start(struct fake *f)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/corral-fake-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->socket, sizeof(f->socket), "%s/docker.sock", f->dir);
	(void)snprintf(f->host, sizeof(f->host), "unix://%s", f->socket);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->socket);
	(void)pthread_mutex_init(&f->lock, NULL);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(f->listen_fd >= 0);
	assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(f->listen_fd, FAKE_CONNECTIONS_MAX), 0);
	fake_raw(f, "GET", "/_ping",
	         "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK", FAKE_KEEP);
	fake_json(f, "GET", "/version", 200,
	          "{\"Version\":\"20.10.0\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\","
	          "\"Os\":\"linux\",\"Arch\":\"amd64\",\"Components\":[{\"Name\":\"Engine\"}]}");
	assert_int_equal(pthread_create(&f->thread, NULL, fake_listen, f), 0);
}

/* Ends every connection, and all that fake_start() made. Does nothing the second time. */
static inline FAKE_UNUSED void fake_stop(struct fake *f)
{
	if (!f->dir[0])
		return;
	(void)pthread_mutex_lock(&f->lock);
	f->stopping = true;
	for (size_t i = 0; i < f->n_connections; i++)
		(void)shutdown(f->connections[i].fd, SHUT_RDWR);
	(void)pthread_mutex_unlock(&f->lock);
	(void)shutdown(f->listen_fd, SHUT_RDWR);
	(void)pthread_join(f->thread, NULL);
	(void)close(f->listen_fd);
	for (size_t i = 0; i < f->n_connections; i++) {
		(void)pthread_join(f->connections[i].thread, NULL);
		(void)close(f->connections[i].fd);
	}
	for (size_t i = 0; i < f->n_requests; i++) {
		corral_buf_done(&f->requests[i]->head);
		corral_buf_done(&f->requests[i]->body);
		free(f->requests[i]);
	}
	for (size_t i = 0; i < f->n_rules; i++)
		free(f->rules[i].text);
	(void)pthread_mutex_destroy(&f->lock);
	(void)unlink(f->socket);
	(void)rmdir(f->dir);
	f->dir[0] = '\0';
}

/* An engine of ours that speaks to it. */
static inline FAKE_UNUSED struct corral_docker_engine *fake_engine(struct fake *f)
{
	const struct corral_docker_engine_options o = { .host = f->host };
	struct corral_docker_engine *e = NULL;
	struct corral_error err = { 0 };

	if (corral_docker_engine_open(&o, &e, &err) < 0) {
		/* From a setup, after whose failure nothing is torn down. */
		fake_stop(f);
		fail_msg("%s", err.text);
	}
	return e;
}

#endif
