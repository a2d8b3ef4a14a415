#include "backends/console_schema.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console_descriptions.h"
#include "backends/console_tools.h"
#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

struct corral_console_schema {
	struct corral_console_tool tools[CORRAL_CONSOLE_TOOLS];
	size_t n;
	bool ignore_hidden;
	char *prompt;
};

static void json_freep(json_t **v)
{
	json_decref(*v);
}

static void schema_freep(struct corral_console_schema **s)
{
	corral_console_schema_free(*s);
}

const char *corral_console_tool_name(enum corral_console_tool_id id)
{
	return console_tools[id].name;
}

enum corral_permission_operation corral_console_tool_operation(enum corral_console_tool_id id)
{
	return console_tools[id].operation;
}

int64_t console_default(const struct corral_console_schema *s, const struct console_argument *a)
{
	if (a->offset == offsetof(struct corral_console_arguments, ignore_hidden))
		return s->ignore_hidden;
	return a->number;
}

/* The caller's words for a part of a tool's description, or ours. */
static const char *word(const json_t *words, const char *key, const char *ours)
{
	const char *theirs = json_string_value(json_object_get(words, key));

	return theirs ? theirs : ours;
}

static void paragraph(struct corral_buf *b, const char *text)
{
	if (text && *text)
		corral_buf_fmt(b, "\n\n%s", text);
}

static char *description_make(const struct corral_console_options *o, const struct console_tool *t,
                              const json_t *words)
{
	struct corral_buf b = CORRAL_BUF_INIT;
	const char *returns = word(words, "returns", t->returns);
	const bool reads = t == &console_tools[CORRAL_CONSOLE_READ_FILE];

	if (json_is_string(words))
		return strdup(json_string_value(words));
	corral_buf_fmt(&b, "%s%s", returns && *returns ? "<summary>" : "",
	               word(words, "summary", t->summary));
	paragraph(&b, word(words, "usage", t->usage));
	if (o->hashline && !json_object_get(words, "usage"))
		paragraph(&b, t->hashed);
	if (reads && o->image_support)
		paragraph(&b, "Images (png, jpg, jpeg, gif, webp) are shown as images.");
	if (reads && o->document_support)
		paragraph(&b, "PDF files are shown as documents.");
	if (!o->agent)
		paragraph(&b, word(words, "coding", t->coding));
	if (returns && *returns)
		corral_buf_fmt(&b,
		               "</summary>\n<returns>\n<description>%s</description>\n</returns>",
		               returns);
	return corral_buf_take(&b);
}

static json_t *type_make(const struct console_argument *a)
{
	switch (a->kind) {
	case CONSOLE_TEXT:
	case CONSOLE_CONTENT:
		return json_pack("{s:s}", "type", "string");
	case CONSOLE_NUMBER:
		if (a->has_min)
			return json_pack("{s:s, s:I}", "type", "integer", "minimum",
			                 (json_int_t)a->min);
		return json_pack("{s:s}", "type", "integer");
	case CONSOLE_SWITCH:
		return json_pack("{s:s}", "type", "boolean");
	case CONSOLE_MODE:
		return json_pack("{s:s, s:[s, s, s]}", "type", "string", "enum", console_modes[0],
		                 console_modes[1], console_modes[2]);
	}
	return NULL;
}

static json_t *default_make(const struct corral_console_schema *s, const struct console_argument *a)
{
	if (a->null)
		return json_null();
	switch (a->kind) {
	case CONSOLE_TEXT:
	case CONSOLE_CONTENT:
		return json_string(a->text);
	case CONSOLE_NUMBER:
		return json_integer(console_default(s, a));
	case CONSOLE_SWITCH:
		return json_boolean(console_default(s, a));
	case CONSOLE_MODE:
		return json_string(console_modes[console_default(s, a)]);
	}
	return NULL;
}

static json_t *argument_make(const struct corral_console_schema *s,
                             const struct console_argument *a, const json_t *words)
{
	corral_auto(json_freep) json_t *v = type_make(a);
	const char *text = word(json_object_get(words, "args"), a->name, a->description);

	if (v && a->nullable) {
		json_t *either = json_pack("{s:[O, {s:s}]}", "anyOf", v, "type", "null");

		json_decref(v);
		v = either;
	}
	if (!v || json_object_set_new(v, "description", json_string(text)) < 0)
		return NULL;
	if (!a->required && json_object_set_new(v, "default", default_make(s, a)) < 0)
		return NULL;
	return corral_take_ptr(&v);
}

static char *parameters_make(const struct corral_console_schema *s, const struct console_tool *t,
                             const json_t *words)
{
	corral_auto(json_freep) json_t *root =
	        json_pack("{s:s, s:{}, s:[], s:b}", "type", "object", "properties", "required",
	                  "additionalProperties", 0);

	for (size_t i = 0; root && i < t->n; i++) {
		const struct console_argument *a = &t->arguments[i];

		if (json_object_set_new(json_object_get(root, "properties"), a->name,
		                        argument_make(s, a, words)) < 0)
			return NULL;
		if (a->required && json_array_append_new(json_object_get(root, "required"),
		                                         json_string(a->name)) < 0)
			return NULL;
	}
	return root ? json_dumps(root, JSON_COMPACT) : NULL;
}

static bool wanted(const struct corral_console_options *o, enum corral_console_tool_id id)
{
	const struct console_tool *t = &console_tools[id];

	if (id == (o->hashline ? CORRAL_CONSOLE_EDIT_FILE : CORRAL_CONSOLE_HASHLINE_EDIT))
		return false;
	if ((t->shell && !o->include_execute) || (t->background && !o->include_background))
		return false;
	return !o->permissions || !corral_permission_hopeless(o->permissions, t->operation);
}

static bool needs_approval(const struct corral_console_options *o, const struct console_tool *t)
{
	if (!t->approved)
		return false;
	if (o->permissions)
		return corral_permission_default(o->permissions, t->approval) ==
		       CORRAL_PERMISSION_ASK;
	return t->approval == CORRAL_PERMISSION_WRITE ? o->require_write_approval
	                                              : o->require_execute_approval;
}

static char *prompt_make(const struct corral_console_schema *s)
{
	struct corral_buf b = CORRAL_BUF_INIT;

	corral_buf_str(&b, "## Console Tools\n\nYou work on files with these tools:\n\n");
	for (size_t i = 0; i < s->n; i++)
		corral_buf_fmt(&b, "- `%s`: %s\n", s->tools[i].name,
		               console_tools[s->tools[i].id].summary);
	if (corral_console_schema_find(s, console_tools[CORRAL_CONSOLE_HASHLINE_EDIT].name))
		corral_buf_str(&b, "\n`read_file` tags each line with a content hash, as "
		                   "`number:hash|text`; `hashline_edit` names lines by both.\n");
	corral_buf_str(&b, "\nRead each tool's description before you use it.");
	return corral_buf_take(&b);
}

int corral_console_schema_new(const struct corral_console_options *options,
                              struct corral_console_schema **ret, struct corral_error *err)
{
	corral_auto(schema_freep) struct corral_console_schema *s = calloc(1, sizeof(*s));
	corral_auto(json_freep) json_t *descriptions = NULL;
	int r;

	if (!s)
		return corral_error_sys(err, ENOMEM, "console tools");
	r = console_descriptions_load(options->descriptions, &descriptions, err);
	if (r < 0)
		return r;
	s->ignore_hidden = options->default_ignore_hidden;
	for (unsigned int id = 0; id < CORRAL_CONSOLE_TOOLS; id++) {
		const struct console_tool *t = &console_tools[id];
		const json_t *words = json_object_get(descriptions, t->name);
		struct corral_console_tool *tool = &s->tools[s->n];

		if (!wanted(options, id))
			continue;
		s->n++;
		tool->id = id;
		tool->name = t->name;
		tool->operation = t->operation;
		tool->needs_approval = needs_approval(options, t);
		tool->description = description_make(options, t, words);
		tool->parameters = parameters_make(s, t, words);
		if (!tool->description || !tool->parameters)
			return corral_error_sys(err, ENOMEM, "console tools");
	}
	s->prompt = prompt_make(s);
	if (!s->prompt)
		return corral_error_sys(err, ENOMEM, "console tools");
	*ret = corral_take_ptr(&s);
	return 0;
}

void corral_console_schema_free(struct corral_console_schema *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		free(s->tools[i].description);
		free(s->tools[i].parameters);
	}
	free(s->prompt);
	free(s);
}

size_t corral_console_schema_count(const struct corral_console_schema *s)
{
	return s->n;
}

const struct corral_console_tool *corral_console_schema_tool(const struct corral_console_schema *s,
                                                             size_t i)
{
	return &s->tools[i];
}

const struct corral_console_tool *corral_console_schema_find(const struct corral_console_schema *s,
                                                             const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!strcmp(s->tools[i].name, name))
			return &s->tools[i];
	}
	return NULL;
}

const char *corral_console_system_prompt(const struct corral_console_schema *s)
{
	return s->prompt;
}

int corral_console_schema_dump(const struct corral_console_schema *s, char **ret,
                               struct corral_error *err)
{
	corral_auto(json_freep) json_t *root = json_array();
	char *text;

	for (size_t i = 0; root && i < s->n; i++) {
		const struct corral_console_tool *t = &s->tools[i];
		json_t *tool =
		        json_pack("{s:s, s:s, s:o, s:b, s:s}", "name", t->name, "description",
		                  t->description, "parameters", json_loads(t->parameters, 0, NULL),
		                  "needs_approval", (int)t->needs_approval, "operation",
		                  corral_permission_operation_name(t->operation));

		if (json_array_append_new(root, tool) < 0)
			return corral_error_sys(err, ENOMEM, "console tools");
	}
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (!text)
		return corral_error_sys(err, ENOMEM, "console tools");
	*ret = text;
	return 0;
}
