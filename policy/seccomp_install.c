/* The profile of what installs packages: the default one, with set-id bits. */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/base/cleanup.h"
#include "policy/seccomp.h"
#include "policy/seccomp_builtin.h"

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static json_int_t number(const json_t *of, const char *key)
{
	return json_integer_value(json_object_get(of, key));
}

/* A rule that refuses modes with S_ISUID or S_ISGID in them. */
static bool is_about_set_id(const json_t *rule)
{
	const json_t *args = json_object_get(rule, "args");
	const char *action = json_string_value(json_object_get(rule, "action"));

	if (!action || strcmp(action, "SCMP_ACT_ERRNO") != 0)
		return false;
	for (size_t i = 0; i < json_array_size(args); i++) {
		json_int_t value = number(json_array_get(args, i), "value");

		if ((value == S_ISUID || value == S_ISGID) &&
		    value == number(json_array_get(args, i), "valueTwo"))
			return true;
	}
	return false;
}

int corral_seccomp_installing(uint64_t caps, const char *cache_dir, struct corral_seccomp *ret,
                              struct corral_error *err)
{
	corral_auto(json_freep) json_t *profile =
	        json_loadb(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len, 0, NULL);
	json_t *rules = json_object_get(profile, "syscalls");
	corral_autofree char *text = NULL;

	for (size_t i = json_array_size(rules); i-- > 0;)
		if (is_about_set_id(json_array_get(rules, i)))
			(void)json_array_remove(rules, i);
	text = profile ? json_dumps(profile, JSON_COMPACT) : NULL;
	if (!text)
		return corral_error_set(err, ENOMEM, "seccomp: out of memory");
	return corral_seccomp_load(text, strlen(text), "install", caps, cache_dir, ret, err);
}
