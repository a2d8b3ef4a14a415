/* Calls to an engine that behaves, and to one that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "backends/docker/http.h"
#include "kernel/base/clock.h"
#include "tests/unit/backends/docker/fake.h"

struct fixture {
	struct fake fake;
	struct corral_docker_engine *e;
	struct corral_docker_answer a;
	struct corral_error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	fake_start(&f->fake);
	f->e = fake_engine(&f->fake);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_docker_answer_done(&f->a);
	corral_docker_engine_close(f->e);
	fake_stop(&f->fake);
	free(f);
	return 0;
}

static int get(struct fixture *f, const char *path)
{
	struct corral_docker_request q = { .method = "GET", .path = path, .timeout_ms = 20000 };

	corral_docker_answer_done(&f->a);
	memset(&f->err, 0, sizeof(f->err));
	return corral_docker_call(f->e, &q, &f->a, &f->err);
}

static void assert_says(const struct fixture *f, const char *part)
{
	if (!strstr(f->err.text, part))
		fail_msg("'%s' does not say '%s'", f->err.text, part);
}

static void request_carries_method_version_path_and_json(void **state)
{
	struct fixture *f = *state;
	json_t *j = json_pack("{s:s}", "Image", "busybox"), *answer = NULL;
	const struct fake_request *q;

	fake_json(&f->fake, "POST", "/containers/create", 201, "{\"Id\":\"abc\"}");
	assert_int_equal(corral_docker_do(f->e, "POST", "/containers/create?name=x", j, &answer,
	                                  &f->err),
	                 0);
	assert_string_equal(json_string_value(json_object_get(answer, "Id")), "abc");
	q = fake_last(&f->fake, "POST", "/containers/create");
	assert_non_null(q);
	assert_string_equal(q->path, "/v1.41/containers/create?name=x");
	assert_string_equal(q->body.data, "{\"Image\":\"busybox\"}");
	assert_int_equal(strncmp(fake_header(q, "Content-Type"), "application/json\r\n", 18), 0);
	json_decref(answer);
	json_decref(j);
}

static void request_without_body_says_so_and_names_no_type(void **state)
{
	struct fixture *f = *state;
	const struct fake_request *q;

	fake_json(&f->fake, "POST", "/containers/x/start", 204, "");
	assert_int_equal(corral_docker_do(f->e, "POST", "/containers/x/start", NULL, NULL, &f->err),
	                 0);
	q = fake_last(&f->fake, "POST", "/containers/x/start");
	assert_null(fake_header(q, "Content-Type"));
	assert_int_equal(strncmp(fake_header(q, "Content-Length"), "0\r", 2), 0);
	fake_json(&f->fake, "DELETE", "/containers/x", 204, "");
	assert_int_equal(corral_docker_do(f->e, "DELETE", "/containers/x?v=1", NULL, NULL, &f->err),
	                 0);
	assert_int_equal(fake_count(&f->fake, "DELETE", "/containers/x"), 1);
}

struct feed {
	size_t left;
	int code; /* when it is exhausted */
};

static long feed_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct feed *feed = ctx;
	size_t n = size < feed->left ? size : feed->left;

	if (!n && feed->code)
		return corral_error_set(err, feed->code, "the source broke");
	for (size_t i = 0; i < n; i++)
		((char *)data)[i] = (char)('a' + (feed->left - i) % 26);
	feed->left -= n;
	return (long)n;
}

static void source_is_streamed_in_chunks_and_buffer_in_one(void **state)
{
	struct fixture *f = *state;
	struct feed feed = { .left = 300000 };
	const struct corral_files_source source = { feed_get, &feed };
	corral_autobuf struct corral_buf body = CORRAL_BUF_INIT;
	const char *const headers[] = { "X-Registry-Auth: e30=", NULL };
	struct corral_docker_request q = { .method = "PUT",
		                           .path = "/containers/x/archive?path=%2F",
		                           .source = &source,
		                           .headers = headers };
	const struct fake_request *seen;

	fake_json(&f->fake, "PUT", "/containers/x/archive", 200, "");
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_int_equal(f->a.status, 200);
	seen = fake_last(&f->fake, "PUT", "/containers/x/archive");
	assert_int_equal(seen->body.len, 300000);
	for (size_t i = 0; i < 300000; i++)
		assert_int_equal(seen->body.data[i], 'a' + (300000 - i) % 26);
	assert_int_equal(strncmp(fake_header(seen, "Content-Type"), "application/x-tar\r", 18), 0);
	assert_int_equal(strncmp(fake_header(seen, "X-Registry-Auth"), "e30=\r", 5), 0);

	for (size_t i = 0; i < 200000; i++)
		corral_buf_fmt(&body, "%zu,", i);
	q.source = NULL;
	q.body = &body;
	q.content_type = "text/plain";
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	seen = fake_last(&f->fake, "PUT", "/containers/x/archive");
	assert_int_equal(seen->body.len, body.len);
	assert_memory_equal(seen->body.data, body.data, body.len);
	assert_int_equal(strncmp(fake_header(seen, "Content-Type"), "text/plain\r", 11), 0);
}

static void error_of_a_source_is_the_error_of_the_call(void **state)
{
	struct fixture *f = *state;
	struct feed feed = { .left = 1000, .code = EDQUOT };
	const struct corral_files_source source = { feed_get, &feed };
	const struct corral_docker_request q = { .method = "PUT", .path = "/x", .source = &source };

	fake_json(&f->fake, "PUT", "/x", 200, "");
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), -EDQUOT);
	assert_string_equal(f->err.text, "the source broke");
}

struct pot {
	struct corral_buf buf;
	size_t max;
};

static int pot_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct pot *pot = ctx;

	corral_buf_add(&pot->buf, data, len);
	return pot->buf.len > pot->max ? corral_error_set(err, ENOSPC, "the pot is full") : 0;
}

static void sink_gets_what_succeeded_and_answer_keeps_what_did_not(void **state)
{
	struct fixture *f = *state;
	struct pot pot = { .max = 5 };
	const struct corral_files_sink sink = { pot_put, &pot };
	const struct corral_docker_request q = { .method = "GET", .path = "/x", .sink = &sink };

	fake_raw(&f->fake, "GET", "/x", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
	         FAKE_KEEP);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_int_equal(f->a.body.len, 0);
	assert_string_equal(pot.buf.data, "hello");
	fake_json(&f->fake, "GET", "/x", 404, "{\"message\":\"No such container: x\"}");
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_int_equal(pot.buf.len, 5);
	assert_int_equal(f->a.status, 404);
	assert_int_equal(corral_docker_refused(&f->a, &f->err), -ENOENT);
	assert_string_equal(f->err.text, "engine: No such container: x");
	corral_docker_answer_done(&f->a);
	fake_raw(&f->fake, "GET", "/x", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nagain!",
	         FAKE_KEEP);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), -ENOSPC);
	assert_string_equal(f->err.text, "the pot is full");
	corral_buf_done(&pot.buf);
}

static void chunked_answer_is_put_together(void **state)
{
	struct fixture *f = *state;

	fake_raw(&f->fake, "GET", "/x",
	         "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
	         "Transfer-Encoding: chunked\r\n\r\n4\r\n[1,2\r\n3\r\n,3]\r\n0\r\n\r\n",
	         FAKE_KEEP);
	assert_int_equal(get(f, "/x"), 0);
	assert_string_equal(f->a.body.data, "[1,2,3]");
	assert_int_equal(json_array_size(f->a.json), 3);
}

static void body_that_ends_early_is_epipe(void **state)
{
	struct fixture *f = *state;

	fake_raw(&f->fake, "GET", "/x", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
	         FAKE_CLOSE);
	assert_int_equal(get(f, "/x"), -EPIPE);
	assert_int_equal(f->err.code, EPIPE);
	assert_says(f, "GET /x: unix:///tmp/corral-fake-");
	fake_raw(&f->fake, "GET", "/x",
	         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", FAKE_CLOSE);
	assert_int_equal(get(f, "/x"), -EPIPE);
	fake_raw(&f->fake, "GET", "/x", "HTTP/1.1 200 OK\r\nContent-Le", FAKE_CLOSE);
	assert_int_equal(get(f, "/x"), -EPIPE);
	assert_says(f, "breaks off");
}

static void what_is_no_json_is_eproto_unless_it_is_a_refusal(void **state)
{
	struct fixture *f = *state;
	json_t *j = NULL;

	fake_json(&f->fake, "GET", "/x", 200, "{\"a\":");
	assert_int_equal(get(f, "/x"), -EPROTO);
	assert_says(f, "GET /x: the engine's answer is no JSON");
	fake_json(&f->fake, "GET", "/x", 500, "{\"a\":");
	assert_int_equal(get(f, "/x"), 0);
	assert_null(f->a.json);
	assert_int_equal(corral_docker_refused(&f->a, &f->err), -EIO);
	assert_string_equal(f->err.text, "engine: {\"a\":");
	/* Not even meant to be JSON, but wanted. */
	fake_raw(&f->fake, "GET", "/x", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
	         FAKE_KEEP);
	assert_int_equal(corral_docker_do(f->e, "GET", "/x", NULL, &j, &f->err), -EPROTO);
	assert_null(j);
}

static void what_is_no_http_is_eproto(void **state)
{
	struct fixture *f = *state;

	fake_raw(&f->fake, "GET", "/x", "SSH-2.0-OpenSSH_9.2\r\n", FAKE_CLOSE);
	assert_int_equal(get(f, "/x"), -EPROTO);
}

static enum fake_then endless(struct fake *fake, int fd, const struct fake_request *q, void *ctx)
{
	char block[65536];

	(void)fake;
	(void)q;
	memset(block, 'x', sizeof(block));
	(void)fake_say(fd, ctx, strlen(ctx));
	while (fake_say(fd, block, sizeof(block)))
		;
	return FAKE_CLOSE;
}

static enum fake_then endless_lines(struct fake *fake, int fd, const struct fake_request *q,
                                    void *ctx)
{
	(void)fake;
	(void)q;
	if (strncmp(ctx, "HTTP/", 5) != 0)
		(void)fake_say(fd, "HTTP/1.1 200 OK\r\n", 17);
	while (fake_say(fd, ctx, strlen(ctx)))
		;
	return FAKE_CLOSE;
}

static void head_without_end_is_eproto(void **state)
{
	struct fixture *f = *state;

	fake_call(&f->fake, "GET", "/lines", endless_lines, (void *)"X-More: and more of it\r\n");
	assert_int_equal(get(f, "/lines"), -EPROTO);
	assert_says(f, "does not end");
	/* Interim answers without an answer. */
	fake_call(&f->fake, "GET", "/interim", endless_lines,
	          (void *)"HTTP/1.1 100 Continue\r\n\r\n");
	assert_int_equal(get(f, "/interim"), -EPROTO);
	fake_call(&f->fake, "GET", "/line", endless, (void *)"HTTP/1.1 200 OK\r\nX-Long: ");
	assert_int_equal(get(f, "/line"), -EPROTO);
	fake_call(&f->fake, "GET", "/status", endless, (void *)"HTTP/1.1 200 ");
	assert_int_equal(get(f, "/status"), -EPROTO);
}

static void body_beyond_the_maximum_is_emsgsize(void **state)
{
	struct fixture *f = *state;

	fake_call(&f->fake, "GET", "/x", endless, (void *)"HTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(get(f, "/x"), -EMSGSIZE);
	assert_says(f, "longer than 32 MiB");
	assert_true(f->a.body.len <= CORRAL_DOCKER_ANSWER_MAX);
	/* That of a refusal as well, whatever the sink would take. */
	fake_call(&f->fake, "GET", "/no", endless, (void *)"HTTP/1.1 500 No\r\n\r\n");
	assert_int_equal(get(f, "/no"), -EMSGSIZE);
}

static void hanging_engine_costs_the_deadline(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_request q = { .method = "GET", .path = "/x", .timeout_ms = 300 };
	uint64_t started = corral_now_ms();

	fake_raw(&f->fake, "GET", "/x", "", FAKE_HANG);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), -ETIMEDOUT);
	assert_true(corral_now_ms() - started >= 300);
	assert_true(corral_now_ms() - started < 10000);
	assert_says(f, "GET /x: the engine was waited for");
	/* In the middle of the body. */
	fake_raw(&f->fake, "GET", "/x", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
	         FAKE_HANG);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), -ETIMEDOUT);
	corral_docker_answer_done(&f->a);
	/* The connections that hung are not used any more. */
	fake_json(&f->fake, "GET", "/x", 200, "[]");
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
}

static enum fake_then drip(struct fake *fake, int fd, const struct fake_request *q, void *ctx)
{
	(void)fake;
	(void)q;
	(void)fake_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", 38);
	for (int i = 0; i < *(const int *)ctx; i++) {
		(void)usleep(100000);
		(void)fake_say(fd, "x", 1);
	}
	return *(const int *)ctx == 8 ? FAKE_KEEP : FAKE_HANG;
}

static void idle_limit_counts_from_the_last_byte(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_request q = {
		.method = "GET", .path = "/x", .timeout_ms = -1, .idle_ms = 500
	};
	int all = 8, some = 3;
	uint64_t started = corral_now_ms();

	fake_call(&f->fake, "GET", "/x", drip, &all);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_true(corral_now_ms() - started >= 800);
	assert_string_equal(f->a.body.data, "xxxxxxxx");
	corral_docker_answer_done(&f->a);
	fake_call(&f->fake, "GET", "/x", drip, &some);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), -ETIMEDOUT);
}

struct cancel {
	int fd;
	bool hang_up;
};

static void *cancel_soon(void *arg)
{
	const struct cancel *c = arg;

	(void)usleep(200000);
	if (c->hang_up)
		(void)close(c->fd);
	else
		(void)!write(c->fd, "x", 1);
	return NULL;
}

static void readable_descriptor_cancels_a_call(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_request q = { .method = "GET", .path = "/x", .use_cancel = true };
	pthread_t thread;
	int fds[2];

	fake_raw(&f->fake, "GET", "/x", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
	         FAKE_HANG);
	for (int i = 0; i < 2; i++) {
		struct cancel cancel = { .hang_up = i == 1 };
		uint64_t started = corral_now_ms();

		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		q.cancel_fd = fds[0];
		cancel.fd = fds[1];
		assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
		assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), -ECANCELED);
		assert_true(corral_now_ms() - started < 10000);
		corral_docker_answer_done(&f->a);
		assert_int_equal(pthread_join(thread, NULL), 0);
		/* What is canceled already is not begun. */
		assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), -ECANCELED);
		assert_int_equal(fake_count(&f->fake, "GET", "/x"), i + 1);
		assert_int_equal(close(fds[0]), 0);
		if (!cancel.hang_up)
			assert_int_equal(close(fds[1]), 0);
	}
}

static void connection_is_used_again(void **state)
{
	struct fixture *f = *state;

	fake_json(&f->fake, "GET", "/x", 200, "[]");
	for (int i = 0; i < 20; i++)
		assert_int_equal(get(f, "/x"), 0);
	/* One that asked whether anybody listens, one that spoke. */
	assert_int_equal(f->fake.n_connections, 2);
}

/* Answers the first request of a connection and hangs up on the second. */
static enum fake_then once(struct fake *fake, int fd, const struct fake_request *q, void *ctx)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	unsigned int *last = ctx;

	(void)fake;
	if (*last == q->connection + 1)
		return FAKE_CLOSE;
	*last = q->connection + 1;
	(void)fake_say(fd, answer, sizeof(answer) - 1);
	return FAKE_KEEP;
}

static void stale_connection_is_not_noticed_by_what_may_be_repeated(void **state)
{
	struct fixture *f = *state;
	unsigned int last = 0;

	fake_call(&f->fake, "GET", "/x", once, &last);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(get(f, "/x"), 0);
		assert_string_equal(f->a.body.data, "ok");
	}
	assert_int_equal(fake_count(&f->fake, "GET", "/x"), 9);
}

static void what_changes_something_is_not_sent_twice(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_request q = { .method = "POST", .path = "/x" };
	unsigned int last = 0;

	fake_call(&f->fake, "POST", "/x", once, &last);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	corral_docker_answer_done(&f->a);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), -EPIPE);
	assert_says(f, "POST /x: the engine closed the connection before it answered");
	assert_int_equal(fake_count(&f->fake, "POST", "/x"), 2);
}

static void connection_that_was_closed_meanwhile_is_replaced(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_request q = { .method = "POST", .path = "/x" };

	fake_raw(&f->fake, "POST", "/x", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	         FAKE_CLOSE);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
		corral_docker_answer_done(&f->a);
		(void)usleep(20000);
	}
	assert_int_equal(fake_count(&f->fake, "POST", "/x"), 5);
}

static void *many(void *arg)
{
	struct fixture *f = arg;
	struct corral_docker_answer a;
	struct corral_error err = { 0 };
	char path[32], want[48];

	for (int i = 0; i < 20; i++) {
		struct corral_docker_request q = { .method = "GET", .path = path };

		(void)snprintf(path, sizeof(path), "/echo?%d-%lx", i,
		               (unsigned long)pthread_self());
		(void)snprintf(want, sizeof(want), "/v1.41%s", path);
		if (corral_docker_call(f->e, &q, &a, &err) < 0 || a.status != 200 ||
		    strcmp(a.body.data, want) != 0) {
			(void)fprintf(stderr, "%s\n", err.text);
			corral_docker_answer_done(&a);
			return (void *)1;
		}
		corral_docker_answer_done(&a);
	}
	return NULL;
}

static enum fake_then echo(struct fake *fake, int fd, const struct fake_request *q, void *ctx)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	(void)fake;
	(void)ctx;
	corral_buf_fmt(&b, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(q->path),
	               q->path);
	(void)fake_say(fd, b.data, b.len);
	return FAKE_KEEP;
}

static void sixteen_threads_share_an_engine(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[16];
	void *result;

	fake_call(&f->fake, "GET", "/echo", echo, NULL);
	for (int i = 0; i < 16; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, many, f), 0);
	for (int i = 0; i < 16; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
	assert_int_equal(fake_count(&f->fake, "GET", "/echo"), 320);
	assert_true(f->fake.n_connections <= 18);
}

static void path_stat_is_decoded(void **state)
{
	struct fixture *f = *state;
	const struct corral_docker_request q = { .method = "HEAD", .path = "/x" };

	fake_raw(&f->fake, "HEAD", "/x",
	         "HTTP/1.1 200 OK\r\nx-docker-container-path-stat: eyJuYW1lIjoieCJ9\r\n"
	         "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n",
	         FAKE_KEEP);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_string_equal(f->a.stat.data, "{\"name\":\"x\"}");
	corral_docker_answer_done(&f->a);
	fake_raw(&f->fake, "HEAD", "/x",
	         "HTTP/1.1 200 OK\r\nX-Docker-Container-Path-Stat: eyJ*\r\n\r\n", FAKE_KEEP);
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_int_equal(f->a.stat.len, 0);
}

static void refusals_are_errors_with_the_engines_words(void **state)
{
	static const struct {
		int status, code;
	} rows[] = {
		{ 400, EINVAL }, { 401, EACCES },     { 403, EACCES }, { 404, ENOENT },
		{ 409, EBUSY },  { 501, EOPNOTSUPP }, { 503, EIO },    { 500, EIO },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		fake_json(&f->fake, "GET", "/x", rows[i].status,
		          "{\"message\":\"it is\\nso \\u001b[31m\"}");
		assert_int_equal(corral_docker_do(f->e, "GET", "/x", NULL, NULL, &f->err),
		                 -rows[i].code);
		assert_string_equal(f->err.text, "engine: it is so ?[31m");
	}
	fake_json(&f->fake, "GET", "/x", 500, "{}");
	assert_int_equal(corral_docker_do(f->e, "GET", "/x", NULL, NULL, &f->err), -EIO);
	assert_string_equal(f->err.text, "engine: answered 500 and no reason");
}

static void redirects_are_not_followed(void **state)
{
	struct fixture *f = *state;

	fake_raw(&f->fake, "GET", "/x",
	         "HTTP/1.1 301 Moved\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP);
	assert_int_equal(get(f, "/x"), 0);
	assert_int_equal(f->a.status, 301);
	assert_int_equal(fake_count(&f->fake, "GET", "/y"), 0);
}

static void header_with_a_line_break_is_refused(void **state)
{
	struct fixture *f = *state;
	const char *const headers[] = { "X-A: b\r\nX-C: d", NULL };
	const struct corral_docker_request q = { .method = "GET",
		                                 .path = "/x",
		                                 .headers = headers };

	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), -EINVAL);
	assert_int_equal(fake_count(&f->fake, "GET", "/x"), 0);
}

/* A program that is started by another thread meanwhile must not get the engine. */
static void connections_close_on_exec(void **state)
{
	struct fixture *f = *state;
	int n = 0;

	fake_json(&f->fake, "GET", "/x", 200, "[]");
	assert_int_equal(get(f, "/x"), 0);
	for (int fd = 3; fd < 1024; fd++) {
		struct sockaddr_un peer = { 0 };
		socklen_t len = sizeof(peer) - 1;

		if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0 ||
		    strcmp(peer.sun_path, f->fake.socket) != 0)
			continue;
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		n++;
	}
	assert_int_equal(n, 1);
}

static void engine_that_went_away_is_econnrefused_and_never_enoent(void **state)
{
	struct fixture *f = *state;

	fake_stop(&f->fake);
	assert_int_equal(get(f, "/x"), -ECONNREFUSED);
	assert_int_equal(f->err.code, ECONNREFUSED);
	assert_says(f, "GET /x: there is no unix:///tmp/corral-fake-");
}

static void engine_that_takes_no_connections_is_etimedout(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct fixture *f = *state;
	corral_autofd int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	corral_autofd int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Nothing stands open to the old one. */
	fake_raw(&f->fake, "GET", "/x", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FAKE_CLOSE);
	assert_int_equal(get(f, "/x"), 0);
	(void)unlink(f->fake.socket);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->fake.socket);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(connect(first, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(get(f, "/x"), -ETIMEDOUT);
	assert_says(f, "takes no connections");
	corral_docker_engine_close(f->e);
	f->e = NULL;
	assert_int_equal(corral_docker_engine_open(
	                         &(struct corral_docker_engine_options) { .host = f->fake.host },
	                         &f->e, &f->err),
	                 -ETIMEDOUT);
	assert_says(f, "takes no connections");
}

static void escaped_text_is_plain(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	(void)state;
	corral_docker_escape(&b, "aZ09._~-/?&=% +\"\xc3\xa4\n");
	assert_string_equal(b.data, "aZ09._~-%2F%3F%26%3D%25%20%2B%22%C3%A4%0A");
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(request_carries_method_version_path_and_json),
		ROW(request_without_body_says_so_and_names_no_type),
		ROW(source_is_streamed_in_chunks_and_buffer_in_one),
		ROW(error_of_a_source_is_the_error_of_the_call),
		ROW(sink_gets_what_succeeded_and_answer_keeps_what_did_not),
		ROW(chunked_answer_is_put_together),
		ROW(body_that_ends_early_is_epipe),
		ROW(what_is_no_json_is_eproto_unless_it_is_a_refusal),
		ROW(what_is_no_http_is_eproto),
		ROW(head_without_end_is_eproto),
		ROW(body_beyond_the_maximum_is_emsgsize),
		ROW(hanging_engine_costs_the_deadline),
		ROW(idle_limit_counts_from_the_last_byte),
		ROW(readable_descriptor_cancels_a_call),
		ROW(connection_is_used_again),
		ROW(stale_connection_is_not_noticed_by_what_may_be_repeated),
		ROW(what_changes_something_is_not_sent_twice),
		ROW(connection_that_was_closed_meanwhile_is_replaced),
		ROW(sixteen_threads_share_an_engine),
		ROW(path_stat_is_decoded),
		ROW(refusals_are_errors_with_the_engines_words),
		ROW(redirects_are_not_followed),
		ROW(header_with_a_line_break_is_refused),
		ROW(connections_close_on_exec),
		ROW(engine_that_went_away_is_econnrefused_and_never_enoent),
		ROW(engine_that_takes_no_connections_is_etimedout),
		cmocka_unit_test(escaped_text_is_plain),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
