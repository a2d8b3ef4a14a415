/* kernel/base/parse.h: numbers as people write them; all of the string or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "kernel/base/parse.h"

#define UNTOUCHED 0xabcdefull

static void bytes_are(const char *text, uint64_t expected)
{
	uint64_t value = UNTOUCHED;

	if (corral_parse_bytes(text, &value, NULL) != 0)
		fail_msg("'%s' was refused", text);
	if (value != expected)
		fail_msg("'%s' gave %llu", text, (unsigned long long)value);
}

static void sizes_are_powers_of_1024(void **state)
{
	(void)state;
	bytes_are("0", 0);
	bytes_are("512", 512);
	bytes_are("512b", 512);
	bytes_are("64K", 65536);
	bytes_are("64kb", 65536);
	bytes_are("2GiB", 2ull << 30);
	bytes_are("10MB", 10ull << 20);
	bytes_are("1Ti", 1ull << 40);
	bytes_are("1.5G", (1ull << 30) + (1ull << 29));
	bytes_are("0.5K", 512);
	bytes_are("18446744073709551615", UINT64_MAX);
}

/* Every parser, since what they share is what must not slip in anywhere. */
static void garbage_is_refused_by_every_parser(void **state)
{
	static const char *const cases[] = { "",    " 1", "1 ",  "-1",  "+1",   "0x10",  "1e3",
		                             "1.",  ".5", "1,5", "K",   "1QB",  "1 M",   "\t1",
		                             "1\n", "١",  "NaN", "inf", "1..5", "1.5.5", "--" };
	uint64_t value = UNTOUCHED;
	uint32_t uid = 7, gid = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (corral_parse_u64(cases[i], UINT64_MAX, &value, NULL) != -EINVAL ||
		    corral_parse_bytes(cases[i], &value, NULL) != -EINVAL ||
		    corral_parse_duration(cases[i], &value, NULL) != -EINVAL ||
		    corral_parse_millis(cases[i], &value, NULL) != -EINVAL ||
		    corral_parse_ids(cases[i], &uid, &gid, NULL) != -EINVAL)
			fail_msg("'%s' was accepted", cases[i]);
	}
	assert_true(value == UNTOUCHED && uid == 7 && gid == 7);
}

static void overflow_is_refused_and_not_wrapped(void **state)
{
	static const char *const cases[] = { "18446744073709551616", "16777216T", "99999999999G",
		                             "18446744073709551615K" };
	struct corral_error err = { 0 };
	uint64_t value = UNTOUCHED;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(corral_parse_bytes(cases[i], &value, NULL), -ERANGE);
	assert_int_equal(corral_parse_duration("18446744073709551615d", &value, NULL), -ERANGE);
	assert_int_equal(corral_parse_u64("18446744073709551616", UINT64_MAX, &value, &err),
	                 -ERANGE);
	assert_string_equal(err.text, "'18446744073709551616' is too large");
	assert_int_equal(value, UNTOUCHED);
}

static void whole_number_has_a_maximum(void **state)
{
	struct corral_error err = { 0 };
	uint64_t value = UNTOUCHED;

	(void)state;
	assert_int_equal(corral_parse_u64("10", 10, &value, &err), 0);
	assert_int_equal(value, 10);
	assert_int_equal(corral_parse_u64("11", 10, &value, &err), -ERANGE);
	assert_string_equal(err.text, "'11' is too large: at most 10");
	assert_int_equal(corral_parse_u64("007", 10, &value, &err), 0);
	assert_int_equal(value, 7);
}

static void times_are_seconds_unless_they_say_otherwise(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} cases[] = {
		{ "10", 10000 },   { "10s", 10000 },   { "500ms", 500 }, { "2m", 120000 },
		{ "1h", 3600000 }, { "1d", 86400000 }, { "0.5", 500 },   { "1.25s", 1250 },
		{ "0", 0 },        { "0.5m", 30000 },  { "0.0009", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ms = UNTOUCHED;

		assert_int_equal(corral_parse_duration(cases[i].text, &ms, NULL), 0);
		if (ms != cases[i].ms)
			fail_msg("'%s' gave %llu", cases[i].text, (unsigned long long)ms);
	}
}

static void cores_have_three_decimals_and_a_maximum(void **state)
{
	struct corral_error err = { 0 };
	uint64_t millis = UNTOUCHED;

	(void)state;
	assert_int_equal(corral_parse_millis("1.5", &millis, NULL), 0);
	assert_int_equal(millis, 1500);
	assert_int_equal(corral_parse_millis("0.0015", &millis, NULL), 0);
	assert_int_equal(millis, 1);
	assert_int_equal(corral_parse_millis("1000000", &millis, NULL), 0);
	assert_int_equal(corral_parse_millis("1000000.001", &millis, &err), -ERANGE);
	assert_string_equal(err.text, "'1000000.001' is too large");
	assert_int_equal(corral_parse_millis("2K", &millis, NULL), -EINVAL);
}

static void ids_are_one_number_or_two(void **state)
{
	uint32_t uid = 7, gid = 7;

	(void)state;
	assert_int_equal(corral_parse_ids("1000", &uid, &gid, NULL), 0);
	assert_true(uid == 1000 && gid == 1000);
	assert_int_equal(corral_parse_ids("0:5", &uid, &gid, NULL), 0);
	assert_true(uid == 0 && gid == 5);
	assert_int_equal(corral_parse_ids("4294967294:4294967294", &uid, &gid, NULL), 0);
	assert_true(uid == 4294967294u && gid == 4294967294u);
}

/* -1 means "no change" to the kernel, and a name read as 0 would be root: crun's CVE-2026-30892. */
static void ids_that_would_mean_something_else_are_refused(void **state)
{
	static const char *const cases[] = { "root",       "4294967295",
		                             "4294967296", "0:4294967295",
		                             "1:",         ":1",
		                             "1:2:3",      "1000x",
		                             "1 0",        "00000000000000000000000000001" };
	struct corral_error err = { 0 };
	uint32_t uid = 7, gid = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (corral_parse_ids(cases[i], &uid, &gid, &err) >= 0)
			fail_msg("'%s' was accepted", cases[i]);
	assert_true(uid == 7 && gid == 7);
	assert_int_equal(corral_parse_ids("root", &uid, &gid, &err), -EINVAL);
	assert_string_equal(err.text, "'root' is not UID or UID:GID in numbers");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(garbage_is_refused_by_every_parser),
		cmocka_unit_test(overflow_is_refused_and_not_wrapped),
		cmocka_unit_test(whole_number_has_a_maximum),
		cmocka_unit_test(times_are_seconds_unless_they_say_otherwise),
		cmocka_unit_test(cores_have_three_decimals_and_a_maximum),
		cmocka_unit_test(ids_are_one_number_or_two),
		cmocka_unit_test(ids_that_would_mean_something_else_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
