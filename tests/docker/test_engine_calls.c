/* Calls and streams as they are spoken to a real engine, Docker's or Podman's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/demux.h"
#include "backends/docker/http.h"
#include "kernel/base/cleanup.h"
#include "tests/docker/engine_support.h"

struct fixture {
	struct corral_docker_engine *e;
	struct corral_docker_stream *s;
	struct corral_docker_answer a;
	char container[80];
	struct corral_error err;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct fixture));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[200];

	corral_docker_stream_close(f->s);
	corral_docker_answer_done(&f->a);
	if (f->container[0]) {
		(void)snprintf(path, sizeof(path), "/containers/%s?force=1", f->container);
		(void)corral_docker_do(f->e, "DELETE", path, NULL, NULL, NULL);
	}
	corral_docker_engine_close(f->e);
	free(f);
	return 0;
}

static bool open_engine(struct fixture *f)
{
	struct corral_docker_engine_options o = { .host = corral_test_engine() };

	if (!o.host)
		return false;
	if (corral_docker_engine_open(&o, &f->e, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return true;
}

/* The answer's string `key`, of the caller's to free. Takes json. */
static char *ask(struct fixture *f, const char *path, json_t *json, const char *key)
{
	json_t *answer = NULL;
	const char *text;
	char *copy;

	if (corral_docker_do(f->e, "POST", path, json, key ? &answer : NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
	json_decref(json);
	if (!key)
		return NULL;
	text = json_string_value(json_object_get(answer, key));
	assert_non_null(text);
	copy = strdup(text);
	json_decref(answer);
	assert_non_null(copy);
	return copy;
}

static void start_container(struct fixture *f)
{
	corral_autofree char *id = NULL;
	char path[200];

	id = ask(f, "/containers/create",
	         json_pack("{s:s,s:[s,s],s:{s:s}}", "Image", corral_test_image_busybox(), "Cmd",
	                   "sleep", "1000", "HostConfig", "NetworkMode", "none"),
	         "Id");
	(void)snprintf(f->container, sizeof(f->container), "%s", id);
	(void)snprintf(path, sizeof(path), "/containers/%s/start", f->container);
	(void)ask(f, path, NULL, NULL);
}

static void start_exec(struct fixture *f, const char *command)
{
	corral_autofree char *id = NULL;
	char path[200];
	json_t *j;
	int r;

	(void)snprintf(path, sizeof(path), "/containers/%s/exec", f->container);
	id = ask(f, path,
	         json_pack("{s:[s,s,s],s:b,s:b,s:b}", "Cmd", "sh", "-c", command, "AttachStdin", 1,
	                   "AttachStdout", 1, "AttachStderr", 1),
	         "Id");
	(void)snprintf(path, sizeof(path), "/exec/%.80s/start", id);
	j = json_pack("{s:b,s:b}", "Detach", 0, "Tty", 0);
	r = corral_docker_stream_open(f->e, path, j, &f->s, &f->err);
	json_decref(j);
	if (r < 0)
		fail_msg("%s", f->err.text);
}

static void engine_introduces_itself(void **state)
{
	const struct corral_docker_engine_info *info;
	struct fixture *f = *state;
	json_t *list = NULL;

	if (!open_engine(f))
		return;
	info = corral_docker_engine_info(f->e);
	assert_string_equal(info->endpoint, getenv("DOCKER_HOST"));
	assert_string_equal(info->found_by, "DOCKER_HOST");
	assert_int_equal(info->is_podman, corral_test_engine_is("podman"));
	assert_string_equal(info->os, "linux");
	assert_true(info->server_version[0] && info->arch[0] && info->api_version[0]);
	assert_int_equal(corral_docker_do(f->e, "GET", "/containers/json?all=1", NULL, &list,
	                                  &f->err),
	                 0);
	assert_true(json_is_array(list));
	json_decref(list);
}

static void what_is_not_there_is_enoent_in_the_engines_words(void **state)
{
	struct fixture *f = *state;

	if (!open_engine(f))
		return;
	assert_int_equal(corral_docker_do(f->e, "GET", "/containers/corral-none/json", NULL, NULL,
	                                  &f->err),
	                 -ENOENT);
	assert_non_null(strstr(f->err.text, "corral-none"));
	assert_int_equal(corral_docker_stream_open(f->e, "/exec/corral-none/start", NULL, &f->s,
	                                           &f->err) < 0,
	                 1);
	assert_null(f->s);
}

struct output {
	struct corral_buf of[4];
};

static int put(void *ctx, int stream, const void *data, size_t len)
{
	struct output *o = ctx;

	corral_buf_add(&o->of[stream], data, len);
	return o->of[stream].failed ? -ENOMEM : 0;
}

static void exec_is_a_stream_whose_input_can_end(void **state)
{
	struct fixture *f = *state;
	struct output o = { 0 };
	struct corral_docker_demux d;
	char chunk[1000];
	long n;

	if (!open_engine(f))
		return;
	start_container(f);
	/* wc ends when its input does, and not before. */
	start_exec(f, "echo early; echo oops >&2; wc -c");
	assert_int_equal(corral_docker_stream_write(f->s, "twelve bytes", 12), 12);
	assert_int_equal(corral_docker_stream_shut(f->s), 0);
	corral_docker_demux_init(&d, put, &o);
	while ((n = corral_docker_stream_read(f->s, chunk, sizeof(chunk))) != 0) {
		struct pollfd p = { .fd = corral_docker_stream_fd(f->s), .events = POLLIN };

		if (n == -EAGAIN) {
			assert_int_equal(poll(&p, 1, 20000), 1);
			continue;
		}
		assert_true(n > 0);
		assert_int_equal(corral_docker_demux_feed(&d, chunk, (size_t)n), 0);
	}
	assert_true(corral_docker_demux_is_whole(&d));
	assert_string_equal(o.of[1].data, "early\n12\n");
	assert_string_equal(o.of[2].data, "oops\n");
	for (size_t i = 0; i < CORRAL_COUNT(o.of); i++)
		corral_buf_done(&o.of[i]);
}

struct feed {
	const char *data;
	size_t left;
};

static long get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct feed *feed = ctx;
	size_t n = size < feed->left ? size : feed->left;

	(void)err;
	memcpy(data, feed->data, n);
	feed->data += n;
	feed->left -= n;
	return (long)n;
}

static int keep(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	corral_buf_add(ctx, data, len);
	return ((struct corral_buf *)ctx)->failed ? corral_error_set(err, ENOMEM, "no memory") : 0;
}

/* One file of an archive, copied as it is: what comes down goes up elsewhere, both streamed. */
static void archives_go_both_ways_and_have_a_stat(void **state)
{
	struct fixture *f = *state;
	corral_autobuf struct corral_buf tar = CORRAL_BUF_INIT;
	const struct corral_files_sink sink = { keep, &tar };
	struct feed feed;
	const struct corral_files_source source = { get, &feed };
	struct corral_docker_request q = { .path = NULL };
	char path[200];

	if (!open_engine(f))
		return;
	start_container(f);
	(void)snprintf(path, sizeof(path), "/containers/%s/archive?path=%%2Fbin%%2Fbusybox",
	               f->container);
	q = (struct corral_docker_request) { .method = "HEAD", .path = path };
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_int_equal(f->a.status, 200);
	assert_non_null(strstr(f->a.stat.data, "\"name\":\"busybox\""));
	corral_docker_answer_done(&f->a);
	q = (struct corral_docker_request) { .method = "GET", .path = path, .sink = &sink };
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_true(tar.len > 500000 && memcmp(tar.data, "busybox", 8) == 0);
	corral_docker_answer_done(&f->a);

	feed = (struct feed) { tar.data, tar.len };
	(void)snprintf(path, sizeof(path), "/containers/%s/archive?path=%%2Ftmp", f->container);
	q = (struct corral_docker_request) { .method = "PUT", .path = path, .source = &source };
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_int_equal(f->a.status, 200);
	corral_docker_answer_done(&f->a);
	(void)snprintf(path, sizeof(path), "/containers/%s/archive?path=%%2Ftmp%%2Fbusybox",
	               f->container);
	q = (struct corral_docker_request) { .method = "HEAD", .path = path };
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_int_equal(f->a.status, 200);
	corral_docker_answer_done(&f->a);

	/* A refusal that comes while the archive is still going up is heard. */
	feed = (struct feed) { tar.data, tar.len };
	(void)snprintf(path, sizeof(path), "/containers/corral-none/archive?path=%%2Ftmp");
	q = (struct corral_docker_request) { .method = "PUT", .path = path, .source = &source };
	assert_int_equal(corral_docker_call(f->e, &q, &f->a, &f->err), 0);
	assert_int_equal(corral_docker_refused(&f->a, &f->err), -ENOENT);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(engine_introduces_itself),
		ROW(what_is_not_there_is_enoent_in_the_engines_words),
		ROW(exec_is_a_stream_whose_input_can_end),
		ROW(archives_go_both_ways_and_have_a_stat),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
