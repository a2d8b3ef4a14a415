/* What the tests of permissions share. Include after <cmocka.h>. */
#ifndef CORRAL_TESTS_UNIT_POLICY_PERMISSION_SUPPORT_H
#define CORRAL_TESTS_UNIT_POLICY_PERMISSION_SUPPORT_H

#include <stdio.h>
#include <string.h>

#include "policy/permission.h"

static inline struct corral_permission_checker *checker(
        const char *json, const struct corral_permission_asking *asking)
{
	struct corral_permission_ruleset *s = NULL;
	struct corral_permission_checker *c = NULL;
	struct corral_error err = { 0 };

	if (corral_permission_ruleset_parse(json, strlen(json), &s, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	assert_int_equal(corral_permission_checker_new(s, asking, &c, &err), 0);
	corral_permission_ruleset_free(s);
	return c;
}

static inline void decides(const struct corral_permission_checker *c,
                           enum corral_permission_operation operation, const char *target,
                           enum corral_permission_action action)
{
	const struct corral_permission_target t = { target, NULL, NULL };
	struct corral_permission_decision d;

	assert_int_equal(corral_permission_decide(c, operation, &t, &d, NULL), 0);
	if (d.action != action)
		fail_msg("%s on '%s': %s", corral_permission_operation_name(operation), target,
		         corral_permission_action_name(d.action));
}

static inline void shows(const struct corral_permission_checker *c,
                         enum corral_permission_operation operation, const char *target,
                         bool visible)
{
	const struct corral_permission_target t = { target, NULL, NULL };

	if (corral_permission_visible(c, operation, &t) != visible)
		fail_msg("%s on '%s'", corral_permission_operation_name(operation), target);
}

#endif
