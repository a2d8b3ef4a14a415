/* The engine's frames taken apart, however they are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "backends/docker/demux.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

struct streams {
	struct corral_buf of[4];
	int stop_at; /* a stream */
	int code;
};

static int put(void *ctx, int stream, const void *data, size_t len)
{
	struct streams *s = ctx;

	assert_in_range(stream, 1, 3);
	assert_true(len > 0);
	corral_buf_add(&s->of[stream], data, len);
	return stream == s->stop_at ? s->code : 0;
}

static void streams_done(struct streams *s)
{
	for (int i = 0; i < 4; i++)
		corral_buf_done(&s->of[i]);
}

static const char frames[] = "\1\0\0\0\0\0\0\5hello"
                             "\2\0\0\0\0\0\0\1e"
                             "\1\0\0\0\0\0\0\0"
                             "\0\0\0\0\0\0\0\6 world"
                             "\3\0\0\0\0\0\0\2no"
                             "\2\0\0\0\0\0\0\3rr!";
#define N (sizeof(frames) - 1)

static void assert_all(const struct streams *s)
{
	assert_string_equal(s->of[1].data, "hello world");
	assert_string_equal(s->of[2].data, "err!");
	assert_string_equal(s->of[3].data, "no");
}

static void frames_are_taken_apart_wherever_they_are_cut(void **state)
{
	(void)state;
	for (size_t a = 0; a <= N; a++) {
		for (size_t b = a; b <= N; b++) {
			corral_auto(streams_done) struct streams s = { 0 };
			struct corral_docker_demux d;

			corral_docker_demux_init(&d, put, &s);
			assert_true(corral_docker_demux_is_whole(&d));
			assert_int_equal(corral_docker_demux_feed(&d, frames, a), 0);
			assert_int_equal(corral_docker_demux_feed(&d, frames + a, b - a), 0);
			assert_int_equal(corral_docker_demux_feed(&d, frames + b, N - b), 0);
			assert_true(corral_docker_demux_is_whole(&d));
			assert_all(&s);
		}
	}
}

static void single_bytes_are_enough(void **state)
{
	corral_auto(streams_done) struct streams s = { 0 };
	struct corral_docker_demux d;

	(void)state;
	corral_docker_demux_init(&d, put, &s);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(corral_docker_demux_feed(&d, frames + i, 1), 0);
	assert_all(&s);
}

static void stream_is_whole_between_frames_alone(void **state)
{
	static const size_t ends[] = { 0, 13, 22, 30, 44, 54, N };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i <= N; i++) {
		corral_auto(streams_done) struct streams s = { 0 };
		struct corral_docker_demux d;
		int is_end = n < CORRAL_COUNT(ends) && ends[n] == i;

		n += is_end;
		corral_docker_demux_init(&d, put, &s);
		assert_int_equal(corral_docker_demux_feed(&d, frames, i), 0);
		assert_int_equal(corral_docker_demux_is_whole(&d) != 0, is_end);
	}
	assert_int_equal(n, CORRAL_COUNT(ends));
}

static void head_that_is_none_is_eproto(void **state)
{
	static const char heads[][9] = {
		"\4\0\0\0\0\0\0\1", "\1\1\0\0\0\0\0\1", "\1\0\1\0\0\0\0\1",
		"\1\0\0\1\0\0\0\1", "HTTP/1.1",
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(heads); i++) {
		corral_auto(streams_done) struct streams s = { 0 };
		struct corral_docker_demux d;

		corral_docker_demux_init(&d, put, &s);
		assert_int_equal(corral_docker_demux_feed(&d, heads[i], 7), 0);
		assert_int_equal(corral_docker_demux_feed(&d, heads[i] + 7, 1), -EPROTO);
	}
}

static void length_is_all_of_its_32_bits(void **state)
{
	corral_auto(streams_done) struct streams s = { 0 };
	struct corral_docker_demux d;

	(void)state;
	corral_docker_demux_init(&d, put, &s);
	assert_int_equal(corral_docker_demux_feed(&d, "\1\0\0\0\xfe\xdc\xba\x98", 8), 0);
	assert_int_equal(d.left, 0xfedcba98u);
}

static void whoever_is_told_may_end_it(void **state)
{
	corral_auto(streams_done) struct streams s = { .stop_at = 2, .code = -ENOSPC };
	struct corral_docker_demux d;

	(void)state;
	corral_docker_demux_init(&d, put, &s);
	assert_int_equal(corral_docker_demux_feed(&d, frames, N), -ENOSPC);
	assert_string_equal(s.of[1].data, "hello");
	assert_string_equal(s.of[2].data, "e");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_taken_apart_wherever_they_are_cut),
		cmocka_unit_test(single_bytes_are_enough),
		cmocka_unit_test(stream_is_whole_between_frames_alone),
		cmocka_unit_test(head_that_is_none_is_eproto),
		cmocka_unit_test(length_is_all_of_its_32_bits),
		cmocka_unit_test(whoever_is_told_may_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
