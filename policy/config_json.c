/*
 * The JSON of --config. Every key is a row in a table; every value goes through the same function
 * as its flag. Errors name the place: "mounts[2].source: ...".
 */
#include "policy/config_json.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/json_words.h"
#include "policy/permission.h"

static int bool_get(const json_t *v, bool *ret, struct corral_error *err)
{
	if (!json_is_boolean(v))
		return corral_json_wrong_kind(v, "true or false", err);
	*ret = json_is_true(v);
	return 0;
}

/*
 * A number as it would stand on the command line, so that both are read by the same parser. JSON
 * allows numbers that no option takes; those come out as text which the parser refuses by name.
 */
static int scalar_text(const json_t *v, char *buf, size_t size, const char **ret,
                       struct corral_error *err)
{
	if (json_is_string(v)) {
		*ret = json_string_value(v);
		return 0;
	}
	if (!json_is_number(v))
		return corral_json_wrong_kind(v, "a number or text", err);
	if (json_is_integer(v))
		(void)snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else
		(void)snprintf(buf, size, "%.6f", json_real_value(v));
	*ret = buf;
	return 0;
}

/* Calls each on every element of an array of text. */
static int strings_each(const json_t *v,
                        int (*each)(struct corral_config *c, const char *text,
                                    struct corral_error *err),
                        struct corral_config *c, struct corral_error *err)
{
	size_t i;
	json_t *item;
	int r;

	if (!json_is_array(v))
		return corral_json_wrong_kind(v, "an array of text", err);
	json_array_foreach(v, i, item)
	{
		r = json_is_string(item) ? each(c, json_string_value(item), err)
		                         : corral_json_wrong_kind(item, "text", err);
		if (r < 0)
			return corral_json_place(err, r, "[%zu]", i);
	}
	return 0;
}

static int cap_add(struct corral_config *c, const char *name, struct corral_error *err)
{
	return corral_config_add_cap(c, true, name, err);
}

static int cap_drop(struct corral_config *c, const char *name, struct corral_error *err)
{
	return corral_config_add_cap(c, false, name, err);
}

static int cap_add_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	return strings_each(v, cap_add, c, err);
}

static int cap_drop_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	return strings_each(v, cap_drop, c, err);
}

static int network_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	if (!json_is_string(v))
		return corral_json_wrong_kind(v, "text", err);
	return corral_config_set_network(c, json_string_value(v), err);
}

static int allow_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	int r;

	corral_config_clear_allow(c);
	r = strings_each(v, corral_config_add_allow, c, err);
	/* An empty list as well: then nothing is reachable. */
	if (r < 0)
		return r;
	c->allow_said = true;
	if (!c->network_said)
		c->network = CORRAL_NETWORK_ALLOW;
	return 0;
}

static int publish_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	return strings_each(v, corral_config_add_publish, c, err);
}

static int ids_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	if (!json_is_string(v))
		return corral_json_wrong_kind(v, "text", err);
	return corral_config_set_ids(c, json_string_value(v), err);
}

static int user_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	char buf[400];
	const char *text = "";
	int r;

	/* As text it would be a name. */
	if (!json_is_string(v) && !json_is_integer(v))
		return corral_json_wrong_kind(v, "a name or a whole number", err);
	r = scalar_text(v, buf, sizeof(buf), &text, err);
	return r < 0 ? r : corral_config_set_user(c, text, err);
}

static int env_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	const char *name;
	json_t *value;

	if (!json_is_object(v))
		return corral_json_wrong_kind(v, "an object of names and texts", err);
	json_object_foreach(v, name, value)
	{
		corral_autofree char *assignment = NULL;
		int r;

		if (!json_is_string(value)) {
			r = corral_json_wrong_kind(value, "text", err);
			return corral_json_place(err, r, ".%s", name);
		}
		/* "A=B" as a name would set A: the assignment below could not tell. */
		if (!*name || strchr(name, '='))
			return corral_error_set(
			        err, EINVAL, ".%s: a variable's name has no '=' and is not empty",
			        name);
		if (asprintf(&assignment, "%s=%s", name, json_string_value(value)) < 0) {
			assignment = NULL;
			return corral_error_sys(err, ENOMEM, ".%s", name);
		}
		r = corral_config_add_env(c, assignment, err);
		if (r < 0)
			return corral_json_place(err, r, ".%s", name);
	}
	return 0;
}

static int argv_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	corral_autofree char **argv = NULL;
	size_t i, n = json_array_size(v);
	json_t *item;

	if (!json_is_array(v))
		return corral_json_wrong_kind(v, "an array of text", err);
	argv = calloc(n + 1, sizeof(*argv));
	if (!argv)
		return corral_error_sys(err, ENOMEM, "command");
	json_array_foreach(v, i, item)
	{
		if (!json_is_string(item))
			return corral_json_place(err, corral_json_wrong_kind(item, "text", err),
			                         "[%zu]", i);
		/* Only looked at: set_argv copies. */
		argv[i] = (char *)(uintptr_t)json_string_value(item);
	}
	return corral_config_set_argv(c, argv, n, err);
}

struct mount_parts {
	const char *type, *source, *target, *size;
	char size_buf[400];
};

static int mount_key(struct mount_parts *m, const char *key, const json_t *v,
                     struct corral_error *err)
{
	const struct {
		const char *key;
		const char **field;
	} fields[] = {
		{ "type", &m->type },
		{ "source", &m->source },
		{ "target", &m->target },
	};

	if (!strcmp(key, "size"))
		return scalar_text(v, m->size_buf, sizeof(m->size_buf), &m->size, err);
	for (size_t i = 0; i < CORRAL_COUNT(fields); i++) {
		if (strcmp(fields[i].key, key))
			continue;
		if (!json_is_string(v))
			return corral_json_wrong_kind(v, "text", err);
		*fields[i].field = json_string_value(v);
		return 0;
	}
	return -ENOENT;
}

static int mount_add(struct corral_config *c, const struct mount_parts *m, struct corral_error *err)
{
	struct corral_limits limits = { 0 };
	struct corral_config scratch = { .limits = limits };
	enum corral_mount_kind kind;
	int r;

	if (!m->type)
		return corral_error_set(err, EINVAL,
		                        ".type: missing: one of 'bind', 'ro-bind', 'tmpfs'");
	if (!m->target)
		return corral_error_set(err, EINVAL, ".target: missing: the path inside");
	if (!strcmp(m->type, "bind"))
		kind = CORRAL_MOUNT_BIND;
	else if (!strcmp(m->type, "ro-bind"))
		kind = CORRAL_MOUNT_RO_BIND;
	else if (!strcmp(m->type, "tmpfs"))
		kind = CORRAL_MOUNT_TMPFS;
	else
		return corral_error_set(err, EINVAL,
		                        ".type: '%.*s' is not one of 'bind', 'ro-bind', 'tmpfs'",
		                        64, m->type);
	if (kind == CORRAL_MOUNT_TMPFS && m->source)
		return corral_error_set(err, EINVAL, ".source: a tmpfs has none");
	if (kind != CORRAL_MOUNT_TMPFS && !m->source)
		return corral_error_set(err, EINVAL, ".source: missing: the path on the host");
	if (kind != CORRAL_MOUNT_TMPFS && m->size)
		return corral_error_set(err, EINVAL, ".size: only a tmpfs has one");
	if (m->size) {
		r = corral_config_set_limit(&scratch, CORRAL_LIMIT_DISK, m->size, err);
		if (r < 0)
			return corral_json_place(err, r, ".size");
	}
	r = corral_config_put_mount(c, kind, m->source, m->target, scratch.limits.disk_bytes, err);
	if (r == 0)
		c->mounts[c->n_mounts - 1].from_json = true;
	return r;
}

static int mounts_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	size_t i;
	json_t *item, *value;
	const char *key;

	if (!json_is_array(v))
		return corral_json_wrong_kind(v, "an array of mounts", err);
	json_array_foreach(v, i, item)
	{
		struct mount_parts parts = { 0 };
		int r;

		if (!json_is_object(item))
			return corral_json_place(err,
			                         corral_json_wrong_kind(item, "an object", err),
			                         "[%zu]", i);
		json_object_foreach(item, key, value)
		{
			r = mount_key(&parts, key, value, err);
			if (r == -ENOENT) {
				r = corral_json_unknown_key(key, "type, source, target, size", err);
				return corral_json_place(err, r, "[%zu]", i);
			}
			if (r < 0)
				return corral_json_place(err, r, "[%zu].%s", i, key);
		}
		r = mount_add(c, &parts, err);
		if (r < 0)
			return corral_json_place(err, r, "[%zu]", i);
	}
	return 0;
}

static int limits_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	json_t *value;
	const char *key;

	if (!json_is_object(v))
		return corral_json_wrong_kind(v, "an object of limits", err);
	json_object_foreach(v, key, value)
	{
		char buf[400], known[256] = "";
		const char *text = "";
		enum corral_limit limit = 0;
		int r;

		for (size_t i = 0; i < CORRAL_LIMIT_COUNT; i++) {
			const char *name = corral_limit_name((enum corral_limit)(1u << i));
			size_t len = strlen(known);

			if (!strcmp(name, key))
				limit = (enum corral_limit)(1u << i);
			(void)snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "",
			               name);
		}
		if (!limit)
			return corral_json_unknown_key(key, known, err);
		r = scalar_text(value, buf, sizeof(buf), &text, err);
		if (r == 0)
			r = corral_config_set_limit(c, limit, text, err);
		if (r < 0)
			return corral_json_place(err, r, ".%s", key);
	}
	return 0;
}

/* Rulesets are read from text, as they come from files of their own as well. */
static int permissions_parse(struct corral_config *c, json_t *v, struct corral_error *err)
{
	struct corral_permission_ruleset *rules = NULL;
	corral_autofree char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	int r;

	if (!text)
		return corral_error_sys(err, ENOMEM, "permissions");
	r = corral_permission_ruleset_parse(text, strlen(text), &rules, err);
	if (r < 0) {
		/* The place goes on with what the ruleset calls it. */
		char inner[CORRAL_ERROR_TEXT_SIZE];

		if (err && json_is_object(v)) {
			memcpy(inner, err->text, sizeof(inner));
			r = corral_error_set(err, -r, ".%s", inner);
		}
		return r;
	}
	corral_permission_ruleset_free(c->permissions);
	c->permissions = rules;
	return 0;
}

/* A row has a parser, or the offset of a text field, or that of a flag. */
static const struct key {
	const char *name;
	int (*parse)(struct corral_config *c, json_t *v, struct corral_error *err);
	size_t text_offset, bool_offset;
} keys[] = {
	{ "allow", .parse = allow_parse },
	{ "allow_weaker", .bool_offset = offsetof(struct corral_config, allow_weaker) },
	{ "cap_add", .parse = cap_add_parse },
	{ "cap_drop", .parse = cap_drop_parse },
	{ "clear_env", .bool_offset = offsetof(struct corral_config, clear_env) },
	{ "command", .parse = argv_parse },
	{ "env", .parse = env_parse },
	{ "hostname", .text_offset = offsetof(struct corral_config, hostname) },
	{ "ids", .parse = ids_parse },
	{ "keep", .text_offset = offsetof(struct corral_config, keep) },
	{ "image", .text_offset = offsetof(struct corral_config, image) },
	{ "limits", .parse = limits_parse },
	{ "mounts", .parse = mounts_parse },
	{ "network", .parse = network_parse },
	{ "permissions", .parse = permissions_parse },
	{ "publish", .parse = publish_parse },
	{ "rootfs", .text_offset = offsetof(struct corral_config, rootfs) },
	{ "runtime", .text_offset = offsetof(struct corral_config, runtime) },
	{ "seccomp", .text_offset = offsetof(struct corral_config, seccomp) },
	{ "stdin", .bool_offset = offsetof(struct corral_config, use_stdin) },
	{ "tty", .bool_offset = offsetof(struct corral_config, tty) },
	{ "user", .parse = user_parse },
	{ "work_dir", .text_offset = offsetof(struct corral_config, work_dir) },
	{ "workspace", .text_offset = offsetof(struct corral_config, workspace) },
};

static int key_parse(struct corral_config *c, const struct key *k, json_t *v,
                     struct corral_error *err)
{
	if (k->parse)
		return k->parse(c, v, err);
	if (k->bool_offset)
		return bool_get(v, (bool *)(void *)((char *)c + k->bool_offset), err);
	/* runtime is the first member: its offset of 0 is one of text as well. */
	if (!json_is_string(v))
		return corral_json_wrong_kind(v, "text", err);
	return corral_config_set_text((char **)(void *)((char *)c + k->text_offset),
	                              json_string_value(v), err);
}

static int unknown_top_key(const char *key, struct corral_error *err)
{
	char known[320] = "";

	for (size_t i = 0; i < CORRAL_COUNT(keys); i++) {
		size_t len = strlen(known);

		(void)snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "",
		               keys[i].name);
	}
	return corral_json_unknown_key(key, known, err);
}

static const struct key *key_find(const char *name)
{
	for (size_t i = 0; i < CORRAL_COUNT(keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

int corral_config_key_parse(struct corral_config *c, const char *name, json_t *v,
                            struct corral_error *err)
{
	const struct key *k = key_find(name);

	return k ? key_parse(c, k, v, err) : unknown_top_key(name, err);
}

int corral_config_parse(struct corral_config *c, const char *json, size_t len,
                        struct corral_error *err)
{
	json_auto_t *root = NULL;
	json_error_t problem;
	const char *name;
	json_t *value;

	root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &problem);
	if (!root)
		return corral_error_set(err, EINVAL, "line %d, column %d: %s", problem.line,
		                        problem.column, problem.text);
	if (!json_is_object(root))
		return corral_json_wrong_kind(root, "an object", err);
	json_object_foreach(root, name, value)
	{
		const struct key *k = key_find(name);
		int r;

		if (!k)
			return unknown_top_key(name, err);
		r = key_parse(c, k, value, err);
		if (r < 0)
			return corral_json_place(err, r, "%s", name);
		if (k->parse != permissions_parse)
			c->sandbox_key = k->name;
	}
	return 0;
}
