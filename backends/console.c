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
