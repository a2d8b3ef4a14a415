#include "kernel/image/oci/build_config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernel/base/cleanup.h"
#include "policy/runtime_build.h"

#define LABEL "corral.runtime"

static void json_freep(json_t **v)
{
	json_decref(*v);
}

/* The object or array of that name, made where there is none; borrowed. */
static json_t *part(json_t *of, const char *name, bool is_array)
{
	json_t *v = json_object_get(of, name);

	if (is_array ? json_is_array(v) : json_is_object(v))
		return v;
	if (json_object_set_new(of, name, is_array ? json_array() : json_object()) < 0)
		return NULL;
	return json_object_get(of, name);
}

static const char *env_get(const json_t *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *v = json_string_value(json_array_get(env, i));

		if (v && strncmp(v, name, len) == 0 && v[len] == '=')
			return v + len + 1;
	}
	return NULL;
}

static int env_set(json_t *env, const char *assignment)
{
	size_t len = strcspn(assignment, "=") + 1;

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *v = json_string_value(json_array_get(env, i));

		if (v && strncmp(v, assignment, len) == 0)
			return json_array_set_new(env, i, json_string(assignment));
	}
	return json_array_append_new(env, json_string(assignment));
}

static int account_set(json_t *config, const struct corral_runtime *rt)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	json_t *env = part(config, "Env", true);
	const char *path = env_get(env, "PATH");
	int r = 0;

	if (!env)
		return -ENOMEM;
	for (const char *const *v = corral_runtime_account_env; *v && r == 0; v++)
		r = env_set(env, *v);
	corral_buf_fmt(&text, "PATH=%s:%s", CORRAL_RUNTIME_ACCOUNT_PATH,
	               path && *path ? path : CORRAL_RUNTIME_DEFAULT_PATH);
	if (r < 0 || text.failed || env_set(env, text.data) < 0)
		return -ENOMEM;
	text.len = 0;
	corral_buf_fmt(&text, "%u:%u", rt->run_as_uid, rt->run_as_uid);
	return text.failed ? -ENOMEM : json_object_set_new(config, "User", json_string(text.data));
}

static int layer_add(json_t *all, const char *diff_id)
{
	json_t *rootfs = part(all, "rootfs", false);
	json_t *ids = rootfs ? part(rootfs, "diff_ids", true) : NULL;

	if (!diff_id)
		return 0;
	if (!ids || json_object_set_new(rootfs, "type", json_string("layers")) < 0)
		return -ENOMEM;
	return json_array_append_new(ids, json_string(diff_id));
}

static int history_add(json_t *all, const struct corral_runtime *rt, const char *created,
                       bool is_empty)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	json_t *history = part(all, "history", true);
	json_t *line;

	corral_buf_fmt(&text, "corral runtime build %s", rt->name);
	line = text.failed ? NULL
	                   : json_pack("{s:s, s:s}", "created", created, "created_by", text.data);
	if (is_empty && line)
		(void)json_object_set_new(line, "empty_layer", json_true());
	return history && line ? json_array_append_new(history, line) : -ENOMEM;
}

int build_config_write(const char *base, size_t len, const struct corral_runtime *rt,
                       const char *diff_id, int64_t created_ms, struct corral_buf *ret,
                       struct corral_error *err)
{
	corral_auto(json_freep) json_t *all = json_loadb(base, len, 0, NULL);
	corral_autofree char *text = NULL;
	time_t seconds = (time_t)(created_ms / 1000);
	char created[32];
	json_t *config, *labels;
	struct tm tm;

	if (!json_is_object(all))
		return corral_error_set(err, EINVAL, "the base image's configuration is no object");
	(void)gmtime_r(&seconds, &tm);
	(void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	/* Of the container that some builder made it in. */
	(void)json_object_del(all, "container");
	(void)json_object_del(all, "container_config");
	config = part(all, "config", false);
	labels = config ? part(config, "Labels", false) : NULL;
	if (!labels || json_object_set_new(all, "created", json_string(created)) < 0 ||
	    json_object_set_new(labels, LABEL, json_string(rt->name)) < 0 ||
	    json_object_set_new(config, "WorkingDir", json_string(rt->work_dir)) < 0 ||
	    (rt->has_run_as_uid && account_set(config, rt) < 0) || layer_add(all, diff_id) < 0 ||
	    history_add(all, rt, created, !diff_id) < 0)
		return corral_error_set(err, ENOMEM, "configuration of the image: out of memory");
	text = json_dumps(all, JSON_COMPACT);
	if (!text)
		return corral_error_set(err, ENOMEM, "configuration of the image: out of memory");
	corral_buf_str(ret, text);
	return ret->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}
