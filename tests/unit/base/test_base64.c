/* kernel/base/base64.h: the vectors of RFC 4648, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "kernel/base/base64.h"
#include "kernel/base/cleanup.h"

static void both_ways(void **state)
{
	static const struct {
		const char *bytes, *text;
	} rows[] = { { "", "" },
		     { "f", "Zg==" },
		     { "fo", "Zm8=" },
		     { "foo", "Zm9v" },
		     { "foob", "Zm9vYg==" },
		     { "fooba", "Zm9vYmE=" },
		     { "foobar", "Zm9vYmFy" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct corral_buf text = CORRAL_BUF_INIT, bytes = CORRAL_BUF_INIT;

		corral_base64_encode(&text, rows[i].bytes, strlen(rows[i].bytes));
		assert_string_equal(text.data ? text.data : "", rows[i].text);
		assert_int_equal(corral_base64_decode(rows[i].text, strlen(rows[i].text), &bytes),
		                 0);
		assert_string_equal(bytes.data ? bytes.data : "", rows[i].bytes);
		corral_buf_done(&text);
		corral_buf_done(&bytes);
	}
}

static void what_is_none_is_refused(void **state)
{
	static const char *const rows[] = { "Z",    "Zg",   "Zg=",   "Zg===",
		                            "Z===", "====", "Zm9v!", "Zg==Zg==" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct corral_buf bytes = CORRAL_BUF_INIT;

		if (corral_base64_decode(rows[i], strlen(rows[i]), &bytes) != -EINVAL)
			fail_msg("'%s' was taken", rows[i]);
		corral_buf_done(&bytes);
	}
}

static void nothing_behind_the_length_is_looked_at(void **state)
{
	corral_autobuf struct corral_buf bytes = CORRAL_BUF_INIT;
	const char text[] = { 'Z', 'g', '=', '=', '\r', '\n', 'X' };

	(void)state;
	assert_int_equal(corral_base64_decode(text, 4, &bytes), 0);
	assert_int_equal(corral_base64_decode(text, 6, &bytes), 0);
	assert_string_equal(bytes.data, "ff");
	assert_int_equal(corral_base64_decode(text, 7, &bytes), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(nothing_behind_the_length_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
