/* kernel/base/buf.h: grows as needed, ends with a NUL that does not count, remembers failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

static void appended_parts_make_one_text(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	(void)state;
	corral_buf_str(&b, "one ");
	corral_buf_fmt(&b, "%d ", 2);
	corral_buf_add(&b, "three!", 5);
	assert_false(b.failed);
	assert_int_equal(b.len, 11);
	assert_string_equal(b.data, "one 2 three");
}

static void bytes_may_be_nul(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	(void)state;
	corral_buf_add(&b, "a\0b", 3);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
}

static void buffer_grows_beyond_its_first_size(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	(void)state;
	for (int i = 0; i < 10000; i++)
		corral_buf_fmt(&b, "%04d", i);
	assert_int_equal(b.len, 40000);
	assert_int_equal(b.data[40000], '\0');
	assert_memory_equal(b.data + b.len - 4, "9999", 4);
}

static void failure_sticks_and_take_gives_null(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	(void)state;
	corral_buf_str(&b, "x");
	corral_buf_add(&b, "y", SIZE_MAX / 2);
	assert_true(b.failed);
	corral_buf_str(&b, "z");
	assert_int_equal(b.len, 1);
	assert_null(corral_buf_take(&b));
	assert_null(b.data);
}

static void take_empties_the_buffer(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	char *text;

	(void)state;
	corral_buf_str(&b, "x");
	text = corral_buf_take(&b);
	assert_string_equal(text, "x");
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	free(text);
}

static void nothing_taken_is_the_empty_text(void **state)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	char *text = corral_buf_take(&b);

	(void)state;
	assert_string_equal(text, "");
	free(text);
}

static int pipe_with(size_t len)
{
	char block[1024];
	int fds[2];

	memset(block, 'p', sizeof(block));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(len <= 65536);
	while (len) {
		size_t part = len < sizeof(block) ? len : sizeof(block);

		assert_int_equal(write(fds[1], block, part), part);
		len -= part;
	}
	(void)close(fds[1]);
	return fds[0];
}

static void file_is_read_to_its_end(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_autofd int fd = pipe_with(50000);

	(void)state;
	assert_int_equal(corral_buf_read_fd(&b, fd, 50000), 0);
	assert_int_equal(b.len, 50000);
	assert_int_equal(b.data[b.len], '\0');
}

static void file_above_the_maximum_is_efbig(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_autofd int fd = pipe_with(50000);

	(void)state;
	assert_int_equal(corral_buf_read_fd(&b, fd, 49999), -EFBIG);
}

static void directory_is_eisdir(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	corral_autofd int fd = open("/", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(corral_buf_read_fd(&b, fd, 10), -EISDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appended_parts_make_one_text),
		cmocka_unit_test(bytes_may_be_nul),
		cmocka_unit_test(buffer_grows_beyond_its_first_size),
		cmocka_unit_test(failure_sticks_and_take_gives_null),
		cmocka_unit_test(take_empties_the_buffer),
		cmocka_unit_test(nothing_taken_is_the_empty_text),
		cmocka_unit_test(file_is_read_to_its_end),
		cmocka_unit_test(file_above_the_maximum_is_efbig),
		cmocka_unit_test(directory_is_eisdir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
