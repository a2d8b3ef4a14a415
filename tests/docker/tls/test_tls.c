/* A real engine over TLS: that it is known by its certificate, and we by ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/docker/demux.h"
#include "backends/docker/http.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tests/support.h"

#define STREAMED ((size_t)2 << 20)

struct fixture {
	const char *dir; /* of tls.sh */
	char path[300];
	char home[64]; /* for contexts */
	struct corral_docker_engine_options o;
	struct corral_docker_engine *e;
	struct corral_docker_stream *s;
	char container[80];
	struct corral_error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = getenv("CORRAL_TEST_DOCKER_TLS");
	f->o.host = getenv("DOCKER_HOST");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[200];

	corral_docker_stream_close(f->s);
	if (f->container[0]) {
		(void)snprintf(path, sizeof(path), "/containers/%s?force=1", f->container);
		(void)corral_docker_do(f->e, "DELETE", path, NULL, NULL, NULL);
	}
	corral_docker_engine_close(f->e);
	free(f);
	return 0;
}

static bool is_served(const struct fixture *f)
{
	const char *why = getenv("CORRAL_TEST_DOCKER_WHY");

	if (f->dir && f->o.host)
		return true;
	corral_test_skip("no engine: %s", why && *why ? why : "see tests/docker/tls/tls.sh run");
	return false;
}

/* certs: which of the directories of tls.sh; NULL: none. */
static int open_engine(struct fixture *f, const char *certs)
{
	if (certs)
		(void)snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, certs);
	f->o.cert_path = certs ? f->path : NULL;
	f->o.tls_verify = certs != NULL;
	corral_docker_engine_close(f->e);
	f->e = NULL;
	memset(&f->err, 0, sizeof(f->err));
	return corral_docker_engine_open(&f->o, &f->e, &f->err);
}

static void assert_opens(struct fixture *f, const char *certs)
{
	if (open_engine(f, certs) < 0)
		fail_msg("%s", f->err.text);
}

static void assert_says(const struct fixture *f, const char *part)
{
	if (!strstr(f->err.text, part))
		fail_msg("'%s' does not say '%s'", f->err.text, part);
}

static void *ask(void *arg)
{
	struct corral_docker_engine *e = arg;
	struct corral_error err = { 0 };

	for (int i = 0; i < 10; i++) {
		json_t *list = NULL;
		int r = corral_docker_do(e, "GET", "/containers/json?all=1", NULL, &list, &err);

		if (r < 0 || !json_is_array(list)) {
			(void)fprintf(stderr, "%s\n", err.text);
			return (void *)1;
		}
		json_decref(list);
	}
	return NULL;
}

static void engine_is_spoken_to_by_many_at_once(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[4];
	void *result;

	if (!is_served(f))
		return;
	assert_opens(f, "certs");
	assert_string_equal(corral_docker_engine_info(f->e)->endpoint, f->o.host);
	assert_string_equal(corral_docker_engine_info(f->e)->os, "linux");
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, f->e), 0);
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
}

static void engine_of_another_authority_is_not_spoken_to(void **state)
{
	struct fixture *f = *state;

	if (!is_served(f))
		return;
	assert_int_equal(open_engine(f, "strangers"), -EPROTO);
	assert_says(f, "certificate");
}

static void engine_under_another_name_is_not_spoken_to(void **state)
{
	struct fixture *f = *state;
	char host[64];

	if (!is_served(f))
		return;
	/* The certificate is for 127.0.0.1. */
	(void)snprintf(host, sizeof(host), "tcp://localhost%s", strrchr(f->o.host, ':'));
	f->o.host = host;
	assert_int_equal(open_engine(f, "certs"), -EPROTO);
	assert_says(f, "localhost");
}

static void engine_does_not_speak_to_us_without_our_certificate(void **state)
{
	struct fixture *f = *state;

	if (!is_served(f))
		return;
	assert_int_equal(open_engine(f, "anonymous"), -EACCES);
	assert_says(f, "certificate");
}

static void authority_that_is_none_is_einval(void **state)
{
	struct fixture *f = *state;

	if (!is_served(f))
		return;
	assert_int_equal(open_engine(f, "broken"), -EINVAL);
	assert_says(f, "/broken/ca.pem");
}

static void plain_http_is_refused_with_the_reason(void **state)
{
	struct fixture *f = *state;

	if (!is_served(f))
		return;
	assert_int_equal(open_engine(f, NULL), -EPROTO);
	assert_says(f, "HTTP request to an HTTPS server");
}

/* f->home with a context "tls" that has the certificates of a directory. */
static void make_context(struct fixture *f, const char *certs, bool skip_verify)
{
	/* printf tls | sha256sum */
#define TLS "b7e651cbb43ba0ca3498759c8c3596c3a11a199004cd9e5a198d50d4585ec8c5"
	static const char *const dirs[] = { "contexts", "contexts/meta", "contexts/meta/" TLS,
		                            "contexts/tls", "contexts/tls/" TLS };
	char path[300], target[300];
	FILE *file;

	(void)snprintf(f->home, sizeof(f->home), "/tmp/corral-contexts-XXXXXX");
	assert_non_null(mkdtemp(f->home));
	for (size_t i = 0; i < CORRAL_COUNT(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->home, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/contexts/meta/" TLS "/meta.json", f->home);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fprintf(file,
	              "{\"Name\":\"tls\",\"Endpoints\":{\"docker\":{\"Host\":\"%s\","
	              "\"SkipTLSVerify\":%s}}}",
	              f->o.host, skip_verify ? "true" : "false");
	assert_int_equal(fclose(file), 0);
	(void)snprintf(path, sizeof(path), "%s/contexts/tls/" TLS "/docker", f->home);
	(void)snprintf(target, sizeof(target), "%s/%s", f->dir, certs);
	assert_int_equal(symlink(target, path), 0);
}

static void remove_context(struct fixture *f)
{
	static const char *const names[] = {
		"contexts/tls/" TLS "/docker",
		"contexts/tls/" TLS,
		"contexts/tls",
		"contexts/meta/" TLS "/meta.json",
		"contexts/meta/" TLS,
		"contexts/meta",
		"contexts",
	};
	char path[300];

	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->home, names[i]);
		(void)remove(path);
	}
	(void)rmdir(f->home);
}

static int open_context(struct fixture *f, const char *certs, bool skip_verify)
{
	const char *host = f->o.host;
	int r;

	make_context(f, certs, skip_verify);
	f->o.host = NULL;
	f->o.context = "tls";
	f->o.config_dir = f->home;
	r = open_engine(f, NULL);
	f->o.host = host;
	remove_context(f);
	return r;
}

static void context_brings_certificates_and_may_do_without_checks(void **state)
{
	struct fixture *f = *state;

	if (!is_served(f))
		return;
	assert_int_equal(open_context(f, "certs", false), 0);
	assert_string_equal(corral_docker_engine_info(f->e)->found_by, "context 'tls'");
	assert_int_equal(open_context(f, "strangers", false), -EPROTO);
	assert_int_equal(open_context(f, "strangers", true), 0);
	assert_int_equal(open_context(f, "anonymous", true), -EACCES);
}

static void start_cat(struct fixture *f)
{
	json_t *j = json_pack("{s:s,s:b,s:b,s:b,s:b,s:{s:s}}", "Image", "corral-test/busybox",
	                      "OpenStdin", 1, "AttachStdin", 1, "AttachStdout", 1, "AttachStderr",
	                      1, "HostConfig", "NetworkMode", "none");
	json_t *answer = NULL;
	char path[200];
	int r = corral_docker_do(f->e, "POST", "/containers/create", j, &answer, &f->err);

	json_decref(j);
	if (r < 0)
		fail_msg("%s", f->err.text);
	(void)snprintf(f->container, sizeof(f->container), "%s",
	               json_string_value(json_object_get(answer, "Id")));
	json_decref(answer);
	(void)snprintf(path, sizeof(path),
	               "/containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1", f->container);
	if (corral_docker_stream_open(f->e, path, NULL, &f->s, &f->err) < 0)
		fail_msg("%s", f->err.text);
	(void)snprintf(path, sizeof(path), "/containers/%s/start", f->container);
	if (corral_docker_do(f->e, "POST", path, NULL, NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static char pattern(size_t at)
{
	return (char)(at * 2654435761u >> 13);
}

static int compare(void *ctx, int stream, const void *data, size_t len)
{
	size_t *got = ctx;

	assert_int_equal(stream, 1);
	for (size_t i = 0; i < len; i++)
		if (((const char *)data)[i] != pattern((*got)++))
			return -EBADMSG;
	return 0;
}

/* As much as is to be had. */
static void read_some(struct fixture *f, struct corral_docker_demux *d)
{
	char chunk[8192];
	long n;

	while ((n = corral_docker_stream_read(f->s, chunk, sizeof(chunk))) > 0)
		assert_int_equal(corral_docker_demux_feed(d, chunk, (size_t)n), 0);
	assert_int_equal(n, -EAGAIN);
}

static void stream_carries_more_than_fits_in_both_directions(void **state)
{
	struct fixture *f = *state;
	uint64_t end = corral_now_ms() + 60000;
	size_t sent = 0, got = 0, held_back = 0;
	int small = 4096;
	struct corral_docker_demux d;
	char *data = malloc(STREAMED);

	if (!is_served(f)) {
		free(data);
		return;
	}
	assert_non_null(data);
	for (size_t i = 0; i < STREAMED; i++)
		data[i] = pattern(i);
	assert_opens(f, "certs");
	start_cat(f);
	corral_docker_demux_init(&d, compare, &got);
	assert_true(fcntl(corral_docker_stream_fd(f->s), F_GETFD) & FD_CLOEXEC);
	/* So that records do not fit, and are sent in pieces. */
	assert_int_equal(setsockopt(corral_docker_stream_fd(f->s), SOL_SOCKET, SO_SNDBUF, &small,
	                            sizeof(small)),
	                 0);
	/* Nothing is read until nothing more can be written. */
	while (got < STREAMED && corral_now_ms() < end) {
		struct pollfd p = { .fd = corral_docker_stream_fd(f->s), .events = POLLIN };
		long n = corral_docker_stream_write(f->s, data + sent, STREAMED - sent);

		assert_true(n >= 0 || n == -EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		if (n > 0)
			continue;
		held_back += n == -EAGAIN;
		read_some(f, &d);
		p.events |= sent < STREAMED ? POLLOUT : 0;
		assert_true(poll(&p, 1, 10000) >= 0);
	}
	free(data);
	assert_int_equal(got, STREAMED);
	assert_true(held_back > 0);
	assert_int_equal(corral_docker_stream_shut(f->s), -EOPNOTSUPP);
}

static void stream_ends_with_its_process(void **state)
{
	struct fixture *f = *state;
	struct pollfd p = { .events = POLLIN };
	char path[200], byte;
	long n;

	if (!is_served(f))
		return;
	assert_opens(f, "certs");
	start_cat(f);
	p.fd = corral_docker_stream_fd(f->s);
	(void)snprintf(path, sizeof(path), "/containers/%s/kill", f->container);
	assert_int_equal(corral_docker_do(f->e, "POST", path, NULL, NULL, &f->err), 0);
	while ((n = corral_docker_stream_read(f->s, &byte, 1)) == -EAGAIN)
		assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(n, 0);
	/* OpenSSL writes to sockets as to files: whoever does that to one that is closed must not
	 * die of it. */
	assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
	assert_int_equal(corral_docker_stream_write(f->s, "x", 1), -EPIPE);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(engine_is_spoken_to_by_many_at_once),
		ROW(engine_of_another_authority_is_not_spoken_to),
		ROW(engine_under_another_name_is_not_spoken_to),
		ROW(engine_does_not_speak_to_us_without_our_certificate),
		ROW(authority_that_is_none_is_einval),
		ROW(plain_http_is_refused_with_the_reason),
		ROW(context_brings_certificates_and_may_do_without_checks),
		ROW(stream_carries_more_than_fits_in_both_directions),
		ROW(stream_ends_with_its_process),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
