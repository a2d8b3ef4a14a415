/*
 * Rules as JSON, then a target behind a newline and a NUL: whatever they are, a ruleset that comes
 * back the same from its own JSON, and decisions that keep their promises.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission.h"
#include "policy/permission_match.h"
#include "tests/fuzz/fuzz.h"

/* Matching by trying every way: what the compiled pattern has to agree with. */
static bool slow(const char *p, const char *t, unsigned int *budget)
{
	if (!*budget)
		return false;
	--*budget;
	if (!*p)
		return !*t || !strcmp(t, "\n");
	if (p[0] == '*' && p[1] == '*' && p[2] == '/') {
		if (slow(p + 3, t, budget))
			return true;
		for (const char *at = t; (at = strchr(at, '/')); at++)
			if (slow(p + 3, at + 1, budget))
				return true;
		return false;
	}
	if (p[0] == '*') {
		size_t stars = p[1] == '*' ? 2 : 1;

		for (;; t++) {
			if (slow(p + stars, t, budget))
				return true;
			if (!*t || (stars == 1 && *t == '/'))
				return false;
		}
	}
	if (!*t)
		return false;
	if (*p == '?')
		return *t != '/' && slow(p + 1, t + 1, budget);
	return *p == *t && slow(p + 1, t + 1, budget);
}

static void check_pattern(const char *pattern, const char *text)
{
	struct permission_pattern *p = NULL;
	unsigned int budget = 2000;
	bool expected;

	if (permission_pattern_compile(pattern, 0, &p) < 0)
		return;
	for (const char *c = pattern; *c; c++)
		if ((unsigned char)*c >= 0x80 || *c == '[')
			goto done;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c >= 0x80)
			goto done;
	expected = slow(pattern, text, &budget);
	if (budget)
		assert(permission_pattern_match(p, text) == expected);
	if (permission_pattern_match(p, text))
		assert(permission_pattern_match_end(p, text));
	if (permission_pattern_any(p))
		assert(permission_pattern_match(p, text));
done:
	permission_pattern_free(p);
}

static void check_again(const struct corral_permission_ruleset *s)
{
	struct corral_permission_ruleset *again = NULL;
	char *first = NULL, *second = NULL;

	assert(corral_permission_ruleset_dump(s, &first, NULL) == 0);
	assert(corral_permission_ruleset_parse(first, strlen(first), &again, NULL) == 0);
	assert(corral_permission_ruleset_dump(again, &second, NULL) == 0);
	assert(!strcmp(first, second));
	free(first);
	free(second);
	corral_permission_ruleset_free(again);
}

static void check_target(const struct corral_permission_ruleset *s, const char *target)
{
	const struct corral_permission_target t = { target, NULL, NULL };
	const struct corral_permission_place place = { "/srv", "/home/me", NULL, NULL };
	struct corral_permission_checker *c = NULL;

	assert(corral_permission_checker_new(s, NULL, &c, NULL) == 0);
	for (unsigned int i = 0; i < CORRAL_PERMISSION_OPERATIONS; i++) {
		struct corral_permission_decision d;
		struct corral_error err = { 0 };
		int r;

		assert(corral_permission_decide(c, i, &t, &d, NULL) == 0);
		assert(d.description);
		r = corral_permission_check(c, i, &t, NULL, &err);
		assert((r == 0) == (d.action == CORRAL_PERMISSION_ALLOW));
		assert(r == 0 || corral_permission_refused(&err));
		r = corral_permission_enforce(c, i, &t, &err);
		assert((r == 0) == (d.action == CORRAL_PERMISSION_ALLOW));
		if (d.action == CORRAL_PERMISSION_DENY)
			assert(!corral_permission_visible(c, i, &t));
		for (size_t k = 0; k < s->operations[i].n && k < 8; k++)
			check_pattern(s->operations[i].rules[k].pattern, target);
	}
	(void)corral_permission_inspect_command(c, target, &place, NULL);
	corral_permission_checker_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	struct corral_permission_ruleset *s = NULL;
	struct corral_error err = { 0 };
	corral_autofree char *target = NULL;
	int r;

	if (size > 4096)
		return 0;
	r = corral_permission_ruleset_parse((const char *)data, len, &s, &err);
	assert((r == 0) == (err.code == 0) && (r < 0) == !s);
	if (r < 0)
		return 0;
	target = strndup(end ? (const char *)end + 1 : "", end ? size - len - 1 : 0);
	if (target) {
		check_again(s);
		check_target(s, target);
	}
	corral_permission_ruleset_free(s);
	return 0;
}
