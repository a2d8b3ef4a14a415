#include "tools/shells.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/ask.h"
#include "tools/exec_client.h"

#define CHUNK 65536

static int strange(const struct corral_record *r, struct corral_error *err)
{
	return corral_error_set(err, EPROTO,
	                        "sandbox %s: its holder gave no answer that can be understood: "
	                        "made by another corral?",
	                        r->id);
}

/* What the holder tells of one. */
static int describe(const json_t *words, struct corral_background *ret)
{
	const char *id = corral_talk_text(words, "shell_id");
	const json_t *code = json_object_get(words, "exit_code");

	if (!id || strlen(id) >= sizeof(ret->shell_id))
		return -EPROTO;
	*ret = (struct corral_background) {
		.pid = (int)corral_talk_number(words, "pid", 0),
		.running = json_is_true(json_object_get(words, "running")),
		.exit_code = (int)json_integer_value(code),
	};
	ret->has_exit_code = !ret->running;
	(void)snprintf(ret->shell_id, sizeof(ret->shell_id), "%s", id);
	return 0;
}

int corral_shells_start(const struct corral_sandboxes *s, const struct corral_record *r,
                        const char *line, struct corral_background *ret, struct corral_error *err)
{
	char *argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)line };
	const struct corral_exec x = { .argv = argv,
		                       .n_argv = CORRAL_COUNT(argv),
		                       .stdin_fd = -1,
		                       .stdout_fd = -1,
		                       .stderr_fd = -1,
		                       .program_fd = -1,
		                       .detach = true,
		                       .keep = true };
	struct corral_talk t = { .words = NULL };
	corral_autofd int fd = -1;
	const char *type, *failure;
	int status = corral_sandboxes_connect(s, r, &fd, err);

	if (status == 0)
		status = corral_exec_send(fd, &x, err);
	if (status < 0)
		return status;
	status = corral_talk_await(fd, CORRAL_ASK_MS, &t, err);
	if (status == 0)
		return corral_record_ended(r, err);
	if (status == -ETIMEDOUT)
		return corral_record_silent(r, err);
	if (status > 0)
		status = corral_ask_error(&t, err);
	type = status == 0 ? corral_talk_text(t.words, "type") : NULL;
	failure = corral_talk_text(json_object_get(t.words, "receipt"), "error");
	if (type && !strcmp(type, "ended") && failure)
		status = corral_error_set(err, (int)corral_talk_number(t.words, "code", EIO), "%s",
		                          failure);
	else if (status == 0 && describe(t.words, ret) < 0)
		status = strange(r, err);
	ret->running = true;
	ret->has_exit_code = false;
	corral_talk_done(&t);
	return status;
}

int corral_shells_list(const struct corral_sandboxes *s, const struct corral_record *r,
                       struct corral_background_list *ret, struct corral_error *err)
{
	struct corral_talk t = { .words = NULL };
	const json_t *list;
	size_t n, text = 0;
	int status = corral_ask(s, r, "shells", &t, err);

	if (status < 0)
		return status;
	list = json_object_get(t.words, "shells");
	n = json_array_size(list);
	for (size_t i = 0; i < n; i++)
		text += json_string_length(json_object_get(json_array_get(list, i), "command")) + 1;
	*ret = (struct corral_background_list) { .items = calloc(n ? n : 1, sizeof(*ret->items)),
		                                 .n = n,
		                                 .text = calloc(1, text + 1) };
	if (!ret->items || !ret->text)
		status = corral_error_sys(err, ENOMEM, "list shells");
	for (size_t i = 0, at = 0; status == 0 && i < n; i++) {
		const json_t *one = json_array_get(list, i);
		const char *command = corral_talk_text(one, "command");
		size_t len = command ? strlen(command) : 0;

		if (!command || describe(one, &ret->items[i]) < 0) {
			status = strange(r, err);
			break;
		}
		memcpy(ret->text + at, command, len + 1);
		ret->items[i].command = ret->text + at;
		at += len + 1;
	}
	if (status < 0)
		corral_background_list_done(ret);
	corral_talk_done(&t);
	return status;
}

/* The request for one, and its answer, whose words are the caller's. */
static int ask(const struct corral_sandboxes *s, const struct corral_record *r, const char *op,
               const char *shell_id, struct corral_talk *ret, struct corral_error *err)
{
	json_t *words = json_pack("{s:s, s:s}", "op", op, "shell_id", shell_id);

	/* No shell has a name that is no UTF-8. */
	if (!words)
		return corral_error_set(err, ESRCH, "No such background shell");
	return corral_ask_words(s, r, words, ret, err);
}

int corral_shells_open(const struct corral_sandboxes *s, const struct corral_record *r,
                       const char *shell_id, struct corral_background *ret,
                       struct corral_shell_files *ret_files, struct corral_error *err)
{
	struct corral_talk t = { .words = NULL };
	const json_t *files, *from;
	unsigned int n = 0;
	int status = ask(s, r, "shell", shell_id, &t, err);

	if (status == -ESRCH)
		return corral_error_set(err, ESRCH, "No such background shell: %.64s", shell_id);
	if (status < 0)
		return status;
	files = json_object_get(t.words, "files");
	from = json_object_get(t.words, "from");
	if (describe(t.words, ret) < 0)
		status = strange(r, err);
	for (size_t i = 0; i < 2 && status == 0; i++) {
		ret_files->from[i] = json_integer_value(json_array_get(from, i));
		ret_files->fds[i] =
		        json_is_true(json_array_get(files, i)) ? corral_talk_take_fd(&t, n++) : -1;
	}
	corral_talk_done(&t);
	return status;
}

int corral_shells_kill(const struct corral_sandboxes *s, const struct corral_record *r,
                       const char *shell_id, struct corral_error *err)
{
	struct corral_talk t = { .words = NULL };
	int status = ask(s, r, "shell_kill", shell_id, &t, err);

	if (status == -ESRCH)
		return 0;
	if (status == 0)
		status = json_is_true(json_object_get(t.words, "killed"));
	corral_talk_done(&t);
	return status;
}

int corral_shell_read(const struct corral_shell_files *f, int which, int64_t *at, size_t max,
                      struct corral_buf *ret, struct corral_error *err)
{
	char data[CHUNK];
	ssize_t n;

	if (f->fds[which] < 0)
		return 0;
	if (*at < f->from[which])
		*at = f->from[which];
	while (max && (n = pread(f->fds[which], data, max < CHUNK ? max : CHUNK, *at)) > 0) {
		corral_buf_add(ret, data, (size_t)n);
		*at += n;
		max -= (size_t)n;
	}
	return ret->failed ? corral_error_sys(err, ENOMEM, "output") : 0;
}
