#include "backends/console.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

const char *console_text(const struct console_call *c, const char *name, const char *absent)
{
	const char *text = json_string_value(json_object_get(c->arguments, name));

	return text ? text : absent;
}

int64_t console_number(const struct console_call *c, const char *name, int64_t absent)
{
	const json_t *value = json_object_get(c->arguments, name);

	return json_is_integer(value) ? (int64_t)json_integer_value(value) : absent;
}

bool console_truth(const struct console_call *c, const char *name, bool absent)
{
	const json_t *value = json_object_get(c->arguments, name);

	return json_is_boolean(value) ? json_is_true(value) : absent;
}

void console_say(struct console_call *c, const char *fmt, ...)
{
	corral_autofree char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		c->result->text.failed = true;
		return;
	}
	corral_buf_add(&c->result->text, text, (size_t)n);
}

void console_fail(struct console_call *c, bool fixable, const char *text)
{
	c->result->text.len = 0;
	console_say(c, "Error: %s", text);
	c->result->failed = true;
	c->result->fixable = fixable;
}

/* What other arguments, or another look at the file, would mend. */
static bool is_fixable(int code)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
	case ERANGE:
	case ENOMSG:
	case ENOTUNIQ:
	case ESTALE:
	case EINVAL:
	case EFBIG:
	case EILSEQ:
	case EXDEV:
	case ENAMETOOLONG:
		return true;
	default:
		return false;
	}
}

void console_fail_with(struct console_call *c, const struct corral_error *err)
{
	console_fail(c, is_fixable(err->code), err->text);
}

static const struct {
	const char *name;
	console_tool_fn *call;
} calls[] = {
	{ "ls", console_ls },
	{ "read_file", console_read },
	{ "write_file", console_write },
	{ "edit_file", console_edit },
	{ "hashline_edit", console_hashline_edit },
	{ "glob", console_glob },
	{ "grep", console_grep },
	{ "execute", console_execute },
	{ "run_in_background", console_background },
	{ "read_output", console_output },
	{ "kill_shell", console_kill },
	{ "list_shells", console_list },
};

static console_tool_fn *call_of(const char *name)
{
	for (size_t i = 0; i < CORRAL_COUNT(calls); i++)
		if (!strcmp(calls[i].name, name))
			return calls[i].call;
	return NULL;
}

/* Which of the others a tool cannot do without. */
static bool is_offered(const struct corral_console_toolset *t, const struct corral_console_tool *tool)
{
	const struct corral_console_options *o = &t->o;
	bool is_shell = tool->operation == CORRAL_PERMISSION_EXECUTE;
	bool in_background = is_shell && strcmp(tool->name, "execute") != 0;

	if (!strcmp(tool->name, "edit_file") && o->hashline)
		return false;
	if (!strcmp(tool->name, "hashline_edit") && !o->hashline)
		return false;
	if (is_shell && (o->no_execute || !corral_backend_can(o->backend, CORRAL_BACKEND_CAN_EXECUTE)))
		return false;
	if (in_background && (o->no_background ||
	                      !corral_backend_can(o->backend, CORRAL_BACKEND_CAN_BACKGROUND)))
		return false;
	return !o->permissions || !corral_permission_hopeless(o->permissions, tool->operation);
}

int corral_console_toolset_new(const struct corral_console_options *o,
                               struct corral_console_toolset **ret, struct corral_error *err)
{
	struct corral_console_toolset *t = calloc(1, sizeof(*t));
	const struct corral_console_tool *all;
	size_t n;

	if (!t)
		return corral_error_sys(err, ENOMEM, "console toolset");
	t->o = *o;
	(void)pthread_mutex_init(&t->lock, NULL);
	for (size_t i = 0; i < CONSOLE_LOCKS; i++)
		(void)pthread_mutex_init(&t->files[i], NULL);
	all = corral_console_tools(&n);
	t->tools = calloc(n, sizeof(*t->tools));
	for (size_t i = 0; t->tools && i < n; i++)
		if (is_offered(t, &all[i]))
			t->tools[t->n_tools++] = &all[i];
	if (t->tools)
		t->prompt = corral_console_prompt_make(t->tools, t->n_tools);
	if (!t->prompt) {
		corral_console_toolset_free(t);
		return corral_error_sys(err, ENOMEM, "console toolset");
	}
	*ret = t;
	return 0;
}

void corral_console_toolset_free(struct corral_console_toolset *t)
{
	if (!t)
		return;
	console_seen_done(t);
	for (size_t i = 0; i < CONSOLE_LOCKS; i++)
		(void)pthread_mutex_destroy(&t->files[i]);
	(void)pthread_mutex_destroy(&t->lock);
	free((void *)t->tools);
	free(t->prompt);
	free(t);
}

const struct corral_console_tool *const *
corral_console_toolset_tools(const struct corral_console_toolset *t, size_t *ret_n)
{
	*ret_n = t->n_tools;
	return t->tools;
}

bool corral_console_toolset_asks(const struct corral_console_toolset *t,
                                 const struct corral_console_tool *tool)
{
	if (tool->never_asks)
		return false;
	if (t->o.permissions)
		return corral_permission_default(t->o.permissions, tool->operation) ==
		       CORRAL_PERMISSION_ASK;
	switch (tool->operation) {
	case CORRAL_PERMISSION_EXECUTE:
		return !t->o.no_ask_execute;
	case CORRAL_PERMISSION_WRITE:
	case CORRAL_PERMISSION_EDIT:
		return t->o.ask_write;
	case CORRAL_PERMISSION_READ:
	case CORRAL_PERMISSION_GLOB:
	case CORRAL_PERMISSION_GREP:
	case CORRAL_PERMISSION_LS:
		break;
	}
	return false;
}

const char *corral_console_system_prompt(const struct corral_console_toolset *t)
{
	return t->prompt;
}

/* What the rules say of this call; a refusal is a result. */
static bool is_refused(struct console_call *c, const struct corral_console_tool *tool)
{
	const struct corral_console_options *o = &c->t->o;
	struct corral_permission_target target = { .written = console_text(c, "path", ".") };
	struct corral_error err = { 0 };

	if (!o->permissions || o->guarded)
		return false;
	if (tool->operation == CORRAL_PERMISSION_EXECUTE) {
		target.written = console_text(c, "command", NULL);
		if (!target.written)
			return false; /* of what was started already */
	}
	if (corral_permission_enforce(o->permissions, tool->operation, &target, &err) == 0)
		return false;
	console_fail(c, false, err.text);
	return true;
}

static const struct corral_console_tool *tool_of(const struct corral_console_toolset *t,
                                                 const char *name)
{
	for (size_t i = 0; i < t->n_tools; i++)
		if (!strcmp(t->tools[i]->name, name))
			return t->tools[i];
	return NULL;
}

/* A model reads text: names and outputs of others' making may be none. */
static int text_clean(struct corral_console_result *r, struct corral_error *err)
{
	struct corral_buf clean = CORRAL_BUF_INIT;

	if (!r->text.failed && corral_utf8_valid(r->text.data ? r->text.data : "", r->text.len))
		return 0;
	corral_utf8_add(&clean, r->text.data ? r->text.data : "", r->text.len);
	clean.failed |= r->text.failed;
	corral_buf_done(&r->text);
	r->text = clean;
	return clean.failed ? corral_error_sys(err, ENOMEM, "out of memory") : 0;
}

int corral_console_toolset_call(struct corral_console_toolset *t, const char *name,
                                const char *arguments, size_t len,
                                const struct corral_console_control *control,
                                struct corral_console_result *ret, struct corral_error *err)
{
	const struct corral_console_tool *tool = tool_of(t, name);
	struct console_call c = {
		.t = t, .backend = t->o.backend, .control = control, .result = ret
	};
	json_t *values = NULL;
	int r;

	*ret = (struct corral_console_result) { .text = CORRAL_BUF_INIT, .data = CORRAL_BUF_INIT };
	if (!tool)
		return corral_error_set(err, ENOENT, "no tool '%.64s'", name);
	r = corral_console_arguments_parse(tool, arguments, len, &values, err);
	if (r < 0)
		return r;
	c.arguments = values;
	if (!is_refused(&c, tool))
		call_of(name)(&c);
	json_decref(values);
	return text_clean(ret, err);
}

void corral_console_result_done(struct corral_console_result *r)
{
	corral_buf_done(&r->text);
	corral_buf_done(&r->data);
}
