#include "tools/exec_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/ask.h"
#include "tools/compile.h"
#include "tools/exec_client.h"
#include "tools/exechint.h"
#include "tools/exitcode.h"
#include "tools/message.h"
#include "tools/receipt_json.h"
#include "tools/relay.h"
#include "tools/summary.h"

struct client {
	const struct corral_exec_run *run;
	const struct corral_record *record;
	struct corral_exec exec;
	struct corral_relay relay;
	char *guest_dir;
	int socket_fd;
	uint64_t counted; /* bytes that passed through here */
	json_t *ended;    /* the holder's last word */
};

static void say(struct client *c, json_t *words)
{
	/* The holder that is gone is heard of by the loop. */
	(void)corral_talk_send(c->socket_fd, words, NULL, 0, NULL);
}

static void client_signal(void *owner, int signo)
{
	say(owner, json_pack("{s:s, s:i}", "op", "signal", "signo", signo));
}

static void client_kill(void *owner, enum corral_reason reason)
{
	say(owner, json_pack("{s:s, s:s}", "op", "kill", "reason", corral_reason_name(reason)));
}

static void client_count_output(void *owner, uint64_t bytes)
{
	((struct client *)owner)->counted += bytes;
}

/* A holder that ends takes its record away; of one that is killed it stays. */
static bool has_ended(const struct client *c)
{
	char name[CORRAL_SANDBOX_ID_SIZE + sizeof(".json")];
	struct corral_sandboxes s;
	bool ended;

	if (corral_sandboxes_open(&s, NULL) < 0)
		return false;
	(void)snprintf(name, sizeof(name), "%s.json", c->record->id);
	ended = faccessat(s.dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
	corral_sandboxes_close(&s);
	return ended;
}

/* The next word of the holder's, which has to be of that type. */
static int hear(struct client *c, const char *type, struct corral_talk *ret,
                struct corral_error *err)
{
	int r = corral_talk_receive(c->socket_fd, 0, ret, err);
	const char *came;

	if (r == 0 && has_ended(c))
		return corral_error_set(err, EPIPE,
		                        "sandbox %s has ended meanwhile, stopped or idle for long "
		                        "enough",
		                        c->record->id);
	if (r == 0)
		return corral_error_set(
		        err, EPIPE,
		        "sandbox %s: its holder, process %d, was killed, and the sandbox with it",
		        c->record->id, c->record->holder_pid);
	if (r > 0 && (r = corral_ask_error(ret, err)) == 0) {
		came = corral_talk_text(ret->words, "type");
		if (came && (!strcmp(came, type) || !strcmp(came, "ended")))
			return 0;
		r = corral_error_set(err, EPROTO,
		                     "its holder said '%.32s', which is not understood",
		                     came ? came : "(nothing)");
	}
	return corral_error_wrap(err, r, "sandbox %s", c->record->id);
}

static int client_dispatch(void *owner, struct corral_error *err)
{
	struct client *c = owner;
	struct corral_talk t = { .words = NULL };
	int r = hear(c, "ended", &t, err);

	if (r == 0)
		c->ended = json_incref(t.words);
	corral_talk_done(&t);
	return r < 0 ? r : 1;
}

static const struct corral_relay_ops client_ops = {
	.signal = client_signal,
	.kill = client_kill,
	.count_output = client_count_output,
	.dispatch = client_dispatch,
};

/* 0: the holder has something to say. While it starts there is no command yet to hand a signal on
 * to. */
static int await_start(struct client *c, struct corral_error *err)
{
	struct pollfd fds[] = { { .fd = c->socket_fd, .events = POLLIN },
		                { .fd = c->relay.signals.fd, .events = POLLIN } };

	for (;;) {
		int n = poll(fds, CORRAL_COUNT(fds), CORRAL_ASK_MS), signo;

		if (n < 0 && errno != EINTR)
			return corral_error_sys(err, errno, "poll");
		if (n == 0)
			return corral_record_silent(c->record, err);
		if (n > 0 && fds[0].revents)
			return 0;
		signo = n > 0 ? corral_signals_next(&c->relay.signals) : 0;
		if (signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT)
			return corral_error_set(err, EINTR, "interrupted before the command ran");
	}
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* Not among the command's own output, in which it would be taken for some. */
static void name_print(const struct client *c, const char *shell_id)
{
	if (c->exec.stdout_fd < 0)
		(void)printf("%s\n", shell_id);
	else if (!same_file(STDOUT_FILENO, STDERR_FILENO))
		(void)fprintf(stderr, "%s\n", shell_id);
}

static int start(struct client *c, struct corral_error *err)
{
	struct corral_talk t = { .words = NULL };
	int fds[2], pipes[2] = { -1, -1 }, input = -1, r;

	if (c->exec.tty)
		corral_tty_size(&c->exec.rows, &c->exec.cols);
	/* What is left of it in the sandbox would go on reading the keys of whoever called us. */
	r = corral_relay_prepare(&c->relay, c->exec.tty, c->exec.detach ? 0 : c->exec.output_bytes,
	                         c->exec.detach, fds, pipes, err);
	if (r == 0 && c->exec.stdin_fd >= 0)
		r = corral_relay_input(&c->relay, &c->exec.stdin_fd, &input, err);
	if (r == 0 && !c->exec.tty && !c->exec.detach) {
		c->exec.stdout_fd = fds[0];
		c->exec.stderr_fd = fds[1];
	}
	if (r == 0)
		r = corral_exec_send(c->socket_fd, &c->exec, err);
	corral_fd_closep(&pipes[0]);
	corral_fd_closep(&pipes[1]);
	corral_fd_closep(&input);
	if (r == 0)
		r = await_start(c, err);
	if (r == 0)
		r = hear(c, "started", &t, err);
	if (r == 0 && strcmp(corral_talk_text(t.words, "type"), "ended") == 0) {
		/* It could not be executed. */
		c->ended = json_incref(t.words);
	} else if (r == 0) {
		int tty_fd = corral_talk_take_fd(&t, 0);

		if (c->exec.tty && tty_fd < 0)
			r = corral_error_set(err, EPROTO, "sandbox %s: no terminal came",
			                     c->record->id);
		else
			r = corral_relay_begin(&c->relay, tty_fd, err);
		if (r == 0 && corral_talk_text(t.words, "shell_id"))
			name_print(c, corral_talk_text(t.words, "shell_id"));
	}
	corral_talk_done(&t);
	return r;
}

/* Where output may stay when we have gone: in a file, but not in a pipe, whose reader would wait
 * for ever. */
static int detached_fd(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? fd : -1;
}

/* What create said of each command, where we said nothing of our own; also 0, no limit, is
 * something. */
static uint64_t limit_of(const struct client *c, uint64_t own, const char *key)
{
	if (own != CORRAL_OPTION_UNSAID)
		return own;
	return (uint64_t)corral_talk_number(json_object_get(c->record->words, "limits"), key, 0);
}

int corral_exec_run_check(struct corral_exec_run *x, const char *usage, struct corral_error *err)
{
	const struct corral_options *o = x->options;
	const struct corral_config *config = o->config;

	if (x->n_argv && !strcmp(x->argv[0], "--")) {
		x->argv++;
		x->n_argv--;
	}
	if (!x->n_argv)
		return corral_error_set(err, EINVAL, "%s: no command given: %s", x->name, usage);
	if (o->detach &&
	    (config->tty || config->use_stdin || o->json_fd >= 0 ||
	     (config->limits.output_bytes && config->limits.output_bytes != CORRAL_OPTION_UNSAID)))
		return corral_error_set(
		        err, EINVAL,
		        "%s: --detach leaves nobody for --tty, --stdin, --output or --json: "
		        "leave one of them out",
		        x->name);
	return 0;
}

static int prepare(struct client *c, struct corral_error *err)
{
	const struct corral_options *o = c->run->options;
	struct corral_config *config = o->config;

	if (config->tty) {
		int r = corral_options_add_term(o, err);

		if (r < 0)
			return r;
	}
	if (config->work_dir && config->work_dir[0] != '/') {
		const char *base = corral_talk_text(c->record->words, "work_dir");

		if (asprintf(&c->guest_dir, "%s/%s", base ? base : "", config->work_dir) < 0)
			c->guest_dir = NULL;
	} else if (config->work_dir) {
		c->guest_dir = strdup(config->work_dir);
	}
	if (config->work_dir && !c->guest_dir)
		return corral_error_sys(err, ENOMEM, "exec");
	c->exec = (struct corral_exec) {
		.argv = c->run->argv,
		.n_argv = c->run->n_argv,
		.env = config->env,
		.n_env = config->n_env,
		.guest_dir = c->guest_dir,
		.stdin_fd = config->use_stdin && !config->tty ? STDIN_FILENO : -1,
		.stdout_fd = o->detach ? detached_fd(STDOUT_FILENO) : -1,
		.stderr_fd = o->detach ? detached_fd(STDERR_FILENO) : -1,
		.program_fd = -1,
		.tty = config->tty,
		.detach = o->detach,
		.keep = o->detach,
		.timeout_ms = limit_of(c, config->limits.timeout_ms, "timeout_ms"),
		.output_bytes = limit_of(c, config->limits.output_bytes, "output_bytes"),
	};
	return 0;
}

/* Output went beyond the limit while the command ended by itself: the holder could not know. */
static bool cut_unheard(const struct client *c, const json_t *receipt)
{
	const char *reason = corral_talk_text(receipt, "reason");

	return corral_relay_cut(&c->relay) && reason &&
	       (!strcmp(reason, "exit") || !strcmp(reason, "signal"));
}

static void tell_cut(const struct client *c, json_t *receipt)
{
	const struct corral_receipt cut = { .reason = CORRAL_REASON_OUTPUT };
	const struct corral_limits limits = { .output_bytes = c->exec.output_bytes };
	char text[256] = "";

	corral_verdict_text(&cut, &limits, text, sizeof(text));
	corral_say("%s", text);
	(void)json_object_set_new(receipt, "reason", json_string(corral_reason_name(cut.reason)));
	(void)json_object_set_new(receipt, "exit_status", json_integer(corral_exit_status(&cut)));
}

static bool is_of_session(const struct client *c)
{
	return !strncmp(c->run->name, "session ", strlen("session "));
}

/* Its advice is for who makes the sandbox; but for these two, which each command can name, that was
 * another. */
static void verdict_say(const struct client *c, const char *verdict)
{
	static const char begin[] = " (--", end[] = " gives it more)";
	const char *option = strstr(verdict, begin), *behind = option ? strstr(option, end) : NULL;
	int len;

	if (!behind || behind[strlen(end)] || !strncmp(option, " (--timeout ", 12) ||
	    !strncmp(option, " (--output ", 11)) {
		corral_say("%s", verdict);
		return;
	}
	len = (int)(option - verdict);
	option += strlen(" (");
	corral_say("%.*s (corral %s create %.*s gives another one more)", len, verdict,
	           is_of_session(c) ? "session" : "sandbox", (int)(behind - option), option);
}

/* What the holder told of the command's end: the exit status. */
static int conclude(struct client *c)
{
	const char *verdict = corral_talk_text(c->ended, "verdict");
	json_t *receipt = json_object_get(c->ended, "receipt");
	int64_t status = corral_talk_number(c->ended, "exit_status", CORRAL_EXIT_FAILED);
	const char *failure = corral_talk_text(receipt, "error");
	struct corral_error err = { 0 };

	if (failure) {
		(void)corral_error_set(&err, (int)corral_talk_number(c->ended, "code", EIO), "%s",
		                       failure);
		corral_exec_hint(c->exec.argv[0], is_of_session(c), &err);
		(void)corral_complain(&err);
		(void)json_object_set_new(receipt, "error", json_string(err.text));
	} else if (cut_unheard(c, receipt)) {
		tell_cut(c, receipt);
		status = corral_talk_number(receipt, "exit_status", CORRAL_EXIT_FAILED);
	} else if (verdict && *verdict) {
		verdict_say(c, verdict);
	}
	if (c->run->ended && c->run->ended(c->run->ctx, receipt, &err) < 0)
		status = corral_complain(&err);
	if (c->run->options->json_fd >= 0) {
		/* It passed through us, so only we have counted it. */
		(void)json_object_set_new(receipt, "output_bytes",
		                          json_integer((json_int_t)c->counted));
		if (corral_receipt_json_print(c->run->options->json_fd, receipt, &err) < 0)
			return corral_complain(&err);
	}
	return status <= 255 ? (int)status : CORRAL_EXIT_FAILED;
}

static int execute(struct client *c, struct corral_error *err)
{
	int r = corral_relay_open(&c->relay, err);

	if (r == 0)
		r = start(c, err);
	if (r == 0 && !c->ended && !c->exec.detach)
		r = corral_relay_loop(&c->relay, c->socket_fd, err);
	if (r == 0 && !c->exec.detach)
		corral_relay_drain(&c->relay);
	corral_relay_restore(&c->relay);
	if (r == 0 && corral_relay_error(&c->relay))
		r = corral_error_sys(err, corral_relay_error(&c->relay), "write standard output");
	return r;
}

int corral_exec_run(const struct corral_exec_run *x, const struct corral_record *record,
                    int socket_fd, struct corral_error *err)
{
	struct client c = { .run = x, .record = record, .socket_fd = socket_fd };
	int r;

	corral_relay_init(&c.relay, &client_ops, &c);
	r = prepare(&c, err);
	if (r == 0)
		r = execute(&c, err);
	if (r == 0 && c.ended)
		r = conclude(&c);
	corral_relay_close(&c.relay);
	json_decref(c.ended);
	free(c.guest_dir);
	return r;
}

int corral_exec_run_failed(const struct corral_options *o, int r, const struct corral_error *err)
{
	struct corral_error json_err = { 0 };

	if (r < 0 && o->json_fd >= 0 &&
	    corral_receipt_json_write(o->json_fd, NULL, CORRAL_EXIT_FAILED, err, &json_err) < 0)
		(void)corral_complain(&json_err);
	return r;
}
