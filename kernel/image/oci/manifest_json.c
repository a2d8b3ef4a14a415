#include "kernel/image/oci/manifest_json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/image/oci/digest.h"
#include "policy/json_words.h"

int corral_manifest_json(const char *text, size_t len, json_t **ret, struct corral_error *err)
{
	json_error_t at;
	/* Two of one key mean different things to different readers (CVE-2021-41190 is of that
	   kind). */
	json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);

	if (!v)
		return corral_error_set(err, EINVAL, "no JSON: line %d, column %d", at.line,
		                        at.column);
	if (!json_is_object(v)) {
		int r = corral_json_wrong_kind(v, "an object", err);

		json_decref(v);
		return r;
	}
	*ret = v;
	return 0;
}

json_t *corral_manifest_member(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return v && json_is_null(v) ? NULL : v;
}

static bool is_word(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text >= 0x7f)
			return false;
	return true;
}

static int text_dup(const json_t *v, size_t max, char **ret, struct corral_error *err)
{
	char *copy;

	if (v && !json_is_string(v))
		return corral_json_wrong_kind(v, "text", err);
	if (v && json_string_length(v) > max)
		return corral_error_set(err, EINVAL, "longer than %zu bytes", max);
	copy = strdup(v ? json_string_value(v) : "");
	if (!copy)
		return corral_error_set(err, ENOMEM, "out of memory");
	free(*ret);
	*ret = copy;
	return 0;
}

int corral_manifest_text(const json_t *o, const char *key, size_t max, char **ret,
                         struct corral_error *err)
{
	int r = text_dup(corral_manifest_member(o, key), max, ret, err);

	return r < 0 ? corral_json_place(err, r, ".%s", key) : 0;
}

int corral_manifest_word(const json_t *o, const char *key, size_t max, char **ret,
                         struct corral_error *err)
{
	int r = corral_manifest_text(o, key, max, ret, err);

	if (r < 0)
		return r;
	if (!is_word(*ret))
		return corral_error_set(err, EINVAL, ".%s: has bytes that cannot be printed", key);
	return 0;
}

int corral_manifest_texts(const json_t *o, const char *key, size_t max, size_t text_max,
                          char ***ret, size_t *ret_n, struct corral_error *err)
{
	const json_t *v = corral_manifest_member(o, key), *item;
	size_t i;

	if (v && !json_is_array(v))
		return corral_json_place(err, corral_json_wrong_kind(v, "an array of text", err),
		                         ".%s", key);
	if (json_array_size(v) > max)
		return corral_error_set(err, EINVAL, ".%s: more than %zu of them", key, max);
	*ret = calloc(json_array_size(v) + 1, sizeof(**ret));
	if (!*ret)
		return corral_error_set(err, ENOMEM, "out of memory");
	json_array_foreach(v, i, item)
	{
		int r = text_dup(item, text_max, &(*ret)[i], err);

		if (r < 0)
			return corral_json_place(err, r, ".%s[%zu]", key, i);
		*ret_n = i + 1;
	}
	return 0;
}

int corral_manifest_digest(const json_t *v, char **ret, struct corral_error *err)
{
	int r;

	if (!v)
		return corral_error_set(err, EINVAL, "is missing");
	r = text_dup(v, 256, ret, err);
	if (r < 0)
		return r;
	if (corral_digest_is_valid(*ret))
		return 0;
	if (strncmp(*ret, "sha512:", 7) == 0 || strncmp(*ret, "blake3:", 7) == 0)
		return corral_error_set(err, EOPNOTSUPP, "%.6s is not known here, only sha256",
		                        *ret);
	return corral_error_set(err, EINVAL, "no digest");
}
