/*
 * A runtime as the JSON that it can be read from, and copies by way of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/config_json.h"
#include "policy/json_words.h"
#include "policy/runtime.h"

/* Processors have thousandths; more digits would show how the machine rounds. */
#define REAL_DIGITS 10

static int text_write(json_t *to, const char *key, const char *text, const char *usual,
                      struct corral_error *err)
{
	if (!text || (usual && !strcmp(text, usual)))
		return 0;
	return corral_json_put(to, key, json_string(text), err);
}

static int env_write(const struct corral_runtime *rt, json_t *to, struct corral_error *err)
{
	json_auto_t *env = json_object();

	for (size_t i = 0; i < rt->n_env_vars; i++) {
		corral_autofree char *name = strdup(rt->env_vars[i]);
		char *equals = name ? strchr(name, '=') : NULL;

		if (!name)
			return corral_error_set(err, ENOMEM, "env_vars: out of memory");
		if (!equals)
			return corral_error_set(err, EINVAL, "env_vars[%zu]: not NAME=VALUE", i);
		*equals = '\0';
		if (json_object_set_new(env, name, json_string(equals + 1)) < 0)
			return corral_error_set(err, EINVAL,
			                        "env_vars[%zu]: a text that is no UTF-8", i);
	}
	return rt->n_env_vars ? corral_json_put(to, "env_vars", json_incref(env), err) : 0;
}

static int image_write(const struct corral_runtime *rt, json_t *to, struct corral_error *err)
{
	int r = text_write(to, "image", rt->image, NULL, err);

	if (r == 0)
		r = text_write(to, "base_image", rt->base_image, NULL, err);
	if (r == 0)
		r = corral_json_put_texts(to, "packages", rt->packages, rt->n_packages, err);
	if (r == 0)
		r = text_write(to, "package_manager",
		               corral_package_manager_name(rt->package_manager),
		               corral_package_manager_name(CORRAL_PACKAGES_PIP), err);
	if (r == 0)
		r = corral_json_put_texts(to, "setup_commands", rt->setup_commands,
		                          rt->n_setup_commands, err);
	if (r == 0)
		r = env_write(rt, to, err);
	if (r == 0)
		r = text_write(to, "work_dir", rt->work_dir, "/workspace", err);
	if (r == 0 && !rt->cache_image)
		r = corral_json_put(to, "cache_image", json_false(), err);
	if (r == 0 && rt->has_run_as_uid)
		r = corral_json_put(to, "run_as_uid", json_integer(rt->run_as_uid), err);
	return r;
}

static int runtime_write(const struct corral_runtime *rt, json_t *to, struct corral_error *err)
{
	int r = text_write(to, "name", rt->name, NULL, err);

	if (r == 0)
		r = text_write(to, "description", rt->description, "", err);
	if (r == 0)
		r = image_write(rt, to, err);
	if (r == 0)
		r = text_write(to, "isolation", corral_isolation_name(rt->isolation),
		               corral_isolation_name(CORRAL_ISOLATION_AUTO), err);
	if (r == 0)
		r = text_write(to, "scope", corral_scope_name(rt->scope),
		               corral_scope_name(CORRAL_SCOPE_SESSION), err);
	if (r == 0)
		r = text_write(to, "disk_backing", corral_disk_backing_name(rt->disk_backing),
		               corral_disk_backing_name(CORRAL_DISK_HOST), err);
	if (r == 0)
		r = text_write(to, "rootfs", rt->rootfs, NULL, err);
	if (r == 0)
		r = corral_config_keys_write(rt->sandbox, to, err);
	return r;
}

int corral_runtime_write(const struct corral_runtime *rt, struct corral_buf *ret,
                         struct corral_error *err)
{
	json_auto_t *root = json_object();
	corral_autofree char *text = NULL;
	int r = runtime_write(rt, root, err);

	if (r < 0)
		return corral_error_wrap(err, r, "runtime '%.60s'", rt->name);
	text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(REAL_DIGITS));
	if (text)
		corral_buf_str(ret, text);
	if (!text || ret->failed)
		return corral_error_set(err, ENOMEM, "runtime '%.60s': out of memory", rt->name);
	return 0;
}

int corral_runtime_dup(const struct corral_runtime *rt, struct corral_runtime **ret,
                       struct corral_error *err)
{
	corral_auto(corral_runtime_freep) struct corral_runtime *own = NULL;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r = corral_runtime_write(rt, &text, err);

	if (r == 0)
		r = corral_runtime_parse(text.data, text.len, &own, err);
	if (r == 0 && rt->path) {
		own->path = strdup(rt->path);
		if (!own->path)
			r = corral_error_set(err, ENOMEM, "runtime '%.60s': out of memory",
			                     rt->name);
	}
	if (r == 0)
		*ret = corral_take_ptr(&own);
	return r;
}
