/* policy/permission_match.h: the dialect of patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission.h"
#include "policy/permission_match.h"

static bool match(const char *pattern, const char *text, unsigned int flags)
{
	struct permission_pattern *p = NULL;
	bool matches;

	assert_int_equal(permission_pattern_compile(pattern, flags, &p), 0);
	matches = permission_pattern_match(p, text);
	permission_pattern_free(p);
	return matches;
}

struct row {
	const char *pattern, *text;
	bool matches;
};

static void check(const struct row *rows, size_t n, unsigned int flags)
{
	for (size_t i = 0; i < n; i++) {
		if (match(rows[i].pattern, rows[i].text, flags) != rows[i].matches)
			fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
	}
}

static void patterns_match_whole_paths(void **state)
{
	static const struct row rows[] = {
		{ "/a/b", "/a/b", true },   { "/a/b", "/a/bc", false }, { "a/b", "/a/b", false },
		{ "", "", true },           { "", "x", false },         { "*", "", true },
		{ "*", "abc", true },       { "*", "a/c", false },      { "*", "a\nc", true },
		{ "a*c*e", "abcde", true }, { "a*c*e", "abcd", false }, { "?", "\xc3\xa9", true },
		{ "?", "\xff", true },      { "?", "/", false },        { "?", "ab", false },
		{ "a\\*", "a\\bc", true },  { "{a,b}", "{a,b}", true }, { "{a,b}", "a", false },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows), 0);
}

static void two_stars_cross_directories(void **state)
{
	static const struct row rows[] = {
		{ "**", "", true },
		{ "**", "/a/b/c", true },
		{ "**/.env", ".env", true },
		{ "**/.env", "/.env", true },
		{ "**/.env", "/a/b/.env", true },
		{ "**/.env", "a.env", false },
		{ "**/.env", "/a/.env/b", false },
		{ "**/.ssh/**", "/home/u/.ssh/id", true },
		{ "**/.ssh/**", "/home/u/.ssh/", true },
		{ "**/.ssh/**", "/home/u/.ssh", false },
		{ "**/*.key", "/a/b.key", true },
		{ "**/*.key", "/a\nb/c.key", true },
		{ "/etc/**", "/etc", false },
		{ "/etc/**", "/etc/x/y", true },
		{ "a/**/b", "a/b", true },
		{ "a/**/b", "a/x/y/b", true },
		{ "a/**/b", "a/xb", false },
		{ "**/a/**/b", "x/a/a/y/b", true },
		{ "***", "a/b", true },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows), 0);
}

static void a4_classes_mean_what_they_say(void **state)
{
	static const struct row rows[] = {
		{ "[abc]", "b", true },   { "[abc]", "d", false },
		{ "[!a]", "a", false },   { "[!a]", "b", true },
		{ "[^a]", "a", false },   { "[^a]", "b", true },
		{ "[a-c]x", "bx", true }, { "[a-c]x", "dx", false },
		{ "[!a-c]", "d", true },  { "[]a]", "]", true },
		{ "[]a]", "a", true },    { "[!]a]", "]", false },
		{ "[!]a]", "b", true },   { "[a-]", "-", true },
		{ "[-a]", "-", true },    { "[a", "[a", true },
		{ "[a", "a", false },     { "[]", "[]", true },
		{ "[!", "[!", true },     { "[!a]", "/", false },
		{ "[/]", "/", true },     { "[\xc3\xa9]", "\xc3\xa9", true },
		{ "[a!]", "!", true },    { "[!!]", "!", false },
		{ "[!!]", "a", true },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows), 0);
}

static void a4_class_that_makes_no_sense_is_refused(void **state)
{
	struct permission_pattern *p = NULL;

	(void)state;
	assert_int_equal(permission_pattern_compile("x[z-a]", 0, &p), -EINVAL);
	assert_null(p);
}

static void newline_at_the_end_is_tolerated(void **state)
{
	static const struct row rows[] = {
		{ "/a", "/a\n", true },
		{ "/a", "/a\n\n", false },
		{ "/a", "/a\nb", false },
		{ "/a\n", "/a\n", true },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows), 0);
}

static void slash_is_nothing_special_in_commands(void **state)
{
	static const struct row rows[] = {
		{ "python *", "python src/x.py", true },
		{ "git diff*", "git diff a/b", true },
		{ "rm ?", "rm /", true },
		{ "rm [!a]", "rm /", true },
		{ "**/x", "rm /x", true },
	};

	(void)state;
	check(rows, CORRAL_COUNT(rows), PERMISSION_PATTERN_COMMAND);
}

static void end_of_a_text_whose_start_is_unknown(void **state)
{
	static const struct row rows[] = {
		{ "mkfs*", " /dev/sda", true }, { "rm -rf /", " /", true },
		{ "rm -rf /", " -rf /", true }, { "rm -rf /", " x", false },
		{ "git status", "", true },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct permission_pattern *p = NULL;

		assert_int_equal(permission_pattern_compile(rows[i].pattern,
		                                            PERMISSION_PATTERN_COMMAND, &p),
		                 0);
		assert_int_equal(permission_pattern_match_end(p, rows[i].text), rows[i].matches);
		permission_pattern_free(p);
	}
}

static void only_stars_match_everything(void **state)
{
	static const struct {
		const char *pattern;
		unsigned int flags;
		bool any;
	} rows[] = {
		{ "**", 0, true },   { "*", 0, false }, { "*", PERMISSION_PATTERN_COMMAND, true },
		{ "***", 0, false }, { "", 0, false },  { "a*", PERMISSION_PATTERN_COMMAND, false },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct permission_pattern *p = NULL;

		assert_int_equal(permission_pattern_compile(rows[i].pattern, rows[i].flags, &p), 0);
		assert_int_equal(permission_pattern_any(p), rows[i].any);
		permission_pattern_free(p);
	}
}

static void stars_take_no_exponential_time(void **state)
{
	char pattern[801] = { 0 }, *text = malloc(20001);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < 800; i += 4)
		memcpy(pattern + i, "a**/", 4);
	memset(text, 'a', 20000);
	text[20000] = '\0';
	assert_false(match(pattern, text, 0));
	free(text);
}

static void pattern_has_a_maximum(void **state)
{
	char pattern[CORRAL_PERMISSION_PATTERN_MAX + 2] = { 0 };
	struct permission_pattern *p = NULL;

	(void)state;
	memset(pattern, 'x', CORRAL_PERMISSION_PATTERN_MAX + 1);
	assert_int_equal(permission_pattern_compile(pattern, 0, &p), -E2BIG);
	pattern[CORRAL_PERMISSION_PATTERN_MAX] = '\0';
	assert_true(match(pattern, pattern, 0));
	memset(pattern, '?', CORRAL_PERMISSION_PATTERN_MAX);
	assert_true(match(pattern, pattern, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_whole_paths),
		cmocka_unit_test(two_stars_cross_directories),
		cmocka_unit_test(a4_classes_mean_what_they_say),
		cmocka_unit_test(a4_class_that_makes_no_sense_is_refused),
		cmocka_unit_test(newline_at_the_end_is_tolerated),
		cmocka_unit_test(slash_is_nothing_special_in_commands),
		cmocka_unit_test(end_of_a_text_whose_start_is_unknown),
		cmocka_unit_test(only_stars_match_everything),
		cmocka_unit_test(stars_take_no_exponential_time),
		cmocka_unit_test(pattern_has_a_maximum),
	};

	return cmocka_run_group_tests_name("permission_match", tests, NULL, NULL);
}
