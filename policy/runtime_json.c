/*
 * A runtime as JSON. Every key is a row of a table; errors name the place:
 * "packages[1]: Invalid package name: 'a b'".
 */
#include "policy/runtime_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/config_json.h"
#include "policy/json_words.h"
#include "policy/runtime_check.h"

typedef int check_fn(const char *text, struct corral_error *err);

/* A checked copy; *to is replaced. */
static int text_parse(const json_t *v, check_fn *check, char **to, struct corral_error *err)
{
	char *copy;
	int r;

	if (!json_is_string(v))
		return corral_json_wrong_kind(v, "text", err);
	if (json_string_length(v) > CORRAL_RUNTIME_TEXT_MAX)
		return corral_error_set(err, EINVAL, "longer than %u bytes",
		                        CORRAL_RUNTIME_TEXT_MAX);
	r = check ? check(json_string_value(v), err) : 0;
	if (r < 0)
		return r;
	copy = strdup(json_string_value(v));
	if (!copy)
		return corral_error_set(err, ENOMEM, "out of memory");
	free(*to);
	*to = copy;
	return 0;
}

static int optional_parse(const json_t *v, check_fn *check, char **to, struct corral_error *err)
{
	return json_is_null(v) ? 0 : text_parse(v, check, to, err);
}

static int texts_parse(const json_t *v, check_fn *check, char ***to, size_t *n,
                       struct corral_error *err)
{
	size_t i;
	json_t *item;

	if (!json_is_array(v))
		return corral_json_wrong_kind(v, "an array of text", err);
	if (json_array_size(v) > CORRAL_RUNTIME_ITEMS_MAX)
		return corral_error_set(err, EINVAL, "more than %d of them",
		                        CORRAL_RUNTIME_ITEMS_MAX);
	*to = calloc(json_array_size(v) + 1, sizeof(**to));
	if (!*to)
		return corral_error_set(err, ENOMEM, "out of memory");
	json_array_foreach(v, i, item)
	{
		int r = text_parse(item, check, &(*to)[i], err);

		if (r < 0)
			return corral_json_place(err, r, "[%zu]", i);
		*n = i + 1;
	}
	return 0;
}

static int bool_parse(const json_t *v, bool *ret, struct corral_error *err)
{
	if (!json_is_boolean(v))
		return corral_json_wrong_kind(v, "true or false", err);
	*ret = json_is_true(v);
	return 0;
}

static int name_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	return text_parse(v, corral_runtime_check_name, &rt->name, err);
}

static int description_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	return text_parse(v, NULL, &rt->description, err);
}

static int image_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	return optional_parse(v, corral_runtime_check_image, &rt->image, err);
}

static int base_image_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	return optional_parse(v, corral_runtime_check_image, &rt->base_image, err);
}

static int packages_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	return texts_parse(v, corral_runtime_check_package, &rt->packages, &rt->n_packages, err);
}

/* The number whose name it is, of n. */
static int word_parse(const json_t *v, const char *(*name)(unsigned int number), unsigned int n,
                      const char *known, unsigned int *ret, struct corral_error *err)
{
	if (!json_is_string(v))
		return corral_json_wrong_kind(v, "text", err);
	for (unsigned int i = 0; i < n; i++) {
		if (strcmp(name(i), json_string_value(v)) != 0)
			continue;
		*ret = i;
		return 0;
	}
	return corral_error_set(err, EINVAL, "%s is expected", known);
}

static const char *manager_name(unsigned int number)
{
	return corral_package_manager_name((enum corral_package_manager)number);
}

static int manager_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	unsigned int number = 0;
	int r = word_parse(v, manager_name, CORRAL_PACKAGES_CARGO + 1,
	                   "'pip', 'npm', 'apt' or 'cargo'", &number, err);

	if (r == 0)
		rt->package_manager = (enum corral_package_manager)number;
	return r;
}

static int commands_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	return texts_parse(v, corral_runtime_check_command, &rt->setup_commands,
	                   &rt->n_setup_commands, err);
}

static int env_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	const char *name;
	json_t *value;

	if (!json_is_object(v))
		return corral_json_wrong_kind(v, "an object of names and texts", err);
	if (json_object_size(v) > CORRAL_RUNTIME_ITEMS_MAX)
		return corral_error_set(err, EINVAL, "more than %d of them",
		                        CORRAL_RUNTIME_ITEMS_MAX);
	rt->env_vars = calloc(json_object_size(v) + 1, sizeof(*rt->env_vars));
	if (!rt->env_vars)
		return corral_error_set(err, ENOMEM, "out of memory");
	json_object_foreach((json_t *)(uintptr_t)v, name, value)
	{
		char *pair = NULL;
		int r;

		r = corral_runtime_check_env(name,
		                             json_is_string(value) ? json_string_value(value) : "",
		                             err);
		if (r < 0)
			return r;
		if (!json_is_string(value))
			return corral_json_place(err, corral_json_wrong_kind(value, "text", err),
			                         ".%s", name);
		if (asprintf(&pair, "%s=%s", name, json_string_value(value)) < 0)
			return corral_error_set(err, ENOMEM, "out of memory");
		rt->env_vars[rt->n_env_vars++] = pair;
	}
	return 0;
}

static int work_dir_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	return text_parse(v, corral_runtime_check_work_dir, &rt->work_dir, err);
}

static int cache_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	return bool_parse(v, &rt->cache_image, err);
}

static int uid_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	int r;

	if (json_is_null(v))
		return 0;
	if (!json_is_integer(v))
		return corral_json_wrong_kind(v, "a whole number", err);
	r = corral_runtime_check_uid(json_integer_value(v), err);
	if (r < 0)
		return r;
	rt->has_run_as_uid = true;
	rt->run_as_uid = (uint32_t)json_integer_value(v);
	return 0;
}

static const char *isolation_name(unsigned int number)
{
	return corral_isolation_name((enum corral_isolation)number);
}

static int isolation_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	unsigned int number = 0;
	int r = word_parse(v, isolation_name, CORRAL_ISOLATION_DOCKER + 1,
	                   "'auto', 'native' or 'docker'", &number, err);

	if (r == 0)
		rt->isolation = (enum corral_isolation)number;
	return r;
}

static const char *scope_name(unsigned int number)
{
	return corral_scope_name((enum corral_scope)number);
}

static int scope_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	unsigned int number = 0;
	int r = word_parse(v, scope_name, CORRAL_SCOPE_CALL + 1, "'session' or 'call'", &number,
	                   err);

	if (r == 0)
		rt->scope = (enum corral_scope)number;
	return r;
}

static const char *backing_name(unsigned int number)
{
	return corral_disk_backing_name((enum corral_disk_backing)number);
}

static int backing_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	unsigned int number = 0;
	int r = word_parse(v, backing_name, CORRAL_DISK_IMAGE + 1, "'host' or 'image'", &number,
	                   err);

	if (r == 0)
		rt->disk_backing = (enum corral_disk_backing)number;
	return r;
}

static int rootfs_parse(struct corral_runtime *rt, const json_t *v, struct corral_error *err)
{
	return optional_parse(v, corral_runtime_check_rootfs, &rt->rootfs, err);
}

/* A row without a parser is a key of a configuration. */
static const struct key {
	const char *name;
	int (*parse)(struct corral_runtime *rt, const json_t *v, struct corral_error *err);
} keys[] = {
	{ "name", name_parse },
	{ "description", description_parse },
	{ "image", image_parse },
	{ "base_image", base_image_parse },
	{ "packages", packages_parse },
	{ "package_manager", manager_parse },
	{ "setup_commands", commands_parse },
	{ "env_vars", env_parse },
	{ "work_dir", work_dir_parse },
	{ "cache_image", cache_parse },
	{ "run_as_uid", uid_parse },
	{ "isolation", isolation_parse },
	{ "scope", scope_parse },
	{ "disk_backing", backing_parse },
	{ "rootfs", rootfs_parse },
	{ "limits", NULL },
	{ "network", NULL },
	{ "allow", NULL },
	{ "publish", NULL },
	{ "ids", NULL },
	{ "user", NULL },
	{ "hostname", NULL },
	{ "seccomp", NULL },
	{ "cap_add", NULL },
	{ "cap_drop", NULL },
	{ "mounts", NULL },
	{ "allow_weaker", NULL },
};

static int unknown_top_key(const char *key, struct corral_error *err)
{
	char known[400] = "";

	for (size_t i = 0; i < CORRAL_COUNT(keys); i++) {
		size_t len = strlen(known);

		(void)snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "",
		               keys[i].name);
	}
	return corral_json_unknown_key(key, known, err);
}

static int keys_parse(struct corral_runtime *rt, json_t *root, struct corral_error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(root, name, value)
	{
		size_t i = 0;
		int r;

		while (i < CORRAL_COUNT(keys) && strcmp(keys[i].name, name) != 0)
			i++;
		if (i == CORRAL_COUNT(keys))
			return unknown_top_key(name, err);
		r = keys[i].parse ? keys[i].parse(rt, value, err)
		                  : corral_config_key_parse(rt->sandbox, name, value, err);
		if (r < 0)
			return corral_json_place(err, r, "%s", name);
	}
	return 0;
}

static struct corral_runtime *usual_new(void)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = calloc(1, sizeof(*rt));

	if (!rt)
		return NULL;
	rt->description = strdup("");
	rt->work_dir = strdup("/workspace");
	rt->cache_image = true;
	rt->sandbox = corral_config_new();
	return rt->description && rt->work_dir && rt->sandbox ? corral_take_ptr(&rt) : NULL;
}

int corral_runtime_from_json(json_t *root, const char *name, struct corral_runtime **ret,
                             struct corral_error *err)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *rt = usual_new();
	int r;

	if (!rt)
		return corral_error_set(err, ENOMEM, "runtime: out of memory");
	if (!json_is_object(root))
		return corral_json_wrong_kind(root, "an object", err);
	r = keys_parse(rt, root, err);
	if (r < 0)
		return r;
	if (!rt->name && !name)
		return corral_error_set(err, EINVAL, "name: missing");
	if (!rt->name) {
		rt->name = strdup(name);
		if (!rt->name)
			return corral_error_set(err, ENOMEM, "runtime: out of memory");
	}
	r = corral_runtime_check_whole(rt, err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&rt);
	return 0;
}

int corral_runtime_parse_named(const char *json, size_t len, const char *name,
                               struct corral_runtime **ret, struct corral_error *err)
{
	json_auto_t *root = NULL;
	json_error_t problem;

	root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &problem);
	if (!root)
		return corral_error_set(err, EINVAL, "line %d, column %d: %s", problem.line,
		                        problem.column, problem.text);
	return corral_runtime_from_json(root, name, ret, err);
}

int corral_runtime_parse(const char *json, size_t len, struct corral_runtime **ret,
                         struct corral_error *err)
{
	return corral_runtime_parse_named(json, len, NULL, ret, err);
}
