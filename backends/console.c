#include "backends/console.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "backends/console_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

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

static console_tool_fn *const calls[CORRAL_CONSOLE_TOOLS] = {
	[CORRAL_CONSOLE_LS] = console_ls,
	[CORRAL_CONSOLE_READ_FILE] = console_read,
	[CORRAL_CONSOLE_WRITE_FILE] = console_write,
	[CORRAL_CONSOLE_EDIT_FILE] = console_edit,
	[CORRAL_CONSOLE_HASHLINE_EDIT] = console_hashline_edit,
	[CORRAL_CONSOLE_GLOB] = console_glob,
	[CORRAL_CONSOLE_GREP] = console_grep,
	[CORRAL_CONSOLE_EXECUTE] = console_execute,
	[CORRAL_CONSOLE_RUN_IN_BACKGROUND] = console_background,
	[CORRAL_CONSOLE_READ_OUTPUT] = console_output,
	[CORRAL_CONSOLE_KILL_SHELL] = console_kill,
	[CORRAL_CONSOLE_LIST_SHELLS] = console_list,
};

int corral_console_toolset_new(const struct corral_console_toolset_options *o,
                               struct corral_console_toolset **ret, struct corral_error *err)
{
	struct corral_console_toolset *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return corral_error_sys(err, ENOMEM, "console toolset");
	t->o = *o;
	t->o.tools.include_execute &= corral_backend_can(o->backend, CORRAL_BACKEND_CAN_EXECUTE);
	t->o.tools.include_background &=
	        corral_backend_can(o->backend, CORRAL_BACKEND_CAN_BACKGROUND);
	(void)pthread_mutex_init(&t->lock, NULL);
	for (size_t i = 0; i < CONSOLE_LOCKS; i++)
		(void)pthread_mutex_init(&t->files[i], NULL);
	r = corral_console_schema_new(&t->o.tools, &t->schema, err);
	if (r < 0)
		corral_console_toolset_free(t);
	else
		*ret = t;
	return r;
}

void corral_console_toolset_free(struct corral_console_toolset *t)
{
	if (!t)
		return;
	console_seen_done(t);
	for (size_t i = 0; i < CONSOLE_LOCKS; i++)
		(void)pthread_mutex_destroy(&t->files[i]);
	(void)pthread_mutex_destroy(&t->lock);
	corral_console_schema_free(t->schema);
	free(t);
}

const struct corral_console_schema *corral_console_toolset_schema(
        const struct corral_console_toolset *t)
{
	return t->schema;
}

/* What the rules say of this call; a refusal is a result. */
static bool is_refused(struct console_call *c, const struct corral_console_tool *tool)
{
	const struct corral_permission_checker *rules = c->t->o.tools.permissions;
	struct corral_permission_target target = { .written = c->a->path.data };
	struct corral_error err = { 0 };

	if (!rules || c->t->o.guarded)
		return false;
	if (tool->operation == CORRAL_PERMISSION_EXECUTE)
		target.written = c->a->command.data;
	/* Of what was started already, or of a search in all there is. */
	if (!target.written && tool->operation == CORRAL_PERMISSION_EXECUTE)
		return false;
	if (!target.written)
		target.written = ".";
	if (corral_permission_enforce(rules, tool->operation, &target, &err) == 0)
		return false;
	console_fail(c, false, err.text);
	return true;
}

/* Of a sandbox that went by itself, what its caller is told to do (backends/boxes.c): it is done.
 */
static void advice_cut(struct corral_buf *b)
{
	static const char advice[] = ": start it again";
	const size_t len = strlen(advice);

	if (!b->failed && b->len >= len && !memcmp(b->data + b->len - len, advice, len))
		b->len -= len;
}

static void restart(struct console_call *c)
{
	struct corral_error err = { 0 };

	if (!corral_backend_can(c->backend, CORRAL_BACKEND_CAN_EXECUTE) ||
	    corral_backend_is_alive(c->backend))
		return;
	advice_cut(&c->result->text);
	if (corral_backend_start(c->backend, &err) < 0)
		console_say(c, "\nThe sandbox is gone, and no other can be made: %s", err.text);
	else
		console_say(c,
		            "\nThe sandbox is gone. A fresh one has been made: what was not in the "
		            "workspace is lost.");
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
	const struct corral_console_tool *tool = corral_console_schema_find(t->schema, name);
	struct corral_console_arguments a;
	struct console_call c = {
		.t = t, .backend = t->o.backend, .a = &a, .control = control, .result = ret
	};
	int r;

	*ret = (struct corral_console_result) { .text = CORRAL_BUF_INIT, .data = CORRAL_BUF_INIT };
	if (!tool)
		return corral_error_set(err, ENOENT, "no tool '%.64s'", name);
	r = corral_console_arguments_parse(t->schema, tool->id, arguments, len, &a, err);
	if (r < 0)
		return r;
	if (!is_refused(&c, tool))
		calls[tool->id](&c);
	corral_console_arguments_done(&a);
	if (t->o.restarts && ret->failed)
		restart(&c);
	return text_clean(ret, err);
}

void corral_console_result_done(struct corral_console_result *r)
{
	corral_buf_done(&r->text);
	corral_buf_done(&r->data);
}
