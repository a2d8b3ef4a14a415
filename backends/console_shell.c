#include <errno.h>
#include <string.h>

#include "backends/console_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

static int counted(void *ctx, enum corral_stream stream, const void *data, size_t len)
{
	const struct corral_console_control *control = ctx;

	(void)stream;
	(void)data;
	control->on_output(control->ctx, len);
	return 0;
}

void console_execute(struct console_call *c)
{
	const struct corral_console_control *control = c->control;
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_execute x = { .command = c->a->command.data,
		                    .timeout_ms = c->a->has_timeout ? c->a->timeout * 1000 : -1 };
	struct corral_error err = { 0 };
	struct corral_executed e;
	int r;

	x.output_bytes = c->t->o.output_bytes;
	if (c->t->o.timeout_max_ms && (x.timeout_ms < 0 || x.timeout_ms > c->t->o.timeout_max_ms))
		x.timeout_ms = c->t->o.timeout_max_ms;
	if (control) {
		x.cancel = control->cancel;
		x.on_output = control->on_output ? counted : NULL;
		x.ctx = (void *)(uintptr_t)control;
	}
	r = corral_backend_execute(c->backend, &x, &e, &err);
	if (r < 0) {
		corral_executed_done(&e);
		console_fail_with(c, &err);
		return;
	}
	corral_executed_text(&e, NULL, &text);
	if (e.truncated)
		corral_buf_str(&text, "\n\n... (output truncated)");
	if (e.exit_code != 0) {
		console_say(c, "Command failed (exit code %d):\n", e.exit_code);
		if (e.receipt.reason == CORRAL_REASON_OOM)
			console_say(c,
			            "Out of memory: it was killed with all that ran beside it.\n");
		c->result->failed = true;
	}
	corral_buf_add(&c->result->text, text.data, text.len);
	c->result->text.failed |= text.failed;
	corral_executed_done(&e);
}

void console_background(struct console_call *c)
{
	struct corral_background shell;
	struct corral_error err = { 0 };

	if (corral_backend_background_start(c->backend, c->a->command.data, &shell, &err) < 0) {
		console_fail_with(c, &err);
		return;
	}
	console_say(c,
	            "Started background shell %s (pid %d).\nUse read_output('%s') to follow its "
	            "output and kill_shell('%s') to stop it.",
	            shell.shell_id, shell.pid, shell.shell_id, shell.shell_id);
}

/* Without the white space at both ends. */
static void strip(const struct corral_buf *b, size_t *ret_begin, size_t *ret_end)
{
	size_t begin = 0, end = b->len;

	while (begin < end && strchr(" \t\r\n\v\f", b->data[begin]) && b->data[begin])
		begin++;
	while (end > begin && strchr(" \t\r\n\v\f", b->data[end - 1]) && b->data[end - 1])
		end--;
	*ret_begin = begin;
	*ret_end = end;
}

static void say_status(struct console_call *c, const struct corral_background *shell,
                       const char *format)
{
	if (shell->running)
		console_say(c, "running");
	else if (shell->has_exit_code)
		console_say(c, format[0] == '(' ? "exited(%d)" : "exited (code %d)",
		            shell->exit_code);
	else
		console_say(c, format[0] == '(' ? "exited(unknown)" : "exited (code unknown)");
}

void console_output(struct console_call *c)
{
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT, errors = CORRAL_BUF_INIT,
	                                 text = CORRAL_BUF_INIT;
	const char *id = c->a->shell_id.data;
	struct corral_background shell;
	struct corral_error err = { 0 };
	size_t begin, end;

	if (corral_backend_background_read(c->backend, id, &out, &errors, &shell, &err) < 0) {
		console_fail_with(c, &err);
		return;
	}
	corral_buf_add(&out, errors.data, errors.len);
	corral_utf8_add(&text, out.data ? out.data : "", out.len);
	strip(&text, &begin, &end);
	console_say(c, "[%s] ", id);
	say_status(c, &shell, " ");
	console_say(c, "\n");
	if (begin == end)
		console_say(c, "(no new output)");
	else
		corral_buf_add(&c->result->text, text.data + begin, end - begin);
}

void console_kill(struct console_call *c)
{
	const char *id = c->a->shell_id.data;
	struct corral_error err = { 0 };
	int r = corral_backend_background_kill(c->backend, id, &err);

	if (r < 0)
		console_fail_with(c, &err);
	else if (r)
		console_say(c, "Killed background shell %s.", id);
	else
		console_say(c, "Background shell %s was already finished or unknown.", id);
}

void console_list(struct console_call *c)
{
	struct corral_background_list list = { 0 };
	struct corral_error err = { 0 };

	if (corral_backend_background_list(c->backend, &list, &err) < 0) {
		console_fail_with(c, &err);
		return;
	}
	if (!list.n)
		console_say(c, "No background shells.");
	for (size_t i = 0; i < list.n; i++) {
		console_say(c, "%s%s  ", i ? "\n" : "", list.items[i].shell_id);
		say_status(c, &list.items[i], "(");
		console_say(c, "  %s", list.items[i].command);
	}
	corral_background_list_done(&list);
}
