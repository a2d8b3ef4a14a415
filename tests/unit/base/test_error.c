/* kernel/base/error.h: the code steers, the text is for people, and the cause is never cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "kernel/base/error.h"

static void fault_of_ours_is_code_and_text(void **state)
{
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_error_set(&err, EINVAL, "memory.max below %s", "4M"), -EINVAL);
	assert_int_equal(err.code, EINVAL);
	assert_string_equal(err.text, "memory.max below 4M");
}

static void fault_of_the_system_says_so_in_its_words(void **state)
{
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_error_sys(&err, ENOENT, "open '%s'", "x"), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.text, "open 'x': No such file or directory");
	assert_int_equal(corral_error_sys(&err, 99999, "open"), -99999);
	assert_string_equal(err.text, "open: unknown error");
}

static void callers_put_their_part_in_front(void **state)
{
	struct corral_error err = { 0 };
	int r;

	(void)state;
	r = corral_error_sys(&err, ENODEV, "mount");
	r = corral_error_wrap(&err, r, "step %d", 2);
	r = corral_error_wrap(&err, r, "start");
	assert_int_equal(r, -ENODEV);
	assert_int_equal(err.code, ENODEV);
	assert_string_equal(err.text, "start: step 2: mount: No such device");
}

static void nobody_has_to_listen(void **state)
{
	(void)state;
	assert_int_equal(corral_error_set(NULL, EINVAL, "x"), -EINVAL);
	assert_int_equal(corral_error_sys(NULL, EPERM, "x"), -EPERM);
	assert_int_equal(corral_error_wrap(NULL, -EIO, "x"), -EIO);
}

static void wrapping_an_error_without_a_code_gives_it_one(void **state)
{
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_error_wrap(&err, -EIO, "x"), -EIO);
	assert_int_equal(err.code, EIO);
}

static void reason_survives_a_text_that_does_not_fit(void **state)
{
	static const char tail[] = ": Permission denied";
	struct corral_error err = { 0 };
	char name[2000];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(corral_error_sys(&err, EACCES, "open '%s'", name), -EACCES);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_string_equal(err.text + strlen(err.text) - strlen(tail), tail);
}

static void context_is_cut_and_never_the_cause(void **state)
{
	struct corral_error err = { 0 };
	char context[2000], cause[400];

	(void)state;
	memset(context, 'c', sizeof(context) - 1);
	context[sizeof(context) - 1] = '\0';
	memset(cause, 'x', sizeof(cause) - 1);
	cause[sizeof(cause) - 1] = '\0';
	assert_int_equal(corral_error_set(&err, EIO, "%s", cause), -EIO);
	assert_int_equal(corral_error_wrap(&err, -EIO, "%s", context), -EIO);
	assert_true(strlen(err.text) < sizeof(err.text));
	assert_string_equal(err.text + strlen(err.text) - strlen(cause), cause);
	assert_int_equal(err.text[0], 'c');
}

/* Wrapped until full, and then some: nothing is written outside, and the cause still stands. */
static void full_text_takes_no_more_context(void **state)
{
	struct corral_error err = { 0 };

	(void)state;
	(void)corral_error_set(&err, EIO, "the cause");
	for (int i = 0; i < 200; i++)
		(void)corral_error_wrap(&err, -EIO, "context %d", i);
	assert_true(strlen(err.text) < sizeof(err.text));
	assert_non_null(strstr(err.text, "context 0: the cause"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fault_of_ours_is_code_and_text),
		cmocka_unit_test(fault_of_the_system_says_so_in_its_words),
		cmocka_unit_test(callers_put_their_part_in_front),
		cmocka_unit_test(nobody_has_to_listen),
		cmocka_unit_test(wrapping_an_error_without_a_code_gives_it_one),
		cmocka_unit_test(reason_survives_a_text_that_does_not_fit),
		cmocka_unit_test(context_is_cut_and_never_the_cause),
		cmocka_unit_test(full_text_takes_no_more_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
