/*
 * A configuration's keys as JSON, so written that reading them gives the same again.
 */
#include <errno.h>
#include <inttypes.h>

#include "policy/config_json.h"
#include "policy/json_words.h"

/* Numbers of JSON have a sign. */
static json_t *number(uint64_t value)
{
	return value <= INT64_MAX ? json_integer((json_int_t)value)
	                          : json_sprintf("%" PRIu64, value);
}

static json_t *limit_value(const struct corral_limits *l, enum corral_limit limit)
{
	uint64_t value = corral_limit_get(l, limit);

	if (limit == CORRAL_LIMIT_CPUS && value % 1000)
		return json_real((double)value / 1000);
	if (limit == CORRAL_LIMIT_TIMEOUT && value % 1000)
		return json_sprintf("%" PRIu64 "ms", value);
	if (limit == CORRAL_LIMIT_CPUS || limit == CORRAL_LIMIT_TIMEOUT)
		value /= 1000;
	return number(value);
}

static int limits_write(const struct corral_config *c, json_t *to, struct corral_error *err)
{
	json_auto_t *limits = json_object();
	int r = 0;

	for (size_t i = 0; i < CORRAL_LIMIT_COUNT && r == 0; i++) {
		enum corral_limit limit = (enum corral_limit)(1u << i);

		if ((c->limits_asked & limit) ||
		    corral_limit_get(&c->limits, limit) !=
		            corral_limit_get(&corral_limits_default, limit))
			r = corral_json_put(limits, corral_limit_name(limit),
			                    limit_value(&c->limits, limit), err);
	}
	if (r < 0 || !json_object_size(limits))
		return r;
	return corral_json_put(to, "limits", json_incref(limits), err);
}

static json_t *mount_json(const struct corral_config_mount *m)
{
	json_t *v;

	if (m->kind != CORRAL_MOUNT_TMPFS)
		return json_pack("{s:s, s:s, s:s}", "type",
		                 m->kind == CORRAL_MOUNT_BIND ? "bind" : "ro-bind", "source",
		                 m->host_path, "target", m->guest_path);
	v = json_pack("{s:s, s:s}", "type", "tmpfs", "target", m->guest_path);
	if (v && m->size_bytes)
		(void)json_object_set_new(v, "size", number(m->size_bytes));
	return v;
}

static int mounts_write(const struct corral_config *c, json_t *to, struct corral_error *err)
{
	json_auto_t *list = json_array();

	if (!c->n_mounts)
		return 0;
	for (size_t i = 0; i < c->n_mounts; i++)
		if (json_array_append_new(list, mount_json(&c->mounts[i])) < 0)
			return corral_error_set(err, EINVAL, "mounts[%zu]: a text that is no UTF-8",
			                        i);
	return corral_json_put(to, "mounts", json_incref(list), err);
}

static int publish_write(const struct corral_config *c, json_t *to, struct corral_error *err)
{
	json_auto_t *list = json_array();
	char text[CORRAL_PUBLISH_TEXT_SIZE];

	if (!c->n_publish)
		return 0;
	for (size_t i = 0; i < c->n_publish; i++) {
		corral_publish_text(&c->publish[i], text);
		if (json_array_append_new(list, json_string(text)) < 0)
			return corral_error_set(err, EINVAL,
			                        "publish[%zu]: a text that is no UTF-8", i);
	}
	return corral_json_put(to, "publish", json_incref(list), err);
}

static int words_write(const struct corral_config *c, json_t *to, struct corral_error *err)
{
	static const char *const ids[] = {
		[CORRAL_IDS_AUTO] = NULL,
		[CORRAL_IDS_SINGLE] = "single",
		[CORRAL_IDS_RANGE] = "range",
	};
	int r = 0;

	/* An allowlist alone would be read as network "allow". */
	if (c->network != CORRAL_NETWORK_NONE || (c->network_said && c->allow_said))
		r = corral_json_put(to, "network",
		                    json_string(c->network_pasta ? "pasta"
		                                                 : corral_network_name(c->network)),
		                    err);
	if (r == 0)
		r = corral_json_put_texts(to, "allow", c->allow, c->n_allow, err);
	if (r == 0)
		r = publish_write(c, to, err);
	if (r == 0 && ids[c->ids])
		r = corral_json_put(to, "ids", json_string(ids[c->ids]), err);
	if (r == 0 && c->user)
		r = corral_json_put(to, "user", json_string(c->user), err);
	else if (r == 0 && c->has_user)
		r = corral_json_put(to, "user", json_sprintf("%u:%u", c->guest_uid, c->guest_gid),
		                    err);
	if (r == 0 && c->hostname)
		r = corral_json_put(to, "hostname", json_string(c->hostname), err);
	if (r == 0 && c->seccomp)
		r = corral_json_put(to, "seccomp", json_string(c->seccomp), err);
	return r;
}

int corral_config_keys_write(const struct corral_config *c, json_t *to, struct corral_error *err)
{
	int r = limits_write(c, to, err);

	if (r == 0)
		r = words_write(c, to, err);
	if (r == 0)
		r = corral_json_put_texts(to, "cap_add", c->cap_add, c->n_cap_add, err);
	if (r == 0)
		r = corral_json_put_texts(to, "cap_drop", c->cap_drop, c->n_cap_drop, err);
	if (r == 0)
		r = mounts_write(c, to, err);
	if (r == 0 && c->allow_weaker)
		r = corral_json_put(to, "allow_weaker", json_true(), err);
	return r;
}
