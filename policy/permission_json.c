/* Rulesets as JSON. Errors name the place: "read.rules[0].action: ...". */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/json_words.h"
#include "policy/permission.h"

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static void ruleset_freep(struct corral_permission_ruleset **s)
{
	corral_permission_ruleset_free(*s);
}

static int action_parse(const json_t *v, enum corral_permission_action *ret,
                        struct corral_error *err)
{
	static const enum corral_permission_action all[] = { CORRAL_PERMISSION_ALLOW,
		                                             CORRAL_PERMISSION_ASK,
		                                             CORRAL_PERMISSION_DENY };
	const char *text = json_string_value(v);

	for (size_t i = 0; text && i < CORRAL_COUNT(all); i++) {
		if (!strcmp(text, corral_permission_action_name(all[i]))) {
			*ret = all[i];
			return 0;
		}
	}
	return corral_error_set(err, EINVAL, "allow, deny or ask is expected");
}

static int text_parse(const json_t *v, const char **ret, struct corral_error *err)
{
	if (!json_is_string(v))
		return corral_error_set(err, EINVAL, "text is expected");
	*ret = json_string_value(v);
	return 0;
}

static int rule_parse(struct corral_permission_ruleset *s,
                      enum corral_permission_operation operation, json_t *v,
                      struct corral_error *err)
{
	enum corral_permission_action action = CORRAL_PERMISSION_DENY;
	const char *pattern = NULL, *description = "", *key;
	bool has_action = false;
	json_t *value;
	int r = 0;

	if (!json_is_object(v))
		return corral_error_set(err, EINVAL, "an object is expected");
	json_object_foreach(v, key, value)
	{
		if (!strcmp(key, "pattern")) {
			r = text_parse(value, &pattern, err);
		} else if (!strcmp(key, "description")) {
			r = text_parse(value, &description, err);
		} else if (!strcmp(key, "action")) {
			r = action_parse(value, &action, err);
			has_action = true;
		} else {
			r = corral_error_set(err, EINVAL,
			                     "no such key: pattern, action, description");
		}
		if (r < 0)
			return corral_json_place(err, r, ".%.60s", key);
	}
	if (!pattern || !has_action)
		return corral_error_set(err, EINVAL, "no %s", pattern ? "action" : "pattern");
	return corral_permission_ruleset_add(s, operation, pattern, action, description, err);
}

static int rules_parse(struct corral_permission_ruleset *s,
                       enum corral_permission_operation operation, const json_t *v,
                       struct corral_error *err)
{
	size_t i;
	json_t *item;

	if (!json_is_array(v))
		return corral_error_set(err, EINVAL, "an array is expected");
	json_array_foreach(v, i, item)
	{
		int r = rule_parse(s, operation, item, err);

		if (r < 0)
			return corral_json_place(err, r, "[%zu]", i);
	}
	return 0;
}

static int operation_parse(struct corral_permission_ruleset *s,
                           enum corral_permission_operation operation, json_t *v,
                           struct corral_error *err)
{
	const char *key;
	json_t *value;

	if (json_is_null(v))
		return 0;
	if (!json_is_object(v))
		return corral_error_set(err, EINVAL, "an object or null is expected");
	corral_permission_ruleset_set(s, operation, CORRAL_PERMISSION_ALLOW);
	json_object_foreach(v, key, value)
	{
		int r;

		if (!strcmp(key, "default"))
			r = action_parse(value, &s->operations[operation].action, err);
		else if (!strcmp(key, "rules"))
			r = rules_parse(s, operation, value, err);
		else
			r = corral_error_set(err, EINVAL, "no such key: default, rules");
		if (r < 0)
			return corral_json_place(err, r, ".%.60s", key);
	}
	return 0;
}

static int ruleset_parse(struct corral_permission_ruleset *s, json_t *v, struct corral_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(v, key, value)
	{
		enum corral_permission_operation operation;
		int r;

		if (!strcmp(key, "default"))
			r = action_parse(value, &s->action, err);
		else if (corral_permission_operation_find(key, &operation) == 0)
			r = operation_parse(s, operation, value, err);
		else
			r = corral_error_set(err, EINVAL,
			                     "no such key: default, read, write, edit, "
			                     "execute, glob, grep, ls");
		if (r < 0)
			return corral_json_place(err, r, "%.60s", key);
	}
	return 0;
}

int corral_permission_ruleset_parse(const char *json, size_t len,
                                    struct corral_permission_ruleset **ret,
                                    struct corral_error *err)
{
	corral_auto(ruleset_freep) struct corral_permission_ruleset *s = NULL;
	corral_auto(json_freep) json_t *root = NULL;
	json_error_t e;
	int r;

	root = json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!root)
		return corral_error_set(err, EINVAL, "line %d, column %d: %s", e.line, e.column,
		                        e.text);
	if (json_is_string(root))
		return corral_permission_preset(json_string_value(root), ret, err);
	if (!json_is_object(root))
		return corral_error_set(err, EINVAL,
		                        "an object, or the name of a preset, is expected");
	s = corral_permission_ruleset_new();
	if (!s)
		return corral_error_sys(err, ENOMEM, "permissions");
	r = ruleset_parse(s, root, err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&s);
	return 0;
}

/* jansson's packer returns NULL for a part that is NULL, and frees the others. */
static json_t *operation_dump(const struct corral_permission_rules *o)
{
	corral_auto(json_freep) json_t *rules = json_array();

	if (!o->given)
		return json_null();
	for (size_t i = 0; rules && i < o->n; i++) {
		const struct corral_permission_rule *r = &o->rules[i];
		json_t *rule = json_pack("{s:s, s:s, s:s}", "pattern", r->pattern, "action",
		                         corral_permission_action_name(r->action), "description",
		                         r->description);

		if (json_array_append_new(rules, rule) < 0)
			return NULL;
	}
	return json_pack("{s:s, s:O}", "default", corral_permission_action_name(o->action), "rules",
	                 rules);
}

int corral_permission_ruleset_dump(const struct corral_permission_ruleset *s, char **ret,
                                   struct corral_error *err)
{
	corral_auto(json_freep) json_t *root =
	        json_pack("{s:s}", "default", corral_permission_action_name(s->action));
	char *text;

	for (unsigned int i = 0; root && i < CORRAL_PERMISSION_OPERATIONS; i++) {
		if (json_object_set_new(root, corral_permission_operation_name(i),
		                        operation_dump(&s->operations[i])) < 0)
			return corral_error_sys(err, ENOMEM, "permissions");
	}
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (!text)
		return corral_error_sys(err, ENOMEM, "permissions");
	*ret = text;
	return 0;
}
