#include "backends/console_descriptions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console_tools.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_add(struct corral_buf *b, const char **names, size_t n)
{
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++)
		corral_buf_fmt(b, "%s%s", i ? ", " : "", names[i]);
}

static bool is_tool(const char *name)
{
	for (size_t i = 0; i < CORRAL_CONSOLE_TOOLS; i++) {
		if (!strcmp(name, console_tools[i].name))
			return true;
	}
	return false;
}

/* Keys that are no tools, in one message. */
static int names_check(const json_t *descriptions, struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	const char *valid[CORRAL_CONSOLE_TOOLS], *key;
	corral_autofree const char **unknown =
	        calloc(json_object_size(descriptions) + 1, sizeof(*unknown));
	size_t n = 0;
	json_t *value;

	if (!unknown)
		return corral_error_sys(err, ENOMEM, "descriptions");
	json_object_foreach((json_t *)descriptions, key, value)
	{
		if (!is_tool(key))
			unknown[n++] = key;
	}
	if (!n)
		return 0;
	for (size_t i = 0; i < CORRAL_CONSOLE_TOOLS; i++)
		valid[i] = console_tools[i].name;
	corral_buf_str(&b, "Unknown tool name(s) in `descriptions`: ");
	names_add(&b, unknown, n);
	corral_buf_str(&b, ". Valid names: ");
	names_add(&b, valid, CORRAL_CONSOLE_TOOLS);
	corral_buf_str(&b, ".");
	if (b.failed)
		return corral_error_sys(err, ENOMEM, "descriptions");
	return corral_error_set(err, EINVAL, "%s", b.data);
}

static bool has_argument(const struct console_tool *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!strcmp(t->arguments[i].name, name))
			return true;
	}
	return false;
}

static int arguments_check(const struct console_tool *t, const json_t *args,
                           struct corral_error *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(args))
		return corral_error_set(err, EINVAL, "descriptions.%s.args: no object", t->name);
	json_object_foreach((json_t *)args, key, value)
	{
		if (!has_argument(t, key))
			return corral_error_set(err, EINVAL,
			                        "descriptions.%s.args.%.60s: no such argument",
			                        t->name, key);
		if (!json_is_string(value))
			return corral_error_set(err, EINVAL, "descriptions.%s.args.%s: no text",
			                        t->name, key);
	}
	return 0;
}

/* A tool's words: a text, or an object of texts. */
static int words_check(const struct console_tool *t, const json_t *words, struct corral_error *err)
{
	const char *key;
	json_t *value;
	int r = 0;

	if (!words || json_is_string(words))
		return 0;
	if (!json_is_object(words))
		return corral_error_set(err, EINVAL, "descriptions.%s: neither text nor object",
		                        t->name);
	json_object_foreach((json_t *)words, key, value)
	{
		bool text = !strcmp(key, "summary") || !strcmp(key, "usage") ||
		            !strcmp(key, "coding") || !strcmp(key, "returns");

		if (json_is_null(value) && (text || !strcmp(key, "args")))
			continue;
		if (!strcmp(key, "args"))
			r = arguments_check(t, value, err);
		else if (!text)
			r = corral_error_set(err, EINVAL,
			                     "descriptions.%s.%.60s: no such key: summary, usage, "
			                     "coding, args, returns",
			                     t->name, key);
		else if (!json_is_string(value))
			r = corral_error_set(err, EINVAL, "descriptions.%s.%s: no text", t->name,
			                     key);
		if (r < 0)
			return r;
	}
	return 0;
}

int console_descriptions_load(const char *text, json_t **ret, struct corral_error *err)
{
	corral_auto(json_freep) json_t *root = NULL;
	json_error_t e;
	int r;

	root = text ? json_loads(text, JSON_REJECT_DUPLICATES, &e) : json_object();
	if (!root && text)
		return corral_error_set(err, EINVAL, "descriptions: line %d, column %d: %s", e.line,
		                        e.column, e.text);
	if (!root)
		return corral_error_sys(err, ENOMEM, "descriptions");
	if (!json_is_object(root))
		return corral_error_set(err, EINVAL, "descriptions: no object");
	r = names_check(root, err);
	for (size_t i = 0; r == 0 && i < CORRAL_CONSOLE_TOOLS; i++)
		r = words_check(&console_tools[i], json_object_get(root, console_tools[i].name),
		                err);
	if (r < 0)
		return r;
	*ret = corral_take_ptr(&root);
	return 0;
}
