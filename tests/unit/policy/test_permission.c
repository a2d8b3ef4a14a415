/* policy/permission.h: rules, presets and questions about paths, and their messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/permission.h"
#include "tests/unit/policy/permission_support.h"

#define ALLOW CORRAL_PERMISSION_ALLOW
#define ASK   CORRAL_PERMISSION_ASK
#define DENY  CORRAL_PERMISSION_DENY

static void ruleset_goes_to_json_and_back(void **state)
{
	static const char json[] =
	        "{\"default\":\"deny\",\"read\":{\"default\":\"allow\",\"rules\":[{\"pattern\":"
	        "\"**/.env\",\"action\":\"deny\",\"description\":\"no\"},{\"pattern\":\"\\u00e9\","
	        "\"action\":\"ask\",\"description\":\"\"}]},\"write\":{\"default\":\"ask\","
	        "\"rules\":[]},\"edit\":null,\"execute\":null,\"glob\":null,\"grep\":null,"
	        "\"ls\":null}";
	struct corral_permission_ruleset *s = NULL;
	corral_autofree char *text = NULL;

	(void)state;
	assert_int_equal(corral_permission_ruleset_parse(json, strlen(json), &s, NULL), 0);
	assert_int_equal(s->action, CORRAL_PERMISSION_DENY);
	assert_int_equal(s->operations[CORRAL_PERMISSION_READ].n, 2);
	assert_string_equal(s->operations[CORRAL_PERMISSION_READ].rules[1].pattern, "\xc3\xa9");
	assert_false(s->operations[CORRAL_PERMISSION_LS].given);
	assert_int_equal(corral_permission_ruleset_dump(s, &text, NULL), 0);
	assert_non_null(strstr(text,
	                       "{\"default\":\"deny\",\"read\":{\"default\":\"allow\",\"rules\":"
	                       "[{\"pattern\":\"**/.env\",\"action\":\"deny\","
	                       "\"description\":\"no\"}"));
	assert_non_null(strstr(text, "\"write\":{\"default\":\"ask\",\"rules\":[]},\"edit\":null"));
	corral_permission_ruleset_free(s);
}

static void absent_keys_have_their_defaults(void **state)
{
	struct corral_permission_ruleset *s = NULL;

	(void)state;
	assert_int_equal(corral_permission_ruleset_parse("{\"read\":{}}", 11, &s, NULL), 0);
	assert_int_equal(s->action, CORRAL_PERMISSION_ASK);
	assert_true(s->operations[CORRAL_PERMISSION_READ].given);
	assert_int_equal(s->operations[CORRAL_PERMISSION_READ].action, CORRAL_PERMISSION_ALLOW);
	corral_permission_ruleset_free(s);
}

static void json_mistakes_name_their_place(void **state)
{
	static const struct {
		const char *json, *text;
	} rows[] = {
		{ "[]", "an object, or the name of a preset, is expected" },
		{ "{", "line 1, column 1: " },
		{ "{\"reed\":{}}",
		  "reed: no such key: default, read, write, edit, execute, glob, grep, ls" },
		{ "{\"default\":\"maybe\"}", "default: allow, deny or ask is expected" },
		{ "{\"read\":1}", "read: an object or null is expected" },
		{ "{\"read\":{\"x\":1}}", "read.x: no such key: default, rules" },
		{ "{\"read\":{\"rules\":{}}}", "read.rules: an array is expected" },
		{ "{\"read\":{\"rules\":[1]}}", "read.rules[0]: an object is expected" },
		{ "{\"read\":{\"rules\":[{\"action\":\"deny\"}]}}", "read.rules[0]: no pattern" },
		{ "{\"read\":{\"rules\":[{\"pattern\":\"x\"}]}}", "read.rules[0]: no action" },
		{ "{\"read\":{\"rules\":[{\"pattern\":\"x\",\"action\":7}]}}",
		  "read.rules[0].action: allow, deny or ask is expected" },
		{ "{\"read\":{\"rules\":[{\"pattern\":1}]}}",
		  "read.rules[0].pattern: text is expected" },
		{ "{\"read\":{\"rules\":[{\"patern\":1}]}}",
		  "read.rules[0].patern: no such key: pattern, action, description" },
		{ "\"lax\"", "no preset 'lax': default, permissive, readonly or strict" },
		{ "{\"default\":\"ask\",\"default\":\"ask\"}", "line 1, column " },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_permission_ruleset *s = NULL;
		struct corral_error err = { 0 };

		assert_int_equal(corral_permission_ruleset_parse(rows[i].json, strlen(rows[i].json),
		                                                 &s, &err),
		                 -EINVAL);
		assert_null(s);
		assert_int_equal(err.code, EINVAL);
		if (strncmp(err.text, rows[i].text, strlen(rows[i].text)) != 0)
			fail_msg("'%s' does not begin with '%s'", err.text, rows[i].text);
	}
}

static void first_rule_that_matches_wins(void **state)
{
	struct corral_permission_checker *c =
	        checker("{\"default\":\"deny\",\"read\":{\"default\":\"ask\",\"rules\":["
	                "{\"pattern\":\"/a/ok\",\"action\":\"allow\"},"
	                "{\"pattern\":\"/a/*\",\"action\":\"deny\"},"
	                "{\"pattern\":\"/a/**\",\"action\":\"allow\"}]}}",
	                NULL);

	(void)state;
	decides(c, CORRAL_PERMISSION_READ, "/a/ok", CORRAL_PERMISSION_ALLOW);
	decides(c, CORRAL_PERMISSION_READ, "/a/x", CORRAL_PERMISSION_DENY);
	decides(c, CORRAL_PERMISSION_READ, "/a/x/y", CORRAL_PERMISSION_ALLOW);
	decides(c, CORRAL_PERMISSION_READ, "/b", CORRAL_PERMISSION_ASK);
	decides(c, CORRAL_PERMISSION_WRITE, "/a/ok", CORRAL_PERMISSION_DENY);
	corral_permission_checker_free(c);
}

static void presets_are_as_promised(void **state)
{
	static const struct {
		const char *name;
		enum corral_permission_action global, operations[7], etc_write;
		bool secrets_denied;
	} rows[] = {
		{ "default", ASK, { ALLOW, ASK, ASK, ASK, ALLOW, ALLOW, ALLOW }, ASK, true },
		{ "permissive",
		  ALLOW,
		  { ALLOW, ALLOW, ALLOW, ALLOW, ALLOW, ALLOW, ALLOW },
		  DENY,
		  true },
		{ "readonly", DENY, { ALLOW, DENY, DENY, DENY, ALLOW, ALLOW, ALLOW }, DENY, true },
		{ "strict", ASK, { ASK, ASK, ASK, ASK, ASK, ASK, ASK }, ASK, true },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		corral_autofree char *json = NULL;
		struct corral_permission_ruleset *s = NULL;
		struct corral_permission_checker *c;

		assert_string_equal(corral_permission_presets()[i], rows[i].name);
		assert_int_equal(corral_permission_preset(rows[i].name, &s, NULL), 0);
		assert_int_equal(s->action, rows[i].global);
		assert_int_equal(corral_permission_ruleset_dump(s, &json, NULL), 0);
		corral_permission_ruleset_free(s);
		c = checker(json, NULL);
		assert_int_equal(corral_permission_checker_inert(c), 0);
		for (unsigned int k = 0; k < 7; k++) {
			assert_int_equal(corral_permission_default(c, k), rows[i].operations[k]);
			if (k != CORRAL_PERMISSION_EXECUTE)
				decides(c, k, "/job/x", rows[i].operations[k]);
		}
		decides(c, CORRAL_PERMISSION_READ, "/job/.env", DENY);
		decides(c, CORRAL_PERMISSION_WRITE, "/job/.ssh/id", DENY);
		decides(c, CORRAL_PERMISSION_EDIT, "/job/my_password.txt", DENY);
		decides(c, CORRAL_PERMISSION_WRITE, "/etc/passwd", rows[i].etc_write);
		corral_permission_checker_free(c);
	}
	assert_null(corral_permission_presets()[CORRAL_COUNT(rows)]);
}

static void created_ruleset_allows_or_asks(void **state)
{
	struct corral_permission_choice choice = CORRAL_PERMISSION_CHOICE_DEFAULT;
	struct corral_permission_ruleset *s = NULL;
	struct corral_permission_checker *c = NULL;

	(void)state;
	choice.write = true;
	assert_int_equal(corral_permission_ruleset_create(&choice, &s, NULL), 0);
	assert_int_equal(s->action, CORRAL_PERMISSION_ASK);
	assert_int_equal(s->operations[CORRAL_PERMISSION_WRITE].n, 12);
	assert_int_equal(s->operations[CORRAL_PERMISSION_EXECUTE].n, 0);
	assert_int_equal(corral_permission_checker_new(s, NULL, &c, NULL), 0);
	corral_permission_ruleset_free(s);
	decides(c, CORRAL_PERMISSION_READ, "x", CORRAL_PERMISSION_ALLOW);
	decides(c, CORRAL_PERMISSION_WRITE, "x", CORRAL_PERMISSION_ALLOW);
	decides(c, CORRAL_PERMISSION_EDIT, "x", CORRAL_PERMISSION_ASK);
	decides(c, CORRAL_PERMISSION_EDIT, "a/.env", CORRAL_PERMISSION_DENY);
	decides(c, CORRAL_PERMISSION_EXECUTE, "ls", CORRAL_PERMISSION_ASK);
	corral_permission_checker_free(c);

	choice.deny_secrets = false;
	s = NULL;
	assert_int_equal(corral_permission_ruleset_create(&choice, &s, NULL), 0);
	assert_int_equal(s->operations[CORRAL_PERMISSION_WRITE].n, 0);
	corral_permission_ruleset_free(s);
}

/* Answers what ctx says, and notes what it was asked. */
struct answer {
	int yes;
	int asked;
	char target[100], reason[100];
};

static int ask(void *ctx, enum corral_permission_operation operation, const char *target,
               const char *reason)
{
	struct answer *a = ctx;

	(void)operation;
	a->asked++;
	(void)snprintf(a->target, sizeof(a->target), "%s", target);
	(void)snprintf(a->reason, sizeof(a->reason), "%s", reason ? reason : "(none)");
	return a->yes;
}

static void check_is(const struct corral_permission_checker *c, const char *target,
                     const char *reason, int r, const char *text)
{
	const struct corral_permission_target t = { target, NULL, NULL };
	struct corral_error err = { 0 };

	assert_int_equal(corral_permission_check(c, CORRAL_PERMISSION_READ, &t, reason, &err), r);
	assert_string_equal(err.text, text);
	assert_int_equal(err.code, -r);
}

#define ASK_AND_DENY                                                                       \
	"{\"read\":{\"default\":\"ask\",\"rules\":[{\"pattern\":\"/d\",\"action\":"        \
	"\"deny\",\"description\":\"Keep out\"},{\"pattern\":\"/e\",\"action\":\"deny\"}," \
	"{\"pattern\":\"/a\",\"action\":\"allow\"}]}}"

static void the_callback_is_asked(void **state)
{
	struct answer a = { .yes = 1 };
	struct corral_permission_asking asking = { ask, &a, CORRAL_PERMISSION_FALLBACK_ERROR };
	struct corral_permission_checker *c = checker(ASK_AND_DENY, &asking);

	(void)state;
	check_is(c, "/a", NULL, 0, "");
	check_is(c, "/d", NULL, -EACCES, "Permission denied for read on '/d': Keep out");
	check_is(c, "/e", NULL, -EACCES, "Permission denied for read on '/e'");
	assert_int_equal(a.asked, 0);
	check_is(c, "/x", "why not", 0, "");
	assert_int_equal(a.asked, 1);
	assert_string_equal(a.target, "/x");
	assert_string_equal(a.reason, "why not");
	a.yes = 0;
	check_is(c, "/x", NULL, -EACCES, "Permission denied for read on '/x'");
	a.yes = -EINTR;
	check_is(c, "/x", NULL, -EINTR, "ask for permission: Interrupted system call");
	corral_permission_checker_free(c);
}

static void nobody_to_ask_is_what_the_fallback_says(void **state)
{
	struct corral_permission_asking asking = { NULL, NULL, CORRAL_PERMISSION_FALLBACK_DENY };
	struct corral_permission_checker *c = checker(ASK_AND_DENY, NULL);

	(void)state;
	check_is(c, "/x", NULL, -EPERM, "Permission required for read on '/x'");
	check_is(c, "/x", "Approval required but no callback", -EPERM,
	         "Permission required for read on '/x': Approval required but no callback");
	corral_permission_checker_free(c);
	c = checker(ASK_AND_DENY, &asking);
	check_is(c, "/x", "any", -EACCES, "Permission denied for read on '/x'");
	corral_permission_checker_free(c);
}

static void enforce_is(const struct corral_permission_checker *c, const char *target, int r,
                       const char *text)
{
	const struct corral_permission_target t = { target, NULL, NULL };
	struct corral_error err = { 0 };

	assert_int_equal(corral_permission_enforce(c, CORRAL_PERMISSION_READ, &t, &err), r);
	assert_string_equal(err.text, text);
	assert_int_equal(err.code, -r);
	assert_int_equal(corral_permission_refused(&err), r != 0);
}

static void enforcement_has_the_texts_of_tools(void **state)
{
	struct answer a = { .yes = 1 };
	struct corral_permission_asking asking = { ask, &a, CORRAL_PERMISSION_FALLBACK_DENY };
	struct corral_permission_checker *c = checker(ASK_AND_DENY, &asking);

	(void)state;
	enforce_is(c, "/a", 0, "");
	enforce_is(c, "/d", -EACCES, "Permission denied: Keep out");
	enforce_is(c, "/e", -EACCES, "Permission denied for read on '/e'");
	enforce_is(c, "/x", -EACCES, "Permission denied for read on '/x' (approval required)");
	assert_int_equal(a.asked, 0);
	corral_permission_checker_free(c);
	c = checker(ASK_AND_DENY, NULL);
	enforce_is(c, "/x", -EPERM,
	           "Permission required for read on '/x': Approval required but no callback");
	corral_permission_checker_free(c);
}

static void long_targets_leave_room_for_the_reason(void **state)
{
	struct corral_permission_checker *c = checker(
	        "{\"read\":{\"rules\":[{\"pattern\":\"**\",\"action\":\"deny\",\"description\":"
	        "\"Keep out\"}]}}",
	        NULL);
	struct corral_error err = { 0 };
	char target[5000];
	const struct corral_permission_target t = { target, NULL, NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(target) - 2; i += 2)
		memcpy(target + i, "\xc3\xa9", 2);
	target[sizeof(target) - 2] = '\0';
	assert_int_equal(corral_permission_check(c, CORRAL_PERMISSION_READ, &t, NULL, &err),
	                 -EACCES);
	assert_non_null(strstr(err.text, "\xc3\xa9...': Keep out"));
	corral_permission_checker_free(c);
}

static void a1_denied_operations_are_hopeless(void **state)
{
	struct corral_permission_checker *c = checker("\"readonly\"", NULL);
	static const bool hopeless[] = { false, true, true, true, false, false, false };

	(void)state;
	for (unsigned int i = 0; i < 7; i++)
		assert_int_equal(corral_permission_hopeless(c, i), hopeless[i]);
	corral_permission_checker_free(c);
	c = checker("\"permissive\"", NULL);
	for (unsigned int i = 0; i < 7; i++)
		assert_false(corral_permission_hopeless(c, i));
	corral_permission_checker_free(c);
	c = checker("{\"read\":{\"default\":\"deny\",\"rules\":[{\"pattern\":\"/a/**\",\"action\":"
	            "\"allow\"}]}}",
	            NULL);
	/* There is something to be read. */
	assert_false(corral_permission_hopeless(c, CORRAL_PERMISSION_READ));
	assert_int_equal(corral_permission_default(c, CORRAL_PERMISSION_READ),
	                 CORRAL_PERMISSION_DENY);
	corral_permission_checker_free(c);
	c = checker("{\"read\":{\"default\":\"deny\",\"rules\":[{\"pattern\":\"/a/**\",\"action\":"
	            "\"deny\"}]}}",
	            NULL);
	assert_true(corral_permission_hopeless(c, CORRAL_PERMISSION_READ));
	corral_permission_checker_free(c);
	c = checker("{\"read\":{\"default\":\"allow\",\"rules\":[{\"pattern\":\"**\",\"action\":"
	            "\"deny\"},{\"pattern\":\"/a/**\",\"action\":\"allow\"}]}}",
	            NULL);
	assert_true(corral_permission_hopeless(c, CORRAL_PERMISSION_READ));
	corral_permission_checker_free(c);
}

static void a2_rules_hold_for_each_operation_and_kind_of_path(void **state)
{
	static const char *const paths[] = { "/job/.env", ".env", "src/.env", "./.env",
		                             "a//b/../.env" };

	(void)state;
	for (unsigned int i = 0; i < 7; i++) {
		struct corral_permission_ruleset *s = corral_permission_ruleset_new();
		struct corral_permission_checker *c = NULL;

		if (i == CORRAL_PERMISSION_EXECUTE) {
			corral_permission_ruleset_free(s);
			continue;
		}
		corral_permission_ruleset_set(s, i, CORRAL_PERMISSION_ALLOW);
		assert_int_equal(corral_permission_ruleset_add(s, i, "**/.env",
		                                               CORRAL_PERMISSION_DENY, NULL, NULL),
		                 0);
		assert_int_equal(corral_permission_checker_new(s, NULL, &c, NULL), 0);
		corral_permission_ruleset_free(s);
		for (size_t k = 0; k < CORRAL_COUNT(paths); k++)
			decides(c, i, paths[k], CORRAL_PERMISSION_DENY);
		decides(c, i, "/job/env", CORRAL_PERMISSION_ALLOW);
		corral_permission_checker_free(c);
	}
}

static void a3_contents_found_by_grep_obey_read(void **state)
{
	struct corral_permission_checker *c =
	        checker("{\"grep\":{\"rules\":[{\"pattern\":\"**/g\",\"action\":\"deny\"}]},"
	                "\"read\":{\"rules\":[{\"pattern\":\"**/r\",\"action\":\"deny\"},"
	                "{\"pattern\":\"**/q\",\"action\":\"ask\"}]}}",
	                NULL);

	(void)state;
	shows(c, CORRAL_PERMISSION_GREP, "/x", true);
	shows(c, CORRAL_PERMISSION_GREP, "/g", false);
	shows(c, CORRAL_PERMISSION_GREP, "/r", false);
	shows(c, CORRAL_PERMISSION_GREP, "/q", true);
	corral_permission_checker_free(c);
}

static void a4_inert_rules_match_nothing_and_are_counted(void **state)
{
	struct corral_permission_checker *c = checker(
	        "{\"read\":{\"default\":\"deny\",\"rules\":[{\"pattern\":\"[z-a]\",\"action\":"
	        "\"allow\"},{\"pattern\":\"/[!a]\",\"action\":\"allow\"}]}}",
	        NULL);

	(void)state;
	assert_int_equal(corral_permission_checker_inert(c), 1);
	decides(c, CORRAL_PERMISSION_READ, "[z-a]", CORRAL_PERMISSION_DENY);
	decides(c, CORRAL_PERMISSION_READ, "z", CORRAL_PERMISSION_DENY);
	decides(c, CORRAL_PERMISSION_READ, "/a", CORRAL_PERMISSION_DENY);
	decides(c, CORRAL_PERMISSION_READ, "/b", CORRAL_PERMISSION_ALLOW);
	corral_permission_checker_free(c);
}

static void a5_all_spellings_of_a_file_count(void **state)
{
	static const char deny[] =
	        "{\"read\":{\"rules\":[{\"pattern\":\"/job/private/**\",\"action\":\"deny\"},"
	        "{\"pattern\":\"hidden/*\",\"action\":\"deny\"}]}}";
	static const char allow[] =
	        "{\"read\":{\"default\":\"deny\",\"rules\":[{\"pattern\":\"/job/**\",\"action\":"
	        "\"allow\"}]}}";
	static const struct {
		const char *json;
		struct corral_permission_target target;
		enum corral_permission_action action;
	} rows[] = {
		{ deny, { "private/x", "/job/private/x", NULL }, CORRAL_PERMISSION_DENY },
		{ deny, { "/job/a/../private/x", NULL, NULL }, CORRAL_PERMISSION_DENY },
		{ deny, { "/job//private/./x", NULL, NULL }, CORRAL_PERMISSION_DENY },
		{ deny, { "link", "/job/link", "/job/private/x" }, CORRAL_PERMISSION_DENY },
		{ deny, { "hidden/x", "/job/hidden/x", "/job/hidden/x" }, CORRAL_PERMISSION_DENY },
		{ deny, { "open", "/job/open", "/job/open" }, CORRAL_PERMISSION_ALLOW },
		{ allow, { "x", "/job/x", "/job/x" }, CORRAL_PERMISSION_ALLOW },
		{ allow, { "x", "/job/x", NULL }, CORRAL_PERMISSION_ALLOW },
		{ allow, { "link", "/job/link", "/etc/passwd" }, CORRAL_PERMISSION_DENY },
		{ allow, { "link", "/job/link", "/job/y" }, CORRAL_PERMISSION_ALLOW },
		{ allow, { "x", NULL, "/job/x" }, CORRAL_PERMISSION_ALLOW },
		{ allow, { "x", NULL, "/etc/passwd" }, CORRAL_PERMISSION_DENY },
		{ allow, { "/a/link", "/a/link", "/job/y" }, CORRAL_PERMISSION_ALLOW },
		{ deny, { "hidden/x", NULL, "/job/open" }, CORRAL_PERMISSION_DENY },
		{ allow, { "/job/../etc/passwd", NULL, NULL }, CORRAL_PERMISSION_DENY },
		{ allow,
		  { "/job/../etc/passwd", "/etc/passwd", "/etc/passwd" },
		  CORRAL_PERMISSION_DENY },
		{ allow, { "/job/a/../b", NULL, NULL }, CORRAL_PERMISSION_ALLOW },
		{ allow, { "../job/x", NULL, NULL }, CORRAL_PERMISSION_DENY },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_permission_checker *c = checker(rows[i].json, NULL);
		struct corral_permission_decision d;

		assert_int_equal(corral_permission_decide(c, CORRAL_PERMISSION_READ,
		                                          &rows[i].target, &d, NULL),
		                 0);
		if (d.action != rows[i].action)
			fail_msg("row %zu: %s", i, corral_permission_action_name(d.action));
		corral_permission_checker_free(c);
	}
}

static void a6_read_rules_hide_no_names(void **state)
{
	struct corral_permission_checker *c = checker(
	        "{\"default\":\"allow\",\"read\":{\"default\":\"deny\"},\"ls\":{\"rules\":[{"
	        "\"pattern\":\"**/l\",\"action\":\"deny\"},{\"pattern\":\"**/"
	        "q\",\"action\":\"ask\"}"
	        "]}}",
	        NULL);

	(void)state;
	shows(c, CORRAL_PERMISSION_LS, "/r", true);
	shows(c, CORRAL_PERMISSION_GLOB, "/r", true);
	shows(c, CORRAL_PERMISSION_LS, "/l", false);
	shows(c, CORRAL_PERMISSION_GLOB, "/l", true);
	shows(c, CORRAL_PERMISSION_LS, "/q", true);
	corral_permission_checker_free(c);
}

static void a8_refusals_are_told_from_other_failures(void **state)
{
	struct corral_error err = { 0 };

	(void)state;
	assert_false(corral_permission_refused(&err));
	(void)corral_error_set(&err, ENOENT, "File 'x' not found");
	assert_false(corral_permission_refused(&err));
	(void)corral_error_set(&err, EACCES, "Permission denied: Keep out");
	assert_true(corral_permission_refused(&err));
	(void)corral_error_wrap(&err, -EACCES, "read");
	assert_true(corral_permission_refused(&err));
	(void)corral_error_set(&err, EPERM, "Permission required for read on 'x'");
	assert_true(corral_permission_refused(&err));
}

static void *decide_often(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		decides(arg, CORRAL_PERMISSION_READ, "/a/.env", CORRAL_PERMISSION_DENY);
		decides(arg, CORRAL_PERMISSION_EXECUTE, "sudo rm -rf /", CORRAL_PERMISSION_DENY);
	}
	return NULL;
}

static void threads_share_a_checker(void **state)
{
	struct corral_permission_checker *c = checker("\"default\"", NULL);
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, decide_often, c), 0);
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	corral_permission_checker_free(c);
}

static void rules_and_patterns_have_maxima(void **state)
{
	struct corral_permission_ruleset *s = corral_permission_ruleset_new();
	char pattern[CORRAL_PERMISSION_PATTERN_MAX + 2] = { 0 };
	struct corral_error err = { 0 };

	(void)state;
	memset(pattern, 'x', CORRAL_PERMISSION_PATTERN_MAX + 1);
	assert_int_equal(corral_permission_ruleset_add(s, CORRAL_PERMISSION_READ, pattern,
	                                               CORRAL_PERMISSION_DENY, NULL, &err),
	                 -E2BIG);
	assert_int_equal(corral_permission_ruleset_add(s, CORRAL_PERMISSION_READ, "\xff",
	                                               CORRAL_PERMISSION_DENY, NULL, &err),
	                 -EINVAL);
	for (size_t i = 0; i < CORRAL_PERMISSION_RULES_MAX; i++)
		assert_int_equal(corral_permission_ruleset_add(s, CORRAL_PERMISSION_READ, "x",
		                                               CORRAL_PERMISSION_DENY, NULL, NULL),
		                 0);
	assert_int_equal(corral_permission_ruleset_add(s, CORRAL_PERMISSION_READ, "x",
	                                               CORRAL_PERMISSION_DENY, NULL, &err),
	                 -E2BIG);
	corral_permission_ruleset_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ruleset_goes_to_json_and_back),
		cmocka_unit_test(absent_keys_have_their_defaults),
		cmocka_unit_test(json_mistakes_name_their_place),
		cmocka_unit_test(first_rule_that_matches_wins),
		cmocka_unit_test(presets_are_as_promised),
		cmocka_unit_test(created_ruleset_allows_or_asks),
		cmocka_unit_test(the_callback_is_asked),
		cmocka_unit_test(nobody_to_ask_is_what_the_fallback_says),
		cmocka_unit_test(enforcement_has_the_texts_of_tools),
		cmocka_unit_test(long_targets_leave_room_for_the_reason),
		cmocka_unit_test(a1_denied_operations_are_hopeless),
		cmocka_unit_test(a2_rules_hold_for_each_operation_and_kind_of_path),
		cmocka_unit_test(a3_contents_found_by_grep_obey_read),
		cmocka_unit_test(a4_inert_rules_match_nothing_and_are_counted),
		cmocka_unit_test(a5_all_spellings_of_a_file_count),
		cmocka_unit_test(a6_read_rules_hide_no_names),
		cmocka_unit_test(a8_refusals_are_told_from_other_failures),
		cmocka_unit_test(threads_share_a_checker),
		cmocka_unit_test(rules_and_patterns_have_maxima),
	};

	return cmocka_run_group_tests_name("permission", tests, NULL, NULL);
}
