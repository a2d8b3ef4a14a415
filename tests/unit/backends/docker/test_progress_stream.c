/* backends/docker/progress_stream.h: what an engine tells comes out as clean lines, however it is
 * cut, and a failure below a status of 200 is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/progress_stream.h"
#include "kernel/base/cleanup.h"

struct told {
	struct corral_buf lines;
	unsigned int stop_after;
	unsigned int n;
};

static int tell(void *ctx, const char *text, uint64_t current, uint64_t total)
{
	struct told *t = ctx;

	corral_buf_fmt(&t->lines, "%s [%llu/%llu]\n", text, (unsigned long long)current,
	               (unsigned long long)total);
	return ++t->n == t->stop_after;
}

/* In chunks of so many bytes. */
static void comes_out(const char *body, size_t chunk, const char *lines, const char *error)
{
	struct told t = { .lines = CORRAL_BUF_INIT };
	const struct corral_docker_progress progress = { tell, &t };
	struct corral_docker_progress_stream s;
	struct corral_error err = { 0 };

	corral_docker_progress_stream_init(&s, &progress);
	for (size_t at = 0, n; at < strlen(body); at += n) {
		n = strlen(body) - at < chunk ? strlen(body) - at : chunk;
		if (corral_docker_progress_stream_feed(&s, body + at, n, &err) < 0)
			fail_msg("%s", err.text);
	}
	assert_int_equal(corral_docker_progress_stream_end(&s, &err), 0);
	assert_string_equal(t.lines.data ? t.lines.data : "", lines);
	assert_string_equal(s.error, error);
	corral_docker_progress_stream_done(&s);
	corral_buf_done(&t.lines);
}

static void lines_come_out_however_the_body_is_cut(void **state)
{
	const char *body =
	        "{\"status\":\"Pulling from library/python\",\"id\":\"3.12\"}\r\n"
	        "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":10,\"total\":20},"
	        "\"progress\":\"[=> ]\",\"id\":\"9f1b\"}\r\n"
	        "{\"stream\":\"Step 1/2 : FROM a\\n\"}{\"stream\":\"half\"}\n"
	        "{\"stream\":\" line\\nnext\"}\n"
	        "{\"aux\":{\"ID\":\"sha256:1\"}}";
	const char *lines = "3.12: Pulling from library/python [0/0]\n"
	                    "9f1b: Downloading [10/20]\n"
	                    "Step 1/2 : FROM a [0/0]\n"
	                    "half line [0/0]\n"
	                    "next [0/0]\n";

	(void)state;
	for (size_t chunk = 1; chunk < 80; chunk++)
		comes_out(body, chunk, lines, "");
	comes_out(body, strlen(body), lines, "");
}

static void failure_is_kept_and_the_first_one_counts(void **state)
{
	(void)state;
	comes_out("{\"errorDetail\":{\"code\":1,\"message\":\"why\\u001b[31m "
	          "not\"},\"error\":\"x\"}\n"
	          "{\"errorDetail\":{\"message\":\"second\"}}\n",
	          7, "", "why not");
	comes_out("{\"error\":\"old\"}\n", 7, "", "old");
	comes_out("{\"errorDetail\":{}}\n", 7, "", "the engine did not say why");
}

static void control_characters_and_colours_are_not_told(void **state)
{
	char text[32];

	(void)state;
	comes_out("{\"stream\":\"\\u001b[1;31mred\\u001b[0m\\u0007 a\\tb\\u0000c \\u009b \\n\"}\n",
	          5, "red a bc   [0/0]\n", "");
	corral_docker_text_clean("a\xff\xc3", 3, text, sizeof(text));
	assert_string_equal(text, "a\xef\xbf\xbd\xef\xbf\xbd");
	/* No character is cut in its middle. */
	corral_docker_text_clean("abc\xc3\xa9", 5, text, 5);
	assert_string_equal(text, "abc");
}

static void bars_that_are_drawn_anew_are_lines(void **state)
{
	(void)state;
	comes_out("{\"stream\":\"1%\\r2%\\r\\n\"}\n", 100, "1% [0/0]\n2% [0/0]\n", "");
}

static void strange_numbers_are_none(void **state)
{
	(void)state;
	comes_out("{\"status\":\"s\",\"progressDetail\":{\"current\":-5,\"total\":\"x\"}}\n", 100,
	          "s [0/0]\n", "");
	comes_out("{\"status\":\"s\",\"progressDetail\":7,\"id\":8}\n", 100, "s [0/0]\n", "");
	comes_out("{\"status\":7}\n{\"stream\":{}}\n{}\n\n", 100, "", "");
}

static void what_is_no_json_is_a_broken_protocol(void **state)
{
	static const char *const bad[] = { "<html>\n", "{\"a\":1} x\n", "[1]\n", "{\"a\n", "\1\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct corral_docker_progress_stream s;
		struct corral_error err = { 0 };

		corral_docker_progress_stream_init(&s, NULL);
		assert_int_equal(corral_docker_progress_stream_feed(&s, bad[i], strlen(bad[i]),
		                                                    &err),
		                 -EPROTO);
		assert_int_equal(err.code, EPROTO);
		corral_docker_progress_stream_done(&s);
	}
}

static void cut_off_object_is_a_broken_protocol(void **state)
{
	struct corral_docker_progress_stream s;

	(void)state;
	corral_docker_progress_stream_init(&s, NULL);
	assert_int_equal(corral_docker_progress_stream_feed(&s, "{\"stream\"", 9, NULL), 0);
	assert_int_equal(corral_docker_progress_stream_end(&s, NULL), -EPROTO);
	corral_docker_progress_stream_done(&s);
}

static void line_without_end_is_given_up(void **state)
{
	struct corral_docker_progress_stream s;
	struct corral_error err = { 0 };
	char chunk[4096];
	int r = 0;

	(void)state;
	memset(chunk, ' ', sizeof(chunk));
	corral_docker_progress_stream_init(&s, NULL);
	for (int i = 0; i < 256 && r == 0; i++)
		r = corral_docker_progress_stream_feed(&s, chunk, sizeof(chunk), &err);
	assert_int_equal(r, 0);
	r = corral_docker_progress_stream_feed(&s, chunk, 1, &err);
	assert_int_equal(r, -EMSGSIZE);
	corral_docker_progress_stream_done(&s);
}

static void whoever_is_told_can_stop_it(void **state)
{
	struct told t = { .lines = CORRAL_BUF_INIT, .stop_after = 2 };
	const struct corral_docker_progress progress = { tell, &t };
	struct corral_docker_progress_stream s;
	struct corral_error err = { 0 };
	const char *body = "{\"stream\":\"a\\nb\\nc\\n\"}\n";

	(void)state;
	corral_docker_progress_stream_init(&s, &progress);
	assert_int_equal(corral_docker_progress_stream_feed(&s, body, strlen(body), &err),
	                 -ECANCELED);
	assert_int_equal(err.code, ECANCELED);
	assert_int_equal(t.n, 2);
	corral_docker_progress_stream_done(&s);
	corral_buf_done(&t.lines);
}

static void last_lines_are_kept_within_their_bound(void **state)
{
	struct corral_docker_progress_stream s;
	char body[400], line[260];

	(void)state;
	corral_docker_progress_stream_init(&s, NULL);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(body, sizeof(body), "{\"stream\":\"line %d of the output\\n\"}\n",
		               i);
		assert_int_equal(corral_docker_progress_stream_feed(&s, body, strlen(body), NULL),
		                 0);
		assert_true(strlen(s.tail) <= CORRAL_DOCKER_PROGRESS_TAIL_MAX);
	}
	assert_int_equal(strncmp(s.tail, "line ", 5), 0);
	assert_non_null(strstr(s.tail, "line 99 of the output\n"));
	assert_true(strlen(s.tail) > CORRAL_DOCKER_PROGRESS_TAIL_MAX - 30);

	/* Of a line longer than the bound, its end. */
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	(void)snprintf(body, sizeof(body), "{\"stream\":\"%s\"}\n{\"stream\":\"%.80send\\n\"}\n",
	               line, line);
	assert_int_equal(corral_docker_progress_stream_feed(&s, body, strlen(body), NULL), 0);
	assert_int_equal(strlen(s.tail), CORRAL_DOCKER_PROGRESS_TAIL_MAX);
	assert_string_equal(s.tail + strlen(s.tail) - 5, "xend\n");
	corral_docker_progress_stream_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_out_however_the_body_is_cut),
		cmocka_unit_test(failure_is_kept_and_the_first_one_counts),
		cmocka_unit_test(control_characters_and_colours_are_not_told),
		cmocka_unit_test(bars_that_are_drawn_anew_are_lines),
		cmocka_unit_test(strange_numbers_are_none),
		cmocka_unit_test(what_is_no_json_is_a_broken_protocol),
		cmocka_unit_test(cut_off_object_is_a_broken_protocol),
		cmocka_unit_test(line_without_end_is_given_up),
		cmocka_unit_test(whoever_is_told_can_stop_it),
		cmocka_unit_test(last_lines_are_kept_within_their_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
