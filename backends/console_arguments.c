/* Arguments of a call, read by the table of console tools. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console_tools.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "policy/json_words.h"

#define REAL_MAX 9007199254740992.0 /* above it not every whole number is one */

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static void *field(struct corral_console_arguments *a, size_t offset)
{
	return (char *)a + offset;
}

static int wrong_kind(const struct console_argument *a, const json_t *v, const char *expected,
                      struct corral_error *err)
{
	return corral_error_set(err, EINVAL, "%s: %s where %s%s is expected", a->name,
	                        corral_json_kind(v), expected, a->nullable ? " or null" : "");
}

static int text_set(struct corral_console_text *t, const char *data, size_t len,
                    struct corral_error *err)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return corral_error_sys(err, ENOMEM, "arguments");
	memcpy(copy, data, len);
	copy[len] = '\0';
	free(t->data);
	*t = (struct corral_console_text) { copy, len };
	return 0;
}

static int text_get(const struct console_argument *a, const json_t *v,
                    struct corral_console_text *ret, struct corral_error *err)
{
	if (!json_is_string(v))
		return wrong_kind(a, v, "text", err);
	if (a->kind == CONSOLE_TEXT && strlen(json_string_value(v)) != json_string_length(v))
		return corral_error_set(err, EINVAL, "%s: a text with a NUL in it", a->name);
	return text_set(ret, json_string_value(v), json_string_length(v), err);
}

static int number_get(const struct console_argument *a, const json_t *v, int64_t *ret,
                      struct corral_error *err)
{
	double real = json_real_value(v); /* 0 for what is none */
	int64_t number;

	if (json_is_integer(v))
		number = json_integer_value(v);
	else if (json_is_real(v) && real >= -REAL_MAX && real <= REAL_MAX &&
	         (double)(int64_t)real == real)
		number = (int64_t)real;
	else
		return wrong_kind(a, v, "a whole number", err);
	if (a->has_min && number < a->min)
		return corral_error_set(err, EINVAL, "%s: %" PRId64 " is less than %" PRId64,
		                        a->name, number, a->min);
	*ret = number;
	return 0;
}

static int mode_get(const struct console_argument *a, const json_t *v,
                    enum corral_console_output_mode *ret, struct corral_error *err)
{
	const char *text = json_string_value(v);

	for (unsigned int i = 0; text && i < CORRAL_COUNT(console_modes); i++) {
		if (!strcmp(text, console_modes[i])) {
			*ret = i;
			return 0;
		}
	}
	return corral_error_set(err, EINVAL, "%s: files_with_matches, content or count is expected",
	                        a->name);
}

static int argument_get(const struct console_argument *a, const json_t *v,
                        struct corral_console_arguments *ret, struct corral_error *err)
{
	void *to = field(ret, a->offset);
	int r = 0;

	if (json_is_null(v) && a->nullable) {
		if (a->kind == CONSOLE_NUMBER)
			*(bool *)field(ret, a->given) = false;
		return 0;
	}
	switch (a->kind) {
	case CONSOLE_TEXT:
	case CONSOLE_CONTENT:
		return text_get(a, v, to, err);
	case CONSOLE_NUMBER:
		r = number_get(a, v, to, err);
		if (r == 0 && a->nullable)
			*(bool *)field(ret, a->given) = true;
		return r;
	case CONSOLE_SWITCH:
		if (!json_is_boolean(v))
			return wrong_kind(a, v, "true or false", err);
		*(bool *)to = json_is_true(v);
		return 0;
	case CONSOLE_MODE:
		return mode_get(a, v, to, err);
	}
	return r;
}

static int default_set(const struct corral_console_schema *s, const struct console_argument *a,
                       struct corral_console_arguments *ret, struct corral_error *err)
{
	void *to = field(ret, a->offset);

	if (a->required || a->null)
		return 0;
	switch (a->kind) {
	case CONSOLE_TEXT:
	case CONSOLE_CONTENT:
		return text_set(to, a->text, strlen(a->text), err);
	case CONSOLE_NUMBER:
		*(int64_t *)to = console_default(s, a);
		if (a->nullable)
			*(bool *)field(ret, a->given) = true;
		return 0;
	case CONSOLE_SWITCH:
		*(bool *)to = console_default(s, a);
		return 0;
	case CONSOLE_MODE:
		*(enum corral_console_output_mode *)to =
		        (enum corral_console_output_mode)console_default(s, a);
		return 0;
	}
	return 0;
}

static const struct console_argument *find(const struct console_tool *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!strcmp(t->arguments[i].name, name))
			return &t->arguments[i];
	}
	return NULL;
}

static int unknown(const struct console_tool *t, const char *key, struct corral_error *err)
{
	corral_autobuf struct corral_buf names = CORRAL_BUF_INIT;

	for (size_t i = 0; i < t->n; i++)
		corral_buf_fmt(&names, "%s%s", i ? ", " : "", t->arguments[i].name);
	return corral_error_set(err, EINVAL, "%.60s: no such argument: %s", key,
	                        names.data && !names.failed ? names.data : "there are none");
}

static int object_get(const struct console_tool *t, json_t *root,
                      struct corral_console_arguments *ret, struct corral_error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(root, key, value)
	{
		const struct console_argument *a = find(t, key);
		int r = a ? argument_get(a, value, ret, err) : unknown(t, key, err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < t->n; i++) {
		if (t->arguments[i].required && !json_object_get(root, t->arguments[i].name))
			return corral_error_set(err, EINVAL, "%s: missing", t->arguments[i].name);
	}
	return 0;
}

void corral_console_arguments_done(struct corral_console_arguments *a)
{
	struct corral_console_text *const texts[] = {
		&a->path,       &a->pattern,    &a->glob_pattern, &a->command,
		&a->shell_id,   &a->start_hash, &a->end_hash,     &a->content,
		&a->old_string, &a->new_string, &a->new_content,
	};

	for (size_t i = 0; i < CORRAL_COUNT(texts); i++)
		free(texts[i]->data);
	memset(a, 0, sizeof(*a));
}

int corral_console_arguments_parse(const struct corral_console_schema *s,
                                   enum corral_console_tool_id id, const char *json, size_t len,
                                   struct corral_console_arguments *ret, struct corral_error *err)
{
	const struct console_tool *t = &console_tools[id];
	struct corral_console_arguments a = { 0 };
	corral_auto(json_freep) json_t *root = NULL;
	json_error_t e;
	int r = 0;

	root = len ? json_loadb(json, len,
	                        JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &e)
	           : json_object();
	if (!root && len)
		return corral_error_set(err, EINVAL, "arguments: line %d, column %d: %s", e.line,
		                        e.column, e.text);
	if (!root)
		return corral_error_sys(err, ENOMEM, "arguments");
	if (!json_is_object(root))
		return corral_error_set(err, EINVAL, "arguments: %s where an object is expected",
		                        corral_json_kind(root));
	for (size_t i = 0; r == 0 && i < t->n; i++)
		r = default_set(s, &t->arguments[i], &a, err);
	if (r == 0)
		r = object_get(t, root, &a, err);
	if (r < 0) {
		corral_console_arguments_done(&a);
		return r;
	}
	*ret = a;
	return 0;
}
