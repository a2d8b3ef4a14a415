/*
 * A command of a client's, from its request to its receipt.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "backends/execute.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tools/exitcode.h"
#include "tools/holder_state.h"
#include "tools/receipt_json.h"
#include "tools/summary.h"
#include "tools/words.h"

/* One request, all of it within what the message brought. */
struct request {
	char **words;
	char **argv, **env;
	const char *guest_dir;
	int words_fd, program_fd, stdio[3]; /* borrowed from the message */
};

static void request_done(struct request *q)
{
	free(q->words);
	free(q->argv);
	free(q->env);
}

/* Which descriptor is what: names in the order in which they came. */
static int request_fds(struct request *q, const struct corral_talk *t, struct corral_error *err)
{
	const struct {
		const char *name;
		int *fd;
	} known[] = {
		{ "words", &q->words_fd },  { "program", &q->program_fd },
		{ "stdin", &q->stdio[0] },  { "stdout", &q->stdio[1] },
		{ "stderr", &q->stdio[2] },
	};
	const json_t *names = json_object_get(t->words, "fds");

	if (json_array_size(names) != t->n_fds)
		return corral_error_set(err, EPROTO, "%zu descriptors are named, and %u came",
		                        json_array_size(names), t->n_fds);
	for (unsigned int i = 0; i < t->n_fds; i++) {
		const char *name = json_string_value(json_array_get(names, i));
		size_t k = 0;

		while (k < CORRAL_COUNT(known) && (!name || strcmp(known[k].name, name) != 0))
			k++;
		if (k == CORRAL_COUNT(known) || *known[k].fd >= 0)
			return corral_error_set(err, EPROTO, "what is descriptor '%.32s'?",
			                        name ? name : "");
		*known[k].fd = t->fds[i];
	}
	return q->words_fd < 0 ? corral_error_set(err, EPROTO, "no words of a command came") : 0;
}

static char **list_dup(char *const *words, size_t n)
{
	char **list = calloc(n + 1, sizeof(*list));

	if (list && n)
		memcpy(list, words, n * sizeof(*list));
	return list;
}

static int request_parse(struct request *q, const struct corral_talk *t, struct corral_error *err)
{
	int64_t n_argv = corral_talk_number(t->words, "argv", 0),
	        n_env = corral_talk_number(t->words, "env", 0);
	bool has_dir = json_is_true(json_object_get(t->words, "dir"));
	size_t n = 0;
	int r;

	*q = (struct request) { .words_fd = -1, .program_fd = -1, .stdio = { -1, -1, -1 } };
	r = request_fds(q, t, err);
	if (r == 0)
		r = corral_words_read(q->words_fd, &q->words, &n, err);
	if (r < 0)
		return r;
	if (n_argv < 1 || (uint64_t)n_argv > n || (uint64_t)n_env > n ||
	    (uint64_t)n_argv + (uint64_t)n_env + has_dir != n)
		return corral_error_set(err, EPROTO,
		                        "the command's words are %zu, and other numbers were told",
		                        n);
	q->argv = list_dup(q->words, (size_t)n_argv);
	q->env = list_dup(q->words + n_argv, (size_t)n_env);
	if (!q->argv || !q->env)
		return corral_error_sys(err, ENOMEM, "start the command");
	if (has_dir)
		q->guest_dir = q->words[n - 1];
	return 0;
}

/* The system's word on a program is a result like any other; on the sandbox it is none. */
static bool is_exec_error(int code)
{
	switch (code) {
	case -EPIPE:
	case -EAGAIN:
	case -ENOMEM:
	case -EPROTO:
	case -EINVAL:
	case -EIO:
	case -EMFILE:
	case -ENFILE:
		return false;
	default:
		return true;
	}
}

static void say_ended(struct corral_holder_client *c, const struct corral_receipt *receipt,
                      const struct corral_limits *limits, const struct corral_error *failure)
{
	int exit_status = corral_exit_status(receipt);
	char verdict[256] = "";
	json_t *words;

	if (c->fd < 0)
		return;
	if (!failure)
		corral_verdict_text(receipt, limits, verdict, sizeof(verdict));
	words = json_pack("{s:s, s:i, s:s, s:o}", "type", "ended", "exit_status", exit_status,
	                  "verdict", verdict, "receipt",
	                  corral_receipt_json(receipt, exit_status, failure));
	if (words && failure)
		(void)json_object_set_new(words, "code", json_integer(failure->code));
	/* One that does not read for so long that its socket is full misses this too. */
	(void)corral_holder_say(c, words, NULL, 0);
}

static int start(struct corral_holder *h, struct corral_holder_client *c, const struct request *q,
                 const struct corral_talk *t, struct corral_error *err)
{
	corral_autofree char **env = corral_environment_merge(h->policy->env, q->env);
	int64_t rows = corral_talk_number(t->words, "rows", 24),
	        cols = corral_talk_number(t->words, "cols", 80);
	struct corral_command command = {
		.argv = q->argv,
		.env = env,
		.guest_dir = q->guest_dir,
		.stdin_fd = q->stdio[0],
		.stdout_fd = q->stdio[1],
		.stderr_fd = q->stdio[2],
		.tty = json_is_true(json_object_get(t->words, "tty")),
		.tty_rows = (uint16_t)(rows > 0 && rows < UINT16_MAX ? rows : 24),
		.tty_cols = (uint16_t)(cols > 0 && cols < UINT16_MAX ? cols : 80),
	};

	if (!env)
		return corral_error_sys(err, ENOMEM, "start the command");
	return corral_process_start_program(h->sandbox, q->program_fd, &command, 0, &c->process,
	                                    err);
}

static int may_start(const struct corral_holder *h, const struct corral_holder_client *c,
                     struct corral_error *err)
{
	if (c->process)
		return corral_error_set(err, EBUSY, "one command at a time on one connection");
	if (h->stop_at_ms)
		return corral_error_set(err, EPIPE, "it is being stopped");
	if (h->paused)
		return corral_error_set(err, EBUSY, "it is paused: corral sandbox resume %s",
		                        h->id);
	return 0;
}

static int not_started(struct corral_holder *h, struct corral_holder_client *c, int code,
                       bool tried, const struct corral_error *err)
{
	struct corral_receipt receipt;

	if (!tried || !is_exec_error(code))
		return corral_holder_refuse(c, err);
	receipt = *corral_sandbox_receipt(h->sandbox);
	receipt.exec_error = -code;
	receipt.exit_code = -1;
	say_ended(c, &receipt, &c->limits, err);
	return 0;
}

static int say_started(struct corral_holder_client *c)
{
	int tty_fd = corral_process_tty(c->process);
	json_t *words = json_pack("{s:s}", "type", "started");

	if (c->shell) {
		c->shell->pid = corral_process_pid(c->process);
		(void)json_object_set_new(words, "shell_id",
		                          json_sprintf("bg_%u", c->shell->number));
		(void)json_object_set_new(words, "pid", json_integer(c->shell->pid));
	}
	return corral_holder_say(c, words, &tty_fd, tty_fd >= 0);
}

/* Its start, with files for its output when that is to be kept. */
static int start_kept(struct corral_holder *h, struct corral_holder_client *c, struct request *q,
                      const struct corral_talk *t, struct corral_error *err)
{
	const int given[2] = { q->stdio[1], q->stdio[2] };
	int r = 0;

	c->shell = NULL;
	if (c->detached && json_is_true(json_object_get(t->words, "keep")))
		r = corral_holder_shell_begin(h, q->argv, q->stdio, &c->shell, err);
	if (r == 0)
		r = start(h, c, q, t, err);
	for (int i = 0; i < 2; i++)
		if (given[i] < 0)
			corral_fd_closep(&q->stdio[1 + i]);
	if (r < 0) {
		corral_holder_shell_drop(c->shell);
		c->shell = NULL;
	} else if (c->shell) {
		h->trim_at_ms = corral_now_ms();
	}
	return r;
}

int corral_holder_exec(struct corral_holder *h, struct corral_holder_client *c,
                       struct corral_talk *t)
{
	struct corral_error err = { 0 };
	struct request q = { .words = NULL };
	bool tried = false;
	int r = may_start(h, c, &err);

	if (r == 0)
		r = request_parse(&q, t, &err);
	if (r == 0) {
		c->limits = h->policy->limits;
		c->limits.timeout_ms = (uint64_t)corral_talk_number(t->words, "timeout_ms", 0);
		c->limits.output_bytes = (uint64_t)corral_talk_number(t->words, "output_bytes", 0);
		c->detached = json_is_true(json_object_get(t->words, "detach"));
		c->doomed = false;
		corral_words_line(q.argv, c->command, sizeof(c->command));
		tried = true;
		r = start_kept(h, c, &q, t, &err);
	}
	request_done(&q);
	if (r < 0)
		return not_started(h, c, r, tried, &err);
	c->deadline_ms = c->limits.timeout_ms ? corral_now_ms() + c->limits.timeout_ms : 0;
	return say_started(c);
}

void corral_holder_concluded(struct corral_holder *h, struct corral_holder_client *c)
{
	say_ended(c, corral_process_receipt(c->process), &c->limits, NULL);
	corral_holder_shell_ended(h, c->shell, corral_process_receipt(c->process));
	c->shell = NULL;
	corral_process_close(c->process);
	c->process = NULL;
	c->deadline_ms = 0;
	h->idle_since_ms = corral_now_ms();
}

void corral_holder_doom(struct corral_holder *h, struct corral_holder_client *c,
                        enum corral_reason reason)
{
	/* What is frozen would take all of the sandbox with it. */
	if (h->paused) {
		if (!c->doomed)
			c->doom = reason;
		c->doomed = true;
		return;
	}
	corral_process_kill(c->process, reason);
	corral_holder_concluded(h, c);
	if (c->fd < 0)
		c->used = false;
}
