#include "tools/exec_client.h"

#include <errno.h>
#include <stddef.h>

#include "kernel/base/cleanup.h"
#include "tools/words.h"

int corral_exec_send(int socket_fd, const struct corral_exec *x, struct corral_error *err)
{
	char *const dir = (char *)(uintptr_t)x->guest_dir;
	const struct corral_word_list lists[] = {
		{ x->argv, x->n_argv },
		{ x->env, x->n_env },
		{ &dir, dir != NULL },
	};
	corral_autofd int words_fd = -1;
	struct {
		const char *name;
		int fd;
	} given[CORRAL_TALK_FDS_MAX] = {
		{ "words", -1 },
		{ "program", x->program_fd },
		{ "stdin", x->stdin_fd },
		{ "stdout", x->stdout_fd },
		{ "stderr", x->stderr_fd },
	};
	int fds[CORRAL_TALK_FDS_MAX];
	unsigned int n = 0;
	json_t *names, *words;
	int r;

	r = corral_words_write(lists, CORRAL_COUNT(lists), &words_fd, err);
	if (r < 0)
		return r;
	given[0].fd = words_fd;
	names = json_array();
	for (size_t i = 0; i < CORRAL_COUNT(given); i++) {
		if (given[i].fd < 0)
			continue;
		(void)json_array_append_new(names, json_string(given[i].name));
		fds[n++] = given[i].fd;
	}
	words = json_pack("{s:s, s:I, s:I, s:b, s:b, s:i, s:i, s:b, s:b, s:I, s:I, s:o}", "op",
	                  "exec", "argv", (json_int_t)x->n_argv, "env", (json_int_t)x->n_env, "dir",
	                  dir != NULL, "tty", x->tty, "rows", (int)x->rows, "cols", (int)x->cols,
	                  "detach", x->detach, "keep", x->keep, "timeout_ms",
	                  (json_int_t)x->timeout_ms, "output_bytes", (json_int_t)x->output_bytes,
	                  "fds", names);
	return corral_talk_send(socket_fd, words, fds, n, err);
}
