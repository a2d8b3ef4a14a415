/* What tests of a live kernel share. Include after <cmocka.h>. */
#ifndef CORRAL_TESTS_SUPPORT_H
#define CORRAL_TESTS_SUPPORT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Says what was missing and skips the test: `if (!can) { corral_test_skip("..."); return; }`. With
 * CORRAL_TESTS_MUST_RUN=1 in the environment it fails instead, so that a machine that should test
 * everything cannot quietly test nothing.
 */
static inline void corral_test_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

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

#endif
