/* kernel/files/read.c: numbered text and plain bytes, of every kind of file. */
#include "tests/unit/files/files_support.h"

static char *numbered(struct tree *t, const char *path, uint64_t offset, uint64_t limit)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	memset(&t->err, 0, sizeof(t->err));
	if (corral_files_read(t->open, path, offset, limit, NULL, &b, &t->err) < 0)
		return strdup(t->err.text);
	assert_int_equal(strlen(b.data), b.len);
	return corral_buf_take(&b);
}

static void assert_numbered(struct tree *t, const char *path, uint64_t offset, uint64_t limit,
                            const char *expected)
{
	char *text = numbered(t, path, offset, limit);

	assert_string_equal(text, expected);
	free(text);
}

static void lines_are_numbered_and_joined_without_a_last_newline(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "one\ntwo\n");
	assert_numbered(t, "a", 0, 2000, "     1\tone\n     2\ttwo");
	tree_text(t, "a", "one\n\ntwo");
	assert_numbered(t, "a", 0, 2000, "     1\tone\n     2\t\n     3\ttwo");
}

static void slices_keep_their_numbers_and_tell_what_is_left(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "1\n2\n3\n4\n5\n");
	assert_numbered(t, "a", 1, 2, "     2\t2\n     3\t3\n\n... (2 more lines)");
	assert_numbered(t, "a", 3, 2, "     4\t4\n     5\t5");
	assert_numbered(t, "a", 4, UINT64_MAX, "     5\t5");
	assert_numbered(t, "a", 0, 0, "\n\n... (5 more lines)");
}

static void past_the_end_tells_the_length(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "1\n2\n");
	assert_numbered(t, "a", 2, 10, "Offset 2 exceeds file length (2 lines)");
	assert_int_equal(t->err.code, ERANGE);
	assert_numbered(t, "a", UINT64_MAX, UINT64_MAX,
	                "Offset 18446744073709551615 exceeds file length (2 lines)");
}

static void empty_file_is_one_empty_line(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "");
	assert_numbered(t, "a", 0, 2000, "     1\t");
	assert_numbered(t, "a", 1, 2000, "Offset 1 exceeds file length (1 lines)");
}

static void carriage_return_at_a_lines_end_is_not_shown(void **state)
{
	struct tree *t = *state;
	char *big = malloc(CORRAL_FILES_CHUNK + 10), *text;

	tree_text(t, "a", "one\r\ntw\ro\r\r\nthree\r");
	assert_numbered(t, "a", 0, 2000, "     1\tone\n     2\ttw\ro\r\n     3\tthree\r");
	/* On the edge of two reads. */
	memset(big, 'x', CORRAL_FILES_CHUNK + 10);
	tree_put(big + CORRAL_FILES_CHUNK - 1, "\r\ny\r");
	tree_file(t, "a", big, CORRAL_FILES_CHUNK + 3);
	text = numbered(t, "a", 0, 2000);
	assert_int_equal(strlen(text), 7 + CORRAL_FILES_CHUNK - 1 + 1 + 7 + 2);
	assert_string_equal(text + 7 + CORRAL_FILES_CHUNK - 1, "\n     2\ty\r");
	free(text);
	free(big);
}

static void invalid_utf8_becomes_replacement_characters(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "caf\xe9 \xf0\x9f\x98\x80 \xed\xa0\x80 \xe2\x82");
	assert_numbered(
	        t, "a", 0, 2000,
	        "     1\tcaf\xef\xbf\xbd \xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
	        "\xef\xbf\xbd");
}

static void binary_file_is_told_so(void **state)
{
	struct tree *t = *state;

	tree_file(t, "a", "PK\0\1", 4);
	assert_numbered(t, "a", 0, 2000, "'a' is binary; read it as bytes instead");
	assert_int_equal(t->err.code, EILSEQ);
}

static void missing_file_is_enoent(void **state)
{
	struct tree *t = *state;

	tree_text(t, "file", "x");
	assert_numbered(t, "no/such", 0, 2000, "File 'no/such' not found");
	assert_int_equal(t->err.code, ENOENT);
	assert_numbered(t, "file/below", 0, 2000, "File 'file/below' not found");
	assert_int_equal(t->err.code, ENOENT);
}

static void directory_is_eisdir(void **state)
{
	struct tree *t = *state;

	assert_numbered(t, ".", 0, 2000, "'.' is a directory");
	assert_int_equal(t->err.code, EISDIR);
}

static void fifo_and_device_are_refused_without_waiting(void **state)
{
	struct tree *t = *state;

	assert_int_equal(mkfifoat(t->fd, "fifo", 0644), 0);
	assert_numbered(t, "fifo", 0, 2000, "'fifo' is not a regular file");
	assert_int_equal(t->err.code, EINVAL);
	assert_numbered(t, "/dev/zero", 0, 2000, "'/dev/zero' is not a regular file");
}

static void proc_files_have_content(void **state)
{
	struct tree *t = *state;
	char *text = numbered(t, "/proc/self/status", 0, 1);

	assert_non_null(strstr(text, "     1\tName:"));
	assert_non_null(strstr(text, " more lines)"));
	free(text);
}

static void too_much_is_cut_unless_a_range_was_asked_for(void **state)
{
	struct tree *t = *state;
	size_t len = 300000;
	char *big = malloc(len), *text;

	memset(big, 'x', len);
	tree_file(t, "a", big, len);
	text = numbered(t, "a", 0, 2000);
	assert_int_equal(strncmp(text, "     1\txxx", 10), 0);
	assert_string_equal(
	        text + 200000,
	        "\n\n... (truncated at 200,000 chars — pass a smaller `limit`/`offset` or "
	        "use `grep` to read the rest)");
	free(text);
	text = numbered(t, "a", 0, 1);
	assert_string_equal(
	        text, "The requested range is too large to return (300,007 chars, limit 200,000). "
	              "Read a smaller slice with a lower `limit`, or use `grep` to locate the part "
	              "you need.");
	assert_int_equal(t->err.code, EFBIG);
	free(text);
	free(big);
}

static void one_line_of_ten_gigabytes_takes_no_memory(void **state)
{
	struct tree *t = *state;
	char head[CORRAL_FILES_SNIFF];
	struct corral_files_stop stop = { .deadline_nsec = corral_now_nsec() + 100000000u };
	struct corral_buf b = CORRAL_BUF_INIT;
	int r;

	memset(head, 'x', sizeof(head));
	tree_file(t, "a", head, sizeof(head));
	tree_grow(t, "a", 10ll << 30);
	/* One line without end: it is cut, or the time is up. */
	r = corral_files_read(t->open, "a", 0, 2000, &stop, &b, &t->err);
	assert_true(r == 0 || r == -ETIMEDOUT);
	assert_true(corral_now_nsec() < stop.deadline_nsec + 1000000000u);
	corral_buf_done(&b);
}

static void lines_far_behind_the_slice_are_not_all_counted(void **state)
{
	struct tree *t = *state;
	char head[CORRAL_FILES_SNIFF];

	for (size_t i = 0; i < sizeof(head); i++)
		head[i] = i % 2 ? '\n' : 'x';
	tree_file(t, "a", head, sizeof(head));
	tree_grow(t, "a", 10ll << 30);
	assert_numbered(t, "a", 0, 1, "     1\tx\n\n... (more than 4096 more lines)");
}

static void cancelled_read_stops(void **state)
{
	struct tree *t = *state;
	bool cancelled = true;
	struct corral_files_stop stop = { .cancelled = &cancelled };
	struct corral_buf b = CORRAL_BUF_INIT;

	tree_text(t, "a", "x");
	assert_int_equal(corral_files_read(t->open, "a", 0, 10, &stop, &b, &t->err), -ECANCELED);
	assert_string_equal(t->err.text, "cancelled");
}

static int bytes(struct tree *t, const char *path, uint64_t offset, uint64_t length, uint64_t max,
                 struct corral_buf *ret)
{
	struct corral_files_sink sink = { tree_buf_put, ret };

	ret->len = 0;
	return corral_files_read_bytes(t->open, path, offset, length, max, NULL, &sink, &t->err);
}

static void all_byte_values_come_back(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	unsigned char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	tree_file(t, "a", all, sizeof(all));
	assert_int_equal(bytes(t, "a", 0, UINT64_MAX, 0, &b), 0);
	assert_int_equal(b.len, 256);
	assert_memory_equal(b.data, all, 256);
	assert_int_equal(bytes(t, "a", 250, 3, 0, &b), 0);
	assert_memory_equal(b.data, all + 250, 3);
	assert_int_equal(b.len, 3);
	assert_int_equal(bytes(t, "a", 1000, 3, 0, &b), 0);
	assert_int_equal(b.len, 0);
	assert_int_equal(bytes(t, "a", UINT64_MAX, UINT64_MAX, 0, &b), 0);
	assert_int_equal(b.len, 0);
}

static void file_over_the_ceiling_is_refused_unread(void **state)
{
	struct tree *t = *state;
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	tree_text(t, "a", "12345");
	assert_int_equal(bytes(t, "a", 0, UINT64_MAX, 4, &b), -EFBIG);
	assert_string_equal(t->err.text, "File is 5 bytes, over the 4-byte read limit");
	assert_int_equal(b.len, 0);
	assert_int_equal(bytes(t, "a", 0, UINT64_MAX, 5, &b), 0);
	tree_grow(t, "a", 10ll << 30);
	assert_int_equal(bytes(t, "a", 0, UINT64_MAX, 1 << 20, &b), -EFBIG);
	assert_int_equal(bytes(t, "a", 9ll << 30, 10, 1 << 20, &b), 0);
	assert_int_equal(b.len, 10);
	assert_int_equal(bytes(t, "/proc/self/status", 0, UINT64_MAX, 10, &b), -EFBIG);
	assert_string_equal(t->err.text, "File exceeds the 10-byte read limit");
}

static void unreadable_file_is_eacces(void **state)
{
	struct tree *t = *state;

	tree_text(t, "a", "x");
	assert_int_equal(fchmodat(t->fd, "a", 0, 0), 0);
	assert_int_equal(fchmodat(t->fd, ".", 0711, 0), 0);
	be_nobody();
	assert_numbered(t, "a", 0, 10, "Permission denied for 'a'");
	assert_int_equal(t->err.code, EACCES);
	be_oneself();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		tree_test(lines_are_numbered_and_joined_without_a_last_newline),
		tree_test(slices_keep_their_numbers_and_tell_what_is_left),
		tree_test(past_the_end_tells_the_length),
		tree_test(empty_file_is_one_empty_line),
		tree_test(carriage_return_at_a_lines_end_is_not_shown),
		tree_test(invalid_utf8_becomes_replacement_characters),
		tree_test(binary_file_is_told_so),
		tree_test(missing_file_is_enoent),
		tree_test(directory_is_eisdir),
		tree_test(fifo_and_device_are_refused_without_waiting),
		tree_test(proc_files_have_content),
		tree_test(too_much_is_cut_unless_a_range_was_asked_for),
		tree_test(one_line_of_ten_gigabytes_takes_no_memory),
		tree_test(lines_far_behind_the_slice_are_not_all_counted),
		tree_test(cancelled_read_stops),
		tree_test(all_byte_values_come_back),
		tree_test(file_over_the_ceiling_is_refused_unread),
		tree_test(unreadable_file_is_eacces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
