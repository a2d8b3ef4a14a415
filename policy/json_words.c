#include "policy/json_words.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/suggest.h"

const char *corral_json_kind(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		return "null";
	}
	return "something else";
}

int corral_json_wrong_kind(const json_t *v, const char *wanted, struct corral_error *err)
{
	return corral_error_set(err, EINVAL, "%s where %s is expected", corral_json_kind(v),
	                        wanted);
}

/* Of "a, b, c", the one that key was most likely meant to be: its length, 0 without. */
static int nearest(const char *key, const char *known, const char **ret)
{
	struct corral_guess guess = corral_guess_begin(key);
	char word[64];
	int found = 0;

	while (*known) {
		size_t len = strcspn(known, ",");

		(void)snprintf(word, sizeof(word), "%.*s", (int)len, known);
		guess.best = NULL;
		corral_guess_look(&guess, word);
		if (guess.best) {
			*ret = known;
			found = (int)len;
		}
		known += len;
		known += strspn(known, ", ");
	}
	return found;
}

int corral_json_unknown_key(const char *key, const char *known, struct corral_error *err)
{
	const char *meant = NULL;
	int len = nearest(key, known, &meant);

	if (len)
		return corral_error_set(err, EINVAL,
		                        "unknown key '%.64s' (did you mean '%.*s'?): known here: "
		                        "%s",
		                        key, len, meant, known);
	return corral_error_set(err, EINVAL, "unknown key '%.64s': known here: %s", key, known);
}

int corral_json_place(struct corral_error *err, int r, const char *fmt, ...)
{
	char inner[CORRAL_ERROR_TEXT_SIZE], part[80];
	va_list ap;

	if (!err)
		return r;
	va_start(ap, fmt);
	(void)vsnprintf(part, sizeof(part), fmt, ap);
	va_end(ap);
	memcpy(inner, err->text, sizeof(inner));
	if (inner[0] == '[' || inner[0] == '.')
		return corral_error_set(err, -r, "%s%s", part, inner);
	return corral_error_set(err, -r, "%s: %s", part, inner);
}

int corral_json_put(json_t *to, const char *key, json_t *v, struct corral_error *err)
{
	if (json_object_set_new(to, key, v) < 0)
		return corral_error_set(err, EINVAL, "%s: a text that is no UTF-8", key);
	return 0;
}

int corral_json_put_texts(json_t *to, const char *key, char *const *texts, size_t n,
                          struct corral_error *err)
{
	json_auto_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(texts[i])) < 0)
			return corral_error_set(err, EINVAL, "%s[%zu]: a text that is no UTF-8",
			                        key, i);
	return n ? corral_json_put(to, key, json_incref(list), err) : 0;
}
