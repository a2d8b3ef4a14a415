/* What tests of a live kernel share. Include after <cmocka.h>. */
#ifndef CORRAL_TESTS_SUPPORT_H
#define CORRAL_TESTS_SUPPORT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __clang_analyzer__
/* What fail_msg() calls: cmocka does not declare that it never returns. */
void _fail(const char *const file, const int line) __attribute__((analyzer_noreturn));
#endif

/*
 * Says what was missing and skips the test: `if (!can) { corral_test_skip("..."); return; }`. With
 * CORRAL_TESTS_MUST_RUN=1 in the environment it fails instead, so that a machine that should test
 * everything cannot quietly test nothing.
 */
static inline void corral_test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * True where whoever runs the tests says that this is not to be had on purpose, as one of the words
 * of CORRAL_TESTS_WITHOUT: tests that need it are then skipped even where everything must run.
 */
static inline int corral_test_without(const char *what)
{
	const char *at = getenv("CORRAL_TESTS_WITHOUT");
	size_t len = strlen(what);

	for (; at && *at; at += strcspn(at, " "), at += strspn(at, " "))
		if (strncmp(at, what, len) == 0 && (at[len] == ' ' || !at[len]))
			return 1;
	return 0;
}

/* CORRAL_TESTS_SLOW=1 says that the machine is emulated: what takes how long means nothing there.
 */
static inline int corral_test_slow(void)
{
	const char *slow = getenv("CORRAL_TESTS_SLOW");

	return slow && strcmp(slow, "1") == 0;
}

/* How often to repeat: n times, or a tenth of that on a slow machine. */
static inline int corral_test_times(int n)
{
	return corral_test_slow() ? (n + 9) / 10 : n;
}

/* How long something may take at most: on a slow machine ten times as long. */
static inline unsigned int corral_test_most_ms(unsigned int ms)
{
	return corral_test_slow() ? 10 * ms : ms;
}

static inline void corral_test_skip(const char *fmt, ...)
{
	const char *must = getenv("CORRAL_TESTS_MUST_RUN");
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (must && strcmp(must, "1") == 0)
		fail_msg("must run, but is missing: %s", text);
	print_message("skipped: %s\n", text);
	skip();
}

/* True, and skips the test, for an ordinary user, whose it is not on purpose. */
static inline bool corral_test_needs_root(const char *what)
{
	if (geteuid() == 0)
		return false;
	print_message("not for an ordinary user: %s\n", what);
	skip();
	return true;
}

#endif
