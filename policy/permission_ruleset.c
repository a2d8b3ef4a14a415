/* Rulesets in memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "policy/permission.h"

static const char *const operations[] = {
	[CORRAL_PERMISSION_READ] = "read", [CORRAL_PERMISSION_WRITE] = "write",
	[CORRAL_PERMISSION_EDIT] = "edit", [CORRAL_PERMISSION_EXECUTE] = "execute",
	[CORRAL_PERMISSION_GLOB] = "glob", [CORRAL_PERMISSION_GREP] = "grep",
	[CORRAL_PERMISSION_LS] = "ls",
};
_Static_assert(CORRAL_COUNT(operations) == CORRAL_PERMISSION_OPERATIONS, "one name each");

const char *corral_permission_operation_name(enum corral_permission_operation operation)
{
	return operations[operation];
}

int corral_permission_operation_find(const char *name, enum corral_permission_operation *ret)
{
	for (unsigned int i = 0; i < CORRAL_COUNT(operations); i++) {
		if (!strcmp(name, operations[i])) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *corral_permission_action_name(enum corral_permission_action action)
{
	switch (action) {
	case CORRAL_PERMISSION_ALLOW:
		return "allow";
	case CORRAL_PERMISSION_ASK:
		return "ask";
	case CORRAL_PERMISSION_DENY:
		return "deny";
	}
	return "deny";
}

struct corral_permission_ruleset *corral_permission_ruleset_new(void)
{
	struct corral_permission_ruleset *s = calloc(1, sizeof(*s));

	if (s)
		s->action = CORRAL_PERMISSION_ASK;
	return s;
}

void corral_permission_ruleset_free(struct corral_permission_ruleset *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < CORRAL_COUNT(s->operations); i++) {
		for (size_t k = 0; k < s->operations[i].n; k++) {
			free(s->operations[i].rules[k].pattern);
			free(s->operations[i].rules[k].description);
		}
		free(s->operations[i].rules);
	}
	free(s);
}

void corral_permission_ruleset_set(struct corral_permission_ruleset *s,
                                   enum corral_permission_operation operation,
                                   enum corral_permission_action action)
{
	s->operations[operation].given = true;
	s->operations[operation].action = action;
}

int corral_permission_ruleset_add(struct corral_permission_ruleset *s,
                                  enum corral_permission_operation operation, const char *pattern,
                                  enum corral_permission_action action, const char *description,
                                  struct corral_error *err)
{
	struct corral_permission_rules *o = &s->operations[operation];
	corral_autofree char *pattern_copy = NULL, *description_copy = NULL;
	struct corral_permission_rule *rules;

	if (o->n >= CORRAL_PERMISSION_RULES_MAX)
		return corral_error_set(err, E2BIG, "more than %u rules",
		                        CORRAL_PERMISSION_RULES_MAX);
	if (strlen(pattern) > CORRAL_PERMISSION_PATTERN_MAX)
		return corral_error_set(err, E2BIG, "a pattern of %zu bytes: at most %u",
		                        strlen(pattern), CORRAL_PERMISSION_PATTERN_MAX);
	if (!description)
		description = "";
	if (!corral_utf8_valid(pattern, strlen(pattern)) ||
	    !corral_utf8_valid(description, strlen(description)))
		return corral_error_set(err, EINVAL, "a text that is no UTF-8");
	pattern_copy = strdup(pattern);
	description_copy = strdup(description);
	rules = pattern_copy && description_copy ? reallocarray(o->rules, o->n + 1, sizeof(*rules))
	                                         : NULL;
	if (!rules)
		return corral_error_sys(err, ENOMEM, "permissions");
	o->rules = rules;
	if (!o->given)
		corral_permission_ruleset_set(s, operation, s->action);
	rules[o->n++] = (struct corral_permission_rule) {
		.pattern = corral_take_ptr(&pattern_copy),
		.action = action,
		.description = corral_take_ptr(&description_copy),
	};
	return 0;
}
