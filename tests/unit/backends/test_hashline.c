/* backends/hashline.h: lines with hashes, and edits that go stale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/hashline.h"
#include "kernel/base/cleanup.h"

static void hashes_are_those_of_the_format(void **state)
{
	static const struct {
		const char *line, *hash;
	} rows[] = {
		{ "", "d4" },
		{ "hello", "5d" },
		{ "}", "cb" },
		{ "\xc3\xa9", "66" },
	};
	char hash[CORRAL_HASHLINE_HASH_SIZE], other[CORRAL_HASHLINE_HASH_SIZE];

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		assert_int_equal(corral_hashline_hash(rows[i].line, strlen(rows[i].line), hash,
		                                      NULL),
		                 0);
		assert_string_equal(hash, rows[i].hash);
	}
	assert_int_equal(corral_hashline_hash("a\xff", 2, hash, NULL), 0);
	assert_int_equal(corral_hashline_hash("a\xef\xbf\xbd", 4, other, NULL), 0);
	assert_string_equal(hash, other);
	assert_int_equal(corral_hashline_hash("hello\r", 6, hash, NULL), 0);
	assert_string_not_equal(hash, "5d");
}

static void renders(const char *content, uint64_t offset, uint64_t limit, const char *text)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;

	assert_int_equal(corral_hashline_render(content, strlen(content), offset, limit, &b, NULL),
	                 0);
	assert_string_equal(b.data, text);
}

static void lines_are_numbered_and_hashed(void **state)
{
	(void)state;
	renders("", 0, 0, "1:d4|");
	renders("\n", 0, 0, "1:d4|");
	renders("hello", 0, 0, "1:5d|hello");
	renders("hello\n", 0, 0, "1:5d|hello");
	renders("hello\n\n}", 0, 0, "1:5d|hello\n2:d4|\n3:cb|}");
	renders("hello\n\n}\n\n", 0, 0, "1:5d|hello\n2:d4|\n3:cb|}\n4:d4|");
	renders("hello\n\n}\n", 1, 1, "2:d4|\n\n... (1 more lines)");
	renders("hello\n\n}\n", 0, 1, "1:5d|hello\n\n... (2 more lines)");
	renders("hello\n\n}\n", 2, UINT64_MAX, "3:cb|}");
	renders("\xff}", 0, 0, "1:76|\xef\xbf\xbd}");
}

static void offset_past_the_end_is_erange(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_hashline_render("a\nb\nc\n", 6, 3, 0, &b, &err), -ERANGE);
	assert_string_equal(err.text, "Offset 3 exceeds file length (3 lines)");
	assert_int_equal(corral_hashline_render("", 0, 1, 0, &b, &err), -ERANGE);
	assert_string_equal(err.text, "Offset 1 exceeds file length (1 lines)");
	assert_int_equal(b.len, 0);
}

static void default_limit_is_2000_lines(void **state)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, out = CORRAL_BUF_INIT;

	(void)state;
	for (int i = 0; i < 2003; i++)
		corral_buf_str(&b, "x\n");
	assert_int_equal(corral_hashline_render(b.data, b.len, 0, 0, &out, NULL), 0);
	assert_string_equal(out.data + out.len - strlen("\n\n... (3 more lines)"),
	                    "\n\n... (3 more lines)");
}

/* "hello\nworld\n}\n" and its hashes. */
#define CONTENT "hello\nworld\n}\n"
#define HELLO   "5d"
#define WORLD   "7d"
#define BRACE   "cb"

static void edits(const char *content, const struct corral_hashline_edit *edit, const char *text,
                  const char *summary)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, s = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };

	if (corral_hashline_apply(content, strlen(content), edit, &b, &s, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(b.data, text);
	assert_string_equal(s.data, summary);
}

static void edits_replace_insert_and_delete(void **state)
{
	static const struct {
		const char *content;
		struct corral_hashline_edit edit;
		const char *text, *summary;
	} rows[] = {
		{ CONTENT,
		  { 2, WORLD, false, 0, NULL, false, "W", 1 },
		  "hello\nW\n}\n",
		  "Replaced 1 line(s) at line 2" },
		{ CONTENT,
		  { 1, HELLO, true, 2, WORLD, false, "a\nb", 3 },
		  "a\nb\n}\n",
		  "Replaced 2 line(s) at line 1" },
		{ CONTENT,
		  { 1, HELLO, true, 3, NULL, false, "a", 1 },
		  "a\n",
		  "Replaced 3 line(s) with 1 line(s) at line 1" },
		{ CONTENT,
		  { 3, BRACE, false, 0, NULL, false, "a\nb\n", 4 },
		  "hello\nworld\na\nb\n\n",
		  "Replaced 1 line(s) with 3 line(s) at line 3" },
		{ CONTENT,
		  { 3, BRACE, false, 0, NULL, true, "x", 1 },
		  "hello\nworld\n}\nx\n",
		  "Inserted 1 line(s) after line 3" },
		{ CONTENT,
		  { 1, HELLO, false, 0, NULL, true, "x\ny", 3 },
		  "hello\nx\ny\nworld\n}\n",
		  "Inserted 2 line(s) after line 1" },
		{ CONTENT,
		  { 1, HELLO, false, 0, NULL, true, "", 0 },
		  CONTENT,
		  "Inserted 0 line(s) after line 1" },
		{ CONTENT,
		  { 1, HELLO, false, 0, NULL, false, "", 0 },
		  "world\n}\n",
		  "Deleted 1 line(s) at line 1" },
		{ CONTENT,
		  { 2, WORLD, true, 3, BRACE, false, "", 0 },
		  "hello\n",
		  "Deleted 2 line(s) at line 2" },
		{ CONTENT,
		  { 1, HELLO, true, 3, BRACE, false, "", 0 },
		  "\n",
		  "Deleted 3 line(s) at line 1" },
		{ CONTENT,
		  { 1, HELLO, true, 1, HELLO, false, "x", 1 },
		  "x\nworld\n}\n",
		  "Replaced 1 line(s) at line 1" },
		{ "hello\n}",
		  { 2, BRACE, false, 0, NULL, false, "x", 1 },
		  "hello\nx",
		  "Replaced 1 line(s) at line 2" },
		{ "hello\n}",
		  { 2, BRACE, false, 0, NULL, true, "x", 1 },
		  "hello\n}\nx",
		  "Inserted 1 line(s) after line 2" },
		{ "hello",
		  { 1, HELLO, false, 0, NULL, false, "", 0 },
		  "",
		  "Deleted 1 line(s) at line 1" },
		{ "",
		  { 1, "d4", false, 0, NULL, false, "x", 1 },
		  "x",
		  "Replaced 1 line(s) at line 1" },
		{ "\n",
		  { 1, "d4", false, 0, NULL, true, "x", 1 },
		  "\nx\n",
		  "Inserted 1 line(s) after line 1" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		edits(rows[i].content, &rows[i].edit, rows[i].text, rows[i].summary);
}

static void bytes_of_other_lines_are_kept(void **state)
{
	static const struct corral_hashline_edit edit = { 2, HELLO, false, 0, NULL, false, "x", 1 };

	(void)state;
	edits("\xff\xfe\r\nhello\n\x80", &edit, "\xff\xfe\r\nx\n\x80",
	      "Replaced 1 line(s) at line 2");
}

static void first_refusal_wins_and_nothing_is_appended(void **state)
{
	static const struct {
		struct corral_hashline_edit edit;
		int r;
		const char *text;
	} rows[] = {
		{ { 0, "zz", false, 0, NULL, false, "x", 1 },
		  -ERANGE,
		  "Line 0 out of range (file has 3 lines)" },
		{ { -7, "zz", false, 0, NULL, false, "x", 1 },
		  -ERANGE,
		  "Line -7 out of range (file has 3 lines)" },
		{ { 4, "zz", false, 0, "zz", true, "x", 1 },
		  -ERANGE,
		  "Line 4 out of range (file has 3 lines)" },
		{ { 1, "zz", true, 0, NULL, true, "x", 1 },
		  -EINVAL,
		  "end_line/end_hash cannot be combined with insert_after" },
		{ { 1, "zz", false, 0, "zz", true, "x", 1 },
		  -EINVAL,
		  "end_line/end_hash cannot be combined with insert_after" },
		{ { 1, "zz", true, 0, NULL, false, "x", 1 },
		  -ESTALE,
		  "Hash mismatch at line 1: expected 'zz', got '5d'. File may have changed "
		  "\xe2\x80\x94 re-read it first." },
		{ { 1, "5D", false, 0, NULL, false, "x", 1 },
		  -ESTALE,
		  "Hash mismatch at line 1: expected '5D', got '5d'. File may have changed "
		  "\xe2\x80\x94 re-read it first." },
		{ { 2, WORLD, true, 1, "zz", false, "x", 1 },
		  -EINVAL,
		  "end_line (1) must be >= start_line (2)" },
		{ { 2, WORLD, true, 4, "zz", false, "x", 1 },
		  -ERANGE,
		  "End line 4 out of range (file has 3 lines)" },
		{ { 2, WORLD, true, 3, "zz", false, "x", 1 },
		  -ESTALE,
		  "Hash mismatch at line 3: expected 'zz', got 'cb'. File may have changed "
		  "\xe2\x80\x94 re-read it first." },
		{ { 2, WORLD, false, 0, "zz", false, "x", 1 },
		  -ESTALE,
		  "Hash mismatch at line 2: expected 'zz', got '7d'. File may have changed "
		  "\xe2\x80\x94 re-read it first." },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, s = CORRAL_BUF_INIT;
		struct corral_error err = { 0 };

		assert_int_equal(corral_hashline_apply(CONTENT, strlen(CONTENT), &rows[i].edit, &b,
		                                       &s, &err),
		                 rows[i].r);
		assert_string_equal(err.text, rows[i].text);
		assert_int_equal(b.len + s.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_those_of_the_format),
		cmocka_unit_test(lines_are_numbered_and_hashed),
		cmocka_unit_test(offset_past_the_end_is_erange),
		cmocka_unit_test(default_limit_is_2000_lines),
		cmocka_unit_test(edits_replace_insert_and_delete),
		cmocka_unit_test(bytes_of_other_lines_are_kept),
		cmocka_unit_test(first_refusal_wins_and_nothing_is_appended),
	};

	return cmocka_run_group_tests_name("hashline", tests, NULL, NULL);
}
