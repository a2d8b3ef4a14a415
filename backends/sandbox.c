/*
 * The front door of backends that run commands.
 */
#include "backends/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend_ops.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

static int needs(const struct corral_backend *b, enum corral_backend_cap cap, const char *what,
                 struct corral_error *err)
{
	return corral_backend_lacks(b, corral_backend_can(b, cap), what, err);
}

int corral_backend_execute(struct corral_backend *b, const struct corral_execute *x,
                           struct corral_executed *ret, struct corral_error *err)
{
	struct corral_execute whole = *x;
	int r = needs(b, CORRAL_BACKEND_CAN_EXECUTE, "commands", err);

	memset(ret, 0, sizeof(*ret));
	ret->exit_code = 1;
	if (r < 0)
		return r;
	if (!x->command == !(x->argv && x->argv[0]))
		return corral_error_set(err, EINVAL,
		                        "execute: a command or an argv, and only one of them");
	if (!whole.output_bytes)
		whole.output_bytes = CORRAL_EXECUTE_OUTPUT_BYTES;
	corral_backend_enter(b);
	r = b->ops->execute(b, &whole, ret, err);
	corral_backend_leave(b);
	return r;
}

void corral_executed_done(struct corral_executed *x)
{
	corral_buf_done(&x->out);
	corral_buf_done(&x->err);
	corral_receipt_done(&x->receipt);
	memset(x, 0, sizeof(*x));
}

void corral_executed_text(const struct corral_executed *x, const struct corral_error *err,
                          struct corral_buf *ret)
{
	size_t begin = ret->len;

	corral_utf8_add(ret, x->out.data, x->out.len);
	corral_utf8_add(ret, x->err.data, x->err.len);
	if (x->timed_out || (err && err->text[0])) {
		if (ret->len > begin)
			corral_buf_str(ret, "\n\n");
		corral_buf_str(ret, "Error: ");
		corral_buf_str(ret, x->timed_out ? "Command timed out" : err->text);
	}
}

int corral_backend_stop(struct corral_backend *b, const char *run_id, struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_EXECUTE, "commands", err);

	/* Not counted as use: it ends what is. */
	return r < 0 ? r : b->ops->stop(b, run_id, err);
}

int corral_backend_background_start(struct corral_backend *b, const char *command,
                                    struct corral_background *ret, struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_BACKGROUND, "background processes", err);

	memset(ret, 0, sizeof(*ret));
	if (r < 0)
		return r;
	corral_backend_enter(b);
	r = b->ops->background_start(b, command, ret, err);
	corral_backend_leave(b);
	return r;
}

int corral_backend_background_read(struct corral_backend *b, const char *shell_id,
                                   struct corral_buf *out, struct corral_buf *err_out,
                                   struct corral_background *ret, struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_BACKGROUND, "background processes", err);
	char id[CORRAL_SHELL_ID_SIZE];

	/* Often it is the one in ret. */
	(void)snprintf(id, sizeof(id), "%s", shell_id);
	memset(ret, 0, sizeof(*ret));
	return r < 0 ? r : b->ops->background_read(b, id, out, err_out, ret, err);
}

int corral_backend_background_kill(struct corral_backend *b, const char *shell_id,
                                   struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_BACKGROUND, "background processes", err);

	return r < 0 ? r : b->ops->background_kill(b, shell_id, err);
}

int corral_backend_background_list(struct corral_backend *b, struct corral_background_list *ret,
                                   struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_BACKGROUND, "background processes", err);

	memset(ret, 0, sizeof(*ret));
	return r < 0 ? r : b->ops->background_list(b, ret, err);
}

void corral_background_list_done(struct corral_background_list *l)
{
	free(l->items);
	free(l->text);
	memset(l, 0, sizeof(*l));
}

int corral_backend_background_kill_all(struct corral_backend *b, struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_BACKGROUND, "background processes", err);

	return r < 0 ? r : b->ops->background_kill_all(b, err);
}

int corral_backend_terminal_open(struct corral_backend *b, const struct corral_terminal_options *o,
                                 struct corral_terminal **ret, struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_TERMINAL, "terminals", err);

	if (r < 0)
		return r;
	corral_backend_enter(b);
	r = b->ops->terminal_open(b, o, ret, err);
	corral_backend_leave(b);
	return r;
}

int corral_backend_start(struct corral_backend *b, struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_EXECUTE, "commands", err);

	if (r < 0)
		return r;
	corral_backend_enter(b);
	r = b->ops->start(b, err);
	corral_backend_leave(b);
	return r;
}

bool corral_backend_is_alive(struct corral_backend *b)
{
	return corral_backend_can(b, CORRAL_BACKEND_CAN_EXECUTE) && b->ops->is_alive(b);
}

int corral_backend_end(struct corral_backend *b, struct corral_error *err)
{
	return corral_backend_can(b, CORRAL_BACKEND_CAN_EXECUTE) ? b->ops->end(b, err) : 0;
}

int corral_backend_pause(struct corral_backend *b, bool paused, struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_PAUSE, "pause", err);

	return r < 0 ? r : b->ops->pause(b, paused, err);
}

int corral_backend_usage(struct corral_backend *b, struct corral_usage *ret,
                         struct corral_error *err)
{
	int r = needs(b, CORRAL_BACKEND_CAN_MEASURE, "measure of its resources", err);

	return r < 0 ? r : b->ops->usage(b, ret, err);
}
