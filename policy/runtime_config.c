/*
 * From a runtime to what a native sandbox of it is made from.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/base/cleanup.h"
#include "policy/config_json.h"
#include "policy/environment.h"
#include "policy/json_words.h"
#include "policy/runtime.h"
#include "policy/runtime_build.h"

int corral_runtime_sandbox(const struct corral_runtime *rt, struct corral_config *c,
                           struct corral_error *err)
{
	json_auto_t *keys = json_object();
	const char *name;
	json_t *value;
	int r = corral_config_keys_write(rt->sandbox, keys, err);

	json_object_foreach(keys, name, value)
	{
		if (r == 0)
			r = corral_config_key_parse(c, name, value, err);
	}
	return r;
}

static int user_set(const struct corral_runtime *rt, struct corral_config *c,
                    struct corral_error *err)
{
	char text[32];

	if (!rt->has_run_as_uid)
		return 0;
	(void)snprintf(text, sizeof(text), "%u:%u", rt->run_as_uid, rt->run_as_uid);
	return corral_config_set_user(c, text, err);
}

static int env_add(const struct corral_runtime *rt, struct corral_config *c,
                   struct corral_error *err)
{
	int r = 0;

	for (char *const *v = corral_environment_usual(rt->has_run_as_uid); *v && r == 0; v++)
		r = corral_config_add_env(c, *v, err);
	for (size_t i = 0; i < rt->n_env_vars && r == 0; i++)
		r = corral_config_add_env(c, rt->env_vars[i], err);
	return r;
}

int corral_runtime_config(const struct corral_runtime *rt, struct corral_config **ret,
                          struct corral_error *err)
{
	corral_auto(corral_config_freep) struct corral_config *c = corral_config_new();
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "runtime '%.60s': out of memory", rt->name);
	r = corral_runtime_image_name(rt, &c->image, err);
	if (r == 0 && rt->rootfs)
		r = corral_config_set_text(&c->rootfs, rt->rootfs, err);
	if (r == 0)
		r = corral_config_set_text(&c->work_dir, rt->work_dir, err);
	if (r == 0)
		r = env_add(rt, c, err);
	if (r == 0)
		r = user_set(rt, c, err);
	if (r == 0)
		r = corral_runtime_sandbox(rt, c, err);
	if (r < 0)
		return corral_error_wrap(err, r, "runtime '%.60s'", rt->name);
	*ret = corral_take_ptr(&c);
	return 0;
}
