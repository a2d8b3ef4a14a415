/* backends/guard_permission.h: permission rules where every backend asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/guard_permission.h"
#include "kernel/base/cleanup.h"

#define RULES                                                                                      \
	"{\"default\":\"ask\",\"read\":{\"default\":\"deny\",\"rules\":[{\"pattern\":\"**/.env\"," \
	"\"action\":\"deny\",\"description\":\"Secret\"},{\"pattern\":\"/srv/**\",\"action\":"     \
	"\"allow\"}]},\"ls\":{\"default\":\"allow\"},\"glob\":{\"default\":\"allow\"},\"grep\":{"  \
	"\"default\":\"allow\"},\"execute\":{\"default\":\"allow\",\"rules\":[{\"pattern\":"       \
	"\"rm *\",\"action\":\"deny\",\"description\":\"No rm\"}]}}"

static int yes(void *ctx, enum corral_permission_operation operation, const char *target,
               const char *reason)
{
	(void)operation;
	(void)target;
	(void)reason;
	++*(int *)ctx;
	return 1;
}

static struct corral_permission_checker *checker(const struct corral_permission_asking *asking)
{
	struct corral_permission_ruleset *s = NULL;
	struct corral_permission_checker *c = NULL;

	assert_int_equal(corral_permission_ruleset_parse(RULES, strlen(RULES), &s, NULL), 0);
	assert_int_equal(corral_permission_checker_new(s, asking, &c, NULL), 0);
	corral_permission_ruleset_free(s);
	return c;
}

static void is(struct corral_permission_guard *g, enum corral_backend_op op, const char *written,
               const char *resolved, int r, const char *text)
{
	struct corral_backend_guard guard = corral_permission_guard(g);
	struct corral_error err = { 0 };

	assert_int_equal(guard.check(guard.ctx, op, written, resolved, &err), r);
	assert_string_equal(err.text, text);
}

static void a2_rules_hold_on_every_backend(void **state)
{
	struct corral_permission_checker *c = checker(NULL);
	struct corral_permission_guard g = { .checker = c, .place = { .work_dir = "/srv" } };

	(void)state;
	is(&g, CORRAL_BACKEND_OP_READ, "x", "/srv/x", 0, "");
	is(&g, CORRAL_BACKEND_OP_READ, ".env", "/srv/.env", -EACCES, "Permission denied: Secret");
	is(&g, CORRAL_BACKEND_OP_READ, "link", "/srv/.env", -EACCES, "Permission denied: Secret");
	is(&g, CORRAL_BACKEND_OP_READ, "link", "/etc/passwd", -EACCES,
	   "Permission denied for read on 'link'");
	is(&g, CORRAL_BACKEND_OP_WRITE, "x", "/srv/x", -EPERM,
	   "Permission required for write on 'x': Approval required but no callback");
	is(&g, CORRAL_BACKEND_OP_EDIT, "x", "/srv/x", -EPERM,
	   "Permission required for edit on 'x': Approval required but no callback");
	is(&g, CORRAL_BACKEND_OP_EXECUTE, "ls; rm x", NULL, -EACCES, "Permission denied: No rm");
	is(&g, CORRAL_BACKEND_OP_EXECUTE, "cat .env", NULL, -EACCES,
	   "Permission denied: command references '.env', which is denied for read");
	is(&g, CORRAL_BACKEND_OP_EXECUTE, "cat x", NULL, 0, "");
	g.place.work_dir = NULL;
	is(&g, CORRAL_BACKEND_OP_READ, "x", "/srv/x", 0, "");
	is(&g, CORRAL_BACKEND_OP_EXECUTE, "cat .env", NULL, 0, "");
	corral_permission_checker_free(c);
}

static void what_a_search_came_upon_is_hidden_and_not_asked_about(void **state)
{
	int asked = 0;
	const struct corral_permission_asking asking = { yes, &asked, 0 };
	struct corral_permission_checker *c = checker(&asking);
	struct corral_permission_guard g = { .checker = c, .ask = true };

	(void)state;
	is(&g, CORRAL_BACKEND_OP_LS, NULL, "/srv/.env", 0, "");
	is(&g, CORRAL_BACKEND_OP_GREP, NULL, "/srv/x", 0, "");
	is(&g, CORRAL_BACKEND_OP_GREP, NULL, "/srv/.env", -EACCES, "Permission denied");
	is(&g, CORRAL_BACKEND_OP_WRITE, NULL, "/srv/x", 0, "");
	assert_int_equal(asked, 0);
	is(&g, CORRAL_BACKEND_OP_WRITE, "x", "/srv/x", 0, "");
	assert_int_equal(asked, 1);
	is(&g, CORRAL_BACKEND_OP_READ, ".env", "/srv/.env", -EACCES,
	   "Permission denied for read on '.env': Secret");
	corral_permission_checker_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a2_rules_hold_on_every_backend),
		cmocka_unit_test(what_a_search_came_upon_is_hidden_and_not_asked_about),
	};

	return cmocka_run_group_tests_name("guard_permission", tests, NULL, NULL);
}
