/* Connections that the engine gives up being HTTP on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "backends/docker/head.h"
#include "backends/docker/http.h"
#include "kernel/base/clock.h"
#include "tests/unit/backends/docker/fake.h"

#define UPGRADED                                                                       \
	"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n" \
	"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

struct fixture {
	struct fake fake;
	struct corral_docker_engine *e;
	struct corral_docker_stream *s;
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

	corral_docker_stream_close(f->s);
	corral_docker_engine_close(f->e);
	fake_stop(&f->fake);
	free(f);
	return 0;
}

/* What comes, until there is as much as wanted, or the end. */
static void assert_reads(struct corral_docker_stream *s, const char *want)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct pollfd p = { .fd = corral_docker_stream_fd(s), .events = POLLIN };

	while (b.len < strlen(want)) {
		char c[7];
		long n = corral_docker_stream_read(s, c, sizeof(c));

		if (n == -EAGAIN) {
			assert_int_equal(poll(&p, 1, 10000), 1);
			continue;
		}
		assert_true(n >= 0);
		if (n == 0)
			break;
		corral_buf_add(&b, c, (size_t)n);
	}
	assert_string_equal(b.data ? b.data : "", want);
}

static void assert_ends(struct corral_docker_stream *s)
{
	struct pollfd p = { .fd = corral_docker_stream_fd(s), .events = POLLIN };
	char c[8];

	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(corral_docker_stream_read(s, c, sizeof(c)), 0);
}

/* Says what ctx has, then gives back what comes in capitals, until the other side is through. */
static enum fake_then capitals(struct fake *fake, int fd, const struct fake_request *q, void *ctx)
{
	char c[100];
	ssize_t n;

	(void)fake;
	(void)q;
	(void)fake_say(fd, ctx, strlen(ctx));
	while ((n = recv(fd, c, sizeof(c), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			c[i] = (char)(c[i] >= 'a' && c[i] <= 'z' ? c[i] - 'a' + 'A' : c[i]);
		(void)fake_say(fd, c, (size_t)n);
	}
	(void)fake_say(fd, "bye", 3);
	return FAKE_CLOSE;
}

static void bytes_go_both_ways_until_each_side_is_through(void **state)
{
	struct fixture *f = *state;
	json_t *j = json_pack("{s:b,s:b}", "Detach", 0, "Tty", 0);
	const struct fake_request *q;
	char c[4];

	fake_call(&f->fake, "POST", "/exec/x/start", capitals, (void *)UPGRADED);
	assert_int_equal(corral_docker_stream_open(f->e, "/exec/x/start", j, &f->s, &f->err), 0);
	json_decref(j);
	assert_true(fcntl(corral_docker_stream_fd(f->s), F_GETFD) & FD_CLOEXEC);
	assert_int_equal(corral_docker_stream_read(f->s, c, sizeof(c)), -EAGAIN);
	assert_int_equal(corral_docker_stream_write(f->s, "hello ", 6), 6);
	assert_int_equal(corral_docker_stream_write(f->s, "world", 5), 5);
	assert_reads(f->s, "HELLO WORLD");
	assert_int_equal(corral_docker_stream_shut(f->s), 0);
	assert_reads(f->s, "bye");
	assert_ends(f->s);
	q = fake_last(&f->fake, "POST", "/exec/x/start");
	assert_string_equal(q->path, "/v1.41/exec/x/start");
	assert_string_equal(q->body.data, "{\"Detach\":false,\"Tty\":false}");
	assert_int_equal(strncmp(fake_header(q, "Upgrade"), "tcp\r", 4), 0);
	assert_int_equal(strncmp(fake_header(q, "Connection"), "Upgrade\r", 8), 0);
}

static void what_is_glued_to_the_head_is_the_streams_first(void **state)
{
	struct fixture *f = *state;

	fake_call(&f->fake, "POST", "/x", capitals, (void *)UPGRADED "some early bytes, ");
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), 0);
	assert_int_equal(corral_docker_stream_write(f->s, "and more", 8), 8);
	assert_reads(f->s, "some early bytes, AND MORE");
}

static void engine_that_says_200_gives_a_stream_as_well(void **state)
{
	struct fixture *f = *state;

	fake_call(&f->fake, "POST", "/x", capitals,
	          (void *)"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream"
	                  "\r\n\r\nearly");
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), 0);
	assert_int_equal(corral_docker_stream_write(f->s, "late", 4), 4);
	assert_reads(f->s, "earlyLATE");
	corral_docker_stream_close(f->s);
	f->s = NULL;
	/* An interim answer is none. */
	fake_call(&f->fake, "POST", "/x", capitals,
	          (void *)"HTTP/1.1 100 Continue\r\n\r\n" UPGRADED "early");
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), 0);
	assert_reads(f->s, "early");
}

/* Byte by byte. */
static enum fake_then slowly(struct fake *fake, int fd, const struct fake_request *q, void *ctx)
{
	const char *text = ctx;

	(void)fake;
	(void)q;
	for (; *text; text++) {
		(void)fake_say(fd, text, 1);
		(void)usleep(1000);
	}
	return FAKE_CLOSE;
}

static void head_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;

	fake_call(&f->fake, "POST", "/x", slowly, (void *)UPGRADED "early");
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), 0);
	assert_reads(f->s, "early");
	assert_ends(f->s);
}

static void refusal_is_an_error_with_the_engines_words(void **state)
{
	struct fixture *f = *state;

	fake_json(&f->fake, "POST", "/x", 404, "{\"message\":\"No such exec instance: x\"}");
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -ENOENT);
	assert_string_equal(f->err.text, "POST /x: engine: No such exec instance: x");
	fake_raw(&f->fake, "POST", "/x",
	         "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\n"
	         "Transfer-Encoding: chunked\r\n\r\n"
	         "b\r\n{\"message\":\r\na\r\n\"is paused\r\n2;x=y\r\n\"}\r\n0\r\n\r\n",
	         FAKE_KEEP);
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -EBUSY);
	assert_string_equal(f->err.text, "POST /x: engine: is paused");
	/* Neither length nor chunks: until it hangs up. */
	fake_raw(&f->fake, "POST", "/x", "HTTP/1.1 500 Error\r\n\r\nbroken\n", FAKE_CLOSE);
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -EIO);
	assert_string_equal(f->err.text, "POST /x: engine: broken");
	fake_raw(&f->fake, "POST", "/x", "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", FAKE_KEEP);
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -EACCES);
	assert_string_equal(f->err.text, "POST /x: engine: answered 403 and no reason");
	assert_null(f->s);
}

static void answer_that_keeps_the_connection_is_no_stream(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 301 Moved\r\nLocation: /y\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n\r\n",
		"HTTP/2 101 Upgraded\r\n\r\n",
		"HTTP/1.1 1O1 Upgraded\r\n\r\n",
		"HTTP/1.1 101 Upgraded\r\nno field\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < CORRAL_COUNT(answers); i++) {
		fake_raw(&f->fake, "POST", "/x", answers[i], FAKE_HANG);
		assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err),
		                 -EPROTO);
	}
	assert_null(f->s);
}

static enum fake_then endless(struct fake *fake, int fd, const struct fake_request *q, void *ctx)
{
	(void)fake;
	(void)q;
	if (strncmp(ctx, "HTTP", 4) != 0)
		(void)fake_say(fd, "HTTP/1.1 500 OK\r\n", 17);
	while (fake_say(fd, ctx, strlen(ctx)))
		;
	return FAKE_CLOSE;
}

static void head_without_end_is_eproto(void **state)
{
	struct fixture *f = *state;

	fake_call(&f->fake, "POST", "/x", endless, (void *)"X-More: and more of it\r\n");
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -EPROTO);
	fake_call(&f->fake, "POST", "/x", endless, (void *)"X-More");
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -EPROTO);
	fake_call(&f->fake, "POST", "/x", endless, (void *)"HTTP/1.1 102 Wait\r\n\r\n");
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -EPROTO);
	/* A refusal that goes on for ever is cut. */
	fake_call(&f->fake, "POST", "/x", endless, (void *)"\r\n and so on");
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -EIO);
	assert_non_null(strstr(f->err.text, "and so on and so on"));
}

static void engine_that_hangs_up_or_hangs_is_told_apart(void **state)
{
	struct fixture *f = *state;
	struct corral_docker_engine_options o = { .host = f->fake.host, .call_timeout_ms = 300 };
	uint64_t started;

	fake_raw(&f->fake, "POST", "/x", "HTTP/1.1 101 UPG", FAKE_CLOSE);
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -EPIPE);
	corral_docker_engine_close(f->e);
	assert_int_equal(corral_docker_engine_open(&o, &f->e, &f->err), 0);
	fake_raw(&f->fake, "POST", "/x", "HTTP/1.1 101 UPG", FAKE_HANG);
	started = corral_now_ms();
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err), -ETIMEDOUT);
	assert_true(corral_now_ms() - started >= 300);
	assert_string_equal(f->err.text, "POST /x: the engine does not answer");
	fake_stop(&f->fake);
	assert_int_equal(corral_docker_stream_open(f->e, "/x", NULL, &f->s, &f->err),
	                 -ECONNREFUSED);
}

static void path_with_a_line_break_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(corral_docker_stream_open(f->e, "/x HTTP/1.1\r\nA: b", NULL, &f->s,
	                                           &f->err),
	                 -EINVAL);
}

static void socket_of_a_pair_is_a_stream_that_does_not_block(void **state)
{
	struct fixture *f = *state;
	char block[65536] = { 0 };
	int pair[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	long n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(corral_docker_stream_new_take(pair[0], &f->s, &f->err), 0);
	assert_int_equal(corral_docker_stream_read(f->s, block, 1), -EAGAIN);
	while ((n = corral_docker_stream_write(f->s, block, sizeof(block))) > 0)
		;
	assert_int_equal(n, -EAGAIN);
	assert_int_equal(close(pair[1]), 0);
	/* Without a signal. */
	assert_int_equal(corral_docker_stream_write(f->s, "x", 1), -EPIPE);
	corral_docker_stream_close(f->s);
	f->s = NULL;
	assert_int_equal(corral_docker_stream_new_take(null, &f->s, &f->err), -ENOTSOCK);
	assert_int_equal(fcntl(null, F_GETFD), -1);
}

static void head_is_parsed_wherever_it_is_cut(void **state)
{
	static const char text[] =
	        "HTTP/1.1 404 Not Found\r\nContent-type:  application/json ;x\r\n"
	        "CONTENT-LENGTH: 12\nTransfer-encoding: chunked\r\n\r\nrest";
	struct docker_head h;
	long whole = (long)sizeof(text) - 1 - 4;

	(void)state;
	for (long n = 0; n < whole; n++)
		assert_int_equal(docker_head_parse(text, (size_t)n, &h), 0);
	for (long n = whole; n < (long)sizeof(text); n++)
		assert_int_equal(docker_head_parse(text, (size_t)n, &h), whole);
	assert_int_equal(h.status, 404);
	assert_true(h.is_json);
	assert_true(h.is_chunked);
	assert_int_equal(h.length, 12);
}

static void chunks_that_are_none_are_eproto(void **state)
{
	static const char *const bodies[] = {
		"x\r\n", "\r\n", "12345678\r\n", "2\r\nabcd", "-1\r\n", "1g\r\n",
	};
	const struct docker_head h = { .status = 500, .is_chunked = true, .length = -1 };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(bodies); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

		assert_int_equal(docker_head_body(&h, bodies[i], strlen(bodies[i]), false, &b),
		                 -EPROTO);
	}
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(bytes_go_both_ways_until_each_side_is_through),
		ROW(what_is_glued_to_the_head_is_the_streams_first),
		ROW(engine_that_says_200_gives_a_stream_as_well),
		ROW(head_may_come_in_pieces),
		ROW(refusal_is_an_error_with_the_engines_words),
		ROW(answer_that_keeps_the_connection_is_no_stream),
		ROW(head_without_end_is_eproto),
		ROW(engine_that_hangs_up_or_hangs_is_told_apart),
		ROW(path_with_a_line_break_is_refused),
		ROW(socket_of_a_pair_is_a_stream_that_does_not_block),
		cmocka_unit_test(head_is_parsed_wherever_it_is_cut),
		cmocka_unit_test(chunks_that_are_none_are_eproto),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
