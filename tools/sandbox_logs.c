/* corral sandbox logs: what was started with corral exec -d, and what it wrote. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/json_print.h"
#include "tools/message.h"
#include "tools/sandbox_commands.h"
#include "tools/shells.h"
#include "tools/table.h"
#include "tools/write_all.h"

/* More than the holder keeps of one stream. */
#define READ_MAX ((size_t)64 << 20)

static json_t *object_of(const struct corral_background *g)
{
	return json_pack("{s:s, s:b, s:i, s:o}", "shell_id", g->shell_id, "running", g->running,
	                 "pid", g->pid, "exit_code",
	                 g->has_exit_code ? json_integer(g->exit_code) : json_null());
}

static int print_table(const struct corral_background_list *list, struct corral_error *err)
{
	static const char *const headings[] = { "SHELL", "STATE", "COMMAND" };
	struct corral_table t;
	char state[32];
	int r;

	corral_table_init(&t, headings, CORRAL_COUNT(headings));
	for (size_t i = 0; i < list->n; i++) {
		const struct corral_background *g = &list->items[i];

		if (g->running)
			(void)snprintf(state, sizeof(state), "running");
		else if (g->exit_code >= 0)
			(void)snprintf(state, sizeof(state), "exit %d", g->exit_code);
		else
			(void)snprintf(state, sizeof(state), "signal %d", -g->exit_code);
		corral_table_add(&t, (const char *const[]) { g->shell_id, state, g->command });
	}
	r = corral_table_print(&t, stdout);
	corral_table_done(&t);
	return r < 0 ? corral_error_sys(err, -r, "print") : 0;
}

static int print_list(struct corral_call *call, const struct corral_record *record,
                      struct corral_error *err)
{
	struct corral_background_list list = { 0 };
	json_t *all;
	int r = corral_shells_list(&call->sandboxes, record, &list, err);

	if (r < 0)
		return r;
	if (!call->options.json) {
		r = print_table(&list, err);
	} else {
		all = json_array();
		for (size_t i = 0; i < list.n; i++) {
			json_t *one = object_of(&list.items[i]);

			(void)json_object_set_new(one, "command",
			                          json_string(list.items[i].command));
			(void)json_array_append_new(all, one);
		}
		r = corral_json_print(all, err);
	}
	corral_background_list_done(&list);
	return r;
}

static int print_streams(const struct corral_call *call, const struct corral_background *g,
                         const struct corral_shell_files *f, struct corral_error *err)
{
	static const char *const names[] = { "stdout", "stderr" };
	json_t *one = call->options.json ? object_of(g) : NULL;
	int r = 0;

	for (int i = 0; i < 2 && r == 0; i++) {
		corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
		int64_t at = 0;

		r = corral_shell_read(f, i, &at, READ_MAX, &text, err);
		if (r == 0 && f->from[i] && !call->options.json)
			corral_say("%s: the first %" PRId64 " bytes are not kept any more",
			           names[i], f->from[i]);
		if (r == 0 && f->fds[i] < 0 && !one)
			corral_say("%s: went elsewhere, to a file that corral exec -d was given",
			           names[i]);
		if (r == 0 && one) {
			(void)json_object_set_new(one, names[i],
			                          f->fds[i] < 0
			                                  ? json_null()
			                                  : corral_json_text(text.data ? text.data
			                                                               : "",
			                                                     text.len));
		} else if (r == 0 && text.len) {
			r = corral_write_all(i ? STDERR_FILENO : STDOUT_FILENO, text.data,
			                     text.len);
			if (r < 0)
				r = corral_error_sys(err, -r, "print");
		}
	}
	if (one && r == 0)
		return corral_json_print(one, err);
	json_decref(one);
	return r;
}

int corral_sandbox_logs(struct corral_call *call, struct corral_error *err)
{
	struct corral_record record = { .words = NULL };
	struct corral_shell_files files = { { -1, -1 }, { 0, 0 } };
	struct corral_background g;
	int r = corral_sandboxes_find(&call->sandboxes, call->operands[0], &record, err);

	if (r == 0 && call->n_operands < 2)
		r = print_list(call, &record, err);
	else if (r == 0)
		r = corral_shells_open(&call->sandboxes, &record, call->operands[1], &g, &files,
		                       err);
	if (r == 0 && call->n_operands > 1)
		r = print_streams(call, &g, &files, err);
	corral_fd_closep(&files.fds[0]);
	corral_fd_closep(&files.fds[1]);
	corral_record_done(&record);
	return r;
}
