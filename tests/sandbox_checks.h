/*
 * What every sandbox does, whatever contains it: commands, background processes, terminals, files
 * and trees, checked in one that runs Debian. Its environment has WHO=policy and KEEP=yes, its work
 * directory is /workspace and empty. Include after <cmocka.h> and tests/support.h.
 */
#ifndef CORRAL_TESTS_SANDBOX_CHECKS_H
#define CORRAL_TESTS_SANDBOX_CHECKS_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/sandbox.h"
#include "kernel/base/clock.h"
#include "tests/real/library_support.h"

#define PATIENCE_MS (corral_test_slow() ? 120000 : 20000)

#ifndef assert_says
#define assert_says(text, part)                                                                    \
	do {                                                                                       \
		const char *says_ = (text);                                                        \
		if (!says_ || !strstr(says_, (part)))                                              \
			fail_msg("'%s' is not in '%.1000s'", (part), says_ ? says_ : "(nothing)"); \
	} while (0)
#endif

struct checked {
	struct corral_backend *b;
	struct corral_backend *other; /* where trees go */
	struct corral_error err;
};

/* A check as a test: of whoever has a `struct fixture` with `on`, and missing(), which skips. */
#define CHECKED(name)                         \
	static void name(void **state)        \
	{                                     \
		struct fixture *f = *state;   \
                                              \
		if (!missing(f))              \
			check_##name(&f->on); \
	}

static inline struct corral_executed execute(struct checked *f, const struct corral_execute *x)
{
	struct corral_executed e;

	if (corral_backend_execute(f->b, x, &e, &f->err) < 0)
		fail_msg("%s: %s", x->command ? x->command : x->argv[0], f->err.text);
	return e;
}

static inline struct corral_executed shell(struct checked *f, const char *line)
{
	return execute(f, &(struct corral_execute) { .command = line, .timeout_ms = PATIENCE_MS });
}

static inline void assert_text(struct corral_buf *b, const char *wanted)
{
	if (b->len != strlen(wanted) || (b->len && memcmp(b->data, wanted, b->len) != 0))
		fail_msg("'%.*s' and not '%s'", (int)(b->len < 500 ? b->len : 500),
		         b->data ? b->data : "", wanted);
}

static inline void assert_shell(struct checked *f, const char *line, int code, const char *out)
{
	struct corral_executed e = shell(f, line);

	if (e.exit_code != code || e.out.len != strlen(out) ||
	    (e.out.len && memcmp(e.out.data, out, e.out.len) != 0))
		fail_msg("%s: exit %d, '%.*s' and not %d, '%s'", line, e.exit_code,
		         (int)(e.out.len < 500 ? e.out.len : 500), e.out.data ? e.out.data : "",
		         code, out);
	corral_executed_done(&e);
}

/* --- Commands --- */

static inline void check_command_has_its_output_and_exit_code(struct checked *f)
{
	struct corral_executed e;

	assert_shell(f, "echo out; echo err >&2; exit 7", 7, "out\nerr\n");
	assert_shell(f, "pwd; cd /; x=1", 0, "/workspace\n");
	assert_shell(f, "pwd; echo $x", 0, "/workspace\n\n");
	assert_shell(f, "kill -TERM $$", 128 + 15, "");
	e = execute(f, &(struct corral_execute) { .command = "echo out; echo err >&2",
	                                          .timeout_ms = -1,
	                                          .separate = true });
	assert_text(&e.out, "out\n");
	assert_text(&e.err, "err\n");
	assert_int_equal(e.receipt.reason, CORRAL_REASON_EXIT);
	corral_executed_done(&e);
}

static inline void check_argv_is_literal_and_a_missing_program_is_127(struct checked *f)
{
	char *const argv[] = { (char *)"printf", (char *)"%s|", (char *)"a b",
		               (char *)"$HOME",  (char *)"",    NULL };
	char *const none[] = { (char *)"no-such-program", NULL };
	struct corral_executed e;

	e = execute(f,
	            &(struct corral_execute) { .argv = argv, .timeout_ms = -1, .separate = true });
	assert_text(&e.out, "a b|$HOME||");
	corral_executed_done(&e);
	e = execute(f,
	            &(struct corral_execute) { .argv = none, .timeout_ms = -1, .separate = true });
	assert_int_equal(e.exit_code, 127);
	assert_says(e.err.data, "'no-such-program'");
	corral_executed_done(&e);
}

static inline void check_environment_is_layered(struct checked *f)
{
	char *const env[] = { (char *)"WHO=call", (char *)"NEW=1", NULL };
	struct corral_executed e;

	e = execute(f, &(struct corral_execute) {
	                       .command = "echo $WHO $KEEP $NEW", .timeout_ms = -1, .env = env });
	assert_text(&e.out, "call yes 1\n");
	corral_executed_done(&e);
	assert_shell(f, "echo $WHO $KEEP $NEW", 0, "policy yes\n");
}

static inline void check_standard_input_is_the_data_or_nothing(struct checked *f)
{
	struct corral_executed e;

	e = execute(f, &(struct corral_execute) { .command = "cat | wc -c; cat",
	                                          .timeout_ms = -1,
	                                          .stdin_data = "a\0b\n",
	                                          .stdin_len = 4 });
	assert_text(&e.out, "4\n");
	corral_executed_done(&e);
	assert_shell(f, "wc -c", 0, "0\n");
}

static inline void check_timeout_keeps_what_was_said_and_ends_the_tree(struct checked *f)
{
	struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_executed e;
	uint64_t begin = corral_now_ms();

	e = execute(f, &(struct corral_execute) {
	                       .command = "echo before; (setsid sleep 4711 &); sleep 4711",
	                       /* A shell is to have begun by then, also where it is emulated. */
	                       .timeout_ms = corral_test_slow() ? 5000 : 1000 });
	assert_true(e.timed_out && !e.cancelled);
	assert_int_equal(e.exit_code, 124);
	assert_int_equal(e.receipt.reason, CORRAL_REASON_TIMEOUT);
	assert_true(corral_now_ms() - begin < PATIENCE_MS / 2);
	corral_executed_text(&e, NULL, &text);
	assert_text(&text, "before\n\n\nError: Command timed out");
	corral_buf_done(&text);
	corral_executed_done(&e);
	assert_shell(f,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 471[1]'",
	             1, "0\n");
	e = execute(f, &(struct corral_execute) { .command = "echo never", .timeout_ms = 0 });
	assert_true(e.timed_out);
	corral_executed_text(&e, NULL, &text);
	assert_text(&text, "Error: Command timed out");
	corral_buf_done(&text);
	corral_executed_done(&e);
}

static inline void check_output_beyond_the_ceiling_ends_the_command(struct checked *f)
{
	struct corral_executed e = execute(f, &(struct corral_execute) { .command = "yes",
	                                                                 .timeout_ms = -1,
	                                                                 .output_bytes = 5000,
	                                                                 .stop_at_limit = true });

	assert_true(e.truncated && e.output_limited);
	assert_int_equal(e.out.len, 5000);
	assert_int_equal(e.receipt.reason, CORRAL_REASON_OUTPUT);
	corral_executed_done(&e);
}

static inline void check_output_beyond_the_ceiling_is_cut_or_ends_the_command(struct checked *f)
{
	struct corral_executed e;

	e = execute(f, &(struct corral_execute) {
	                       .command = "head -c 1000000 /dev/zero; echo done >/tmp/done",
	                       .timeout_ms = -1 });
	assert_true(e.truncated && !e.output_limited);
	assert_int_equal(e.out.len, CORRAL_EXECUTE_OUTPUT_BYTES);
	assert_int_equal(e.exit_code, 0);
	assert_int_equal(e.receipt.output_bytes, 1000000);
	corral_executed_done(&e);
	assert_shell(f, "cat /tmp/done", 0, "done\n");
	check_output_beyond_the_ceiling_ends_the_command(f);
}

static inline void check_bytes_that_are_no_text_become_replacement_characters(struct checked *f)
{
	struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_executed e;

	e = shell(f, "printf 'a\\377b\\303\\244\\303'");
	assert_text(&e.out, "a\377b\303\244\303");
	corral_executed_text(&e, NULL, &text);
	assert_text(&text, "a\357\277\275b\303\244\357\277\275");
	corral_buf_done(&text);
	corral_executed_done(&e);
}

struct collected {
	struct corral_buf out;
	int calls, stop_after;
};

static inline int collect(void *ctx, enum corral_stream stream, const void *data, size_t len)
{
	struct collected *c = ctx;

	assert_int_equal(stream, CORRAL_STDOUT);
	corral_buf_add(&c->out, data, len);
	c->calls++;
	return c->stop_after && c->calls >= c->stop_after;
}

static inline void check_output_streams_while_the_command_runs(struct checked *f)
{
	struct collected c = { .out = CORRAL_BUF_INIT };
	struct corral_executed e;

	e = execute(f, &(struct corral_execute) { .command = "echo one; sleep 0.1; echo two",
	                                          .timeout_ms = -1,
	                                          .on_output = collect,
	                                          .ctx = &c });
	assert_text(&c.out, "one\ntwo\n");
	corral_executed_done(&e);
	corral_buf_done(&c.out);
	/* What is heard while it runs can end it; what is heard afterwards is too late for that. */
	c = (struct collected) { .out = CORRAL_BUF_INIT, .stop_after = 1 };
	e = execute(f, &(struct corral_execute) { .command = "echo one; sleep 4712",
	                                          .timeout_ms = PATIENCE_MS,
	                                          .on_output = collect,
	                                          .ctx = &c });
	assert_true(e.cancelled && !e.timed_out);
	assert_text(&c.out, "one\n");
	corral_executed_done(&e);
	corral_buf_done(&c.out);
}

/* Another thread, that does something about a command as soon as it has said something. */
struct other {
	pthread_t thread;
	sem_t said;
	void *(*act)(void *arg);
	void *arg;
};

static inline void *other_run(void *arg)
{
	struct other *o = arg;

	while (sem_wait(&o->said) < 0)
		;
	return o->act(o->arg);
}

static inline int other_hears(void *ctx, enum corral_stream stream, const void *data, size_t len)
{
	struct other *o = ctx;

	(void)stream;
	(void)data;
	(void)len;
	(void)sem_post(&o->said);
	return 0;
}

static inline void other_start(struct other *o, void *(*act)(void *arg), void *arg)
{
	*o = (struct other) { .act = act, .arg = arg };
	assert_int_equal(sem_init(&o->said, 0, 0), 0);
	assert_int_equal(pthread_create(&o->thread, NULL, other_run, o), 0);
}

/* What it returned. If the command said nothing, it is told so now. */
static inline void *other_end(struct other *o)
{
	void *ret;

	(void)sem_post(&o->said);
	assert_int_equal(pthread_join(o->thread, &ret), 0);
	(void)sem_destroy(&o->said);
	return ret;
}

static inline void *fire(void *arg)
{
	corral_cancel_fire(arg);
	return NULL;
}

static inline void check_cancellation_from_another_thread_ends_the_tree(struct checked *f)
{
	struct corral_cancel *cancel;
	struct corral_executed e;
	struct other other;

	assert_int_equal(corral_cancel_new(&cancel, &f->err), 0);
	other_start(&other, fire, cancel);
	e = execute(f, &(struct corral_execute) {
	                       .command = "trap '' TERM INT; (setsid sleep 4713 &); echo up; "
	                                  "sleep 4713",
	                       .timeout_ms = PATIENCE_MS,
	                       .on_output = other_hears,
	                       .ctx = &other,
	                       .cancel = cancel });
	(void)other_end(&other);
	assert_true(e.cancelled && !e.timed_out);
	corral_executed_done(&e);
	assert_shell(f,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 471[3]'",
	             1, "0\n");
	/* It stays fired. */
	e = execute(f, &(struct corral_execute) {
	                       .command = "echo never", .timeout_ms = -1, .cancel = cancel });
	assert_true(e.cancelled && e.out.len == 0);
	corral_executed_done(&e);
	corral_cancel_free(cancel);
}

static inline void *stop_run(void *arg)
{
	struct checked *f = arg;
	struct corral_error err = { 0 };

	return corral_backend_stop(f->b, "0123456789abcdef0123456789abcdef", &err) < 0 ? f : NULL;
}

static inline void check_runs_are_stopped_by_their_name(struct checked *f)
{
	char *const polite[] = {
		(char *)"sh", (char *)"-c",
		(char *)"trap 'echo asked; exit 3' TERM; echo up; sleep 4714 & wait", NULL
	};
	char *const deaf[] = { (char *)"sh", (char *)"-c",
		               (char *)"trap '' TERM; echo up; while :; do sleep 4714; done",
		               NULL };
	struct corral_executed e;
	struct other other;
	uint64_t begin;

	for (int i = 0; i < 2; i++) {
		begin = corral_now_ms();
		other_start(&other, stop_run, f);
		e = execute(f,
		            &(struct corral_execute) { .argv = i ? deaf : polite,
		                                       .run_id = "0123456789abcdef0123456789abcdef",
		                                       .timeout_ms = PATIENCE_MS,
		                                       .on_output = other_hears,
		                                       .ctx = &other,
		                                       .separate = true });
		assert_null(other_end(&other));
		assert_true(e.cancelled && !e.timed_out);
		if (i == 0) {
			assert_text(&e.out, "up\nasked\n");
			assert_int_equal(e.exit_code, 3);
		} else {
			/* It is asked, and given two seconds. */
			assert_in_range(corral_now_ms() - begin, 2000, PATIENCE_MS);
		}
		corral_executed_done(&e);
	}
	assert_int_equal(corral_backend_stop(f->b, "no-such-run", &f->err), 0);
}

/* --- Background processes and terminals --- */

static inline void check_background_processes_outlive_the_call(struct checked *f)
{
	struct corral_background g, other;
	struct corral_background_list list;
	struct corral_buf out = CORRAL_BUF_INIT, err_out = CORRAL_BUF_INIT;

	assert_int_equal(corral_backend_background_start(
	                         f->b,
	                         "echo one; echo bad >&2; while test "
	                         "! -e /tmp/go; do sleep 0.02; done; echo two; exit 6",
	                         &g, &f->err),
	                 0);
	assert_int_equal(corral_backend_background_start(f->b, "sleep 4715", &other, &f->err), 0);
	assert_int_equal(strtol(other.shell_id + 3, NULL, 10),
	                 strtol(g.shell_id + 3, NULL, 10) + 1);
	for (int ms = 0; ms < PATIENCE_MS && (out.len < 4 || err_out.len < 4); ms += 10) {
		assert_int_equal(corral_backend_background_read(f->b, g.shell_id, &out, &err_out,
		                                                &g, &f->err),
		                 0);
		nap(10);
	}
	assert_text(&out, "one\n");
	assert_text(&err_out, "bad\n");
	assert_true(g.running && !g.has_exit_code);
	corral_buf_done(&out);
	assert_shell(f, "touch /tmp/go", 0, "");
	for (int ms = 0; ms < PATIENCE_MS && g.running; ms += 10) {
		assert_int_equal(corral_backend_background_read(f->b, g.shell_id, &out, &err_out,
		                                                &g, &f->err),
		                 0);
		nap(10);
	}
	assert_text(&out, "two\n");
	assert_true(g.has_exit_code && g.exit_code == 6);
	assert_int_equal(corral_backend_background_list(f->b, &list, &f->err), 0);
	assert_int_equal(list.n, 2);
	assert_string_equal(list.items[1].command, "sleep 4715");
	assert_true(list.items[1].running && !list.items[0].running);
	corral_background_list_done(&list);
	assert_int_equal(corral_backend_background_kill(f->b, other.shell_id, &f->err), 1);
	assert_int_equal(corral_backend_background_kill(f->b, other.shell_id, &f->err), 0);
	assert_int_equal(corral_backend_background_kill(f->b, "bg_99999", &f->err), 0);
	assert_int_equal(corral_backend_background_read(f->b, "bg_99999", &out, &err_out, &g,
	                                                &f->err),
	                 -ESRCH);
	assert_string_equal(f->err.text, "No such background shell: bg_99999");
	assert_int_equal(corral_backend_background_kill_all(f->b, &f->err), 0);
	assert_int_equal(corral_backend_background_list(f->b, &list, &f->err), 0);
	assert_int_equal(list.n, 0);
	corral_background_list_done(&list);
	corral_buf_done(&out);
	corral_buf_done(&err_out);
	/* Ids are never used again. */
	assert_int_equal(corral_backend_background_start(f->b, "true", &g, &f->err), 0);
	assert_int_equal(strtol(g.shell_id + 3, NULL, 10),
	                 strtol(other.shell_id + 3, NULL, 10) + 1);
}

static inline void check_terminal_is_a_terminal(struct checked *f)
{
	char *const argv[] = { (char *)"sh", (char *)"-c",
		               (char *)"tty >/dev/null && stty size; read x; echo got $x; exit 5",
		               NULL };
	const struct corral_terminal_options o = { .argv = argv, .rows = 33, .cols = 77 };
	struct corral_terminal *t = NULL;
	char text[500] = "";
	size_t len = 0;
	int status = -1;

	if (corral_backend_terminal_open(f->b, &o, &t, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(write(corral_terminal_fd(t), "hello\n", 6), 6);
	while (len < sizeof(text) - 1 && !strstr(text, "got hello")) {
		ssize_t n = read(corral_terminal_fd(t), text + len, sizeof(text) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
	}
	assert_says(text, "33 77");
	assert_says(text, "got hello");
	assert_int_equal(corral_terminal_wait(t, 10000, &status, &f->err), 0);
	assert_int_equal(status, 5);
	corral_terminal_close(t);
}

static inline void read_until(struct corral_terminal *t, const char *wanted)
{
	struct pollfd pfd = { .fd = corral_terminal_fd(t), .events = POLLIN };
	char text[2000] = "";
	size_t len = 0;

	while (!strstr(text, wanted)) {
		ssize_t n = -1;

		if (len < sizeof(text) - 1 && poll(&pfd, 1, PATIENCE_MS) > 0)
			n = read(pfd.fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			fail_msg("'%s' is not in '%s'", wanted, text);
		len += (size_t)n;
		text[len] = '\0';
	}
}

static inline void check_terminal_is_resized_and_signalled(struct checked *f)
{
	char *const argv[] = {
		(char *)"sh", (char *)"-c",
		(char *)"trap 'echo size $(stty size)' WINCH; trap 'exit 9' USR1; echo ready; "
		        "while :; do sleep 0.01; done",
		NULL
	};
	const struct corral_terminal_options o = { .argv = argv, .rows = 24, .cols = 80 };
	struct corral_terminal *t = NULL;
	struct pollfd pfd = { .events = POLLIN };
	int status = -1;

	if (corral_backend_terminal_open(f->b, &o, &t, &f->err) < 0)
		fail_msg("%s", f->err.text);
	read_until(t, "ready");
	assert_int_equal(corral_terminal_resize(t, 50, 132, &f->err), 0);
	read_until(t, "size 50 132");
	pfd.fd = corral_terminal_event_fd(t);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(corral_terminal_signal(t, SIGUSR1, &f->err), 0);
	assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
	assert_int_equal(corral_terminal_wait(t, PATIENCE_MS, &status, &f->err), 0);
	assert_int_equal(status, 9);
	corral_terminal_close(t);
}

/* --- Files and trees --- */

static inline void check_files_are_those_of_the_commands(struct checked *f)
{
	struct corral_files_edit edit = { "two", 3, "TWO", 3, false };
	struct corral_files_rows rows = { 0 };
	struct corral_files_matches matches = { 0 };
	struct corral_buf text = CORRAL_BUF_INIT;
	uint64_t n = 0;

	if (corral_backend_write(f->b, "sub/dir/a.txt", "one\ntwo\nthree\n", 14, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_shell(f, "cat /workspace/sub/dir/a.txt; stat -c %u:%g sub/dir/a.txt", 0,
	             "one\ntwo\nthree\n0:0\n");
	assert_true(corral_backend_exists(f->b, "sub/dir/a.txt"));
	assert_false(corral_backend_exists(f->b, "sub/dir"));
	assert_int_equal(corral_backend_edit(f->b, "/workspace/sub/dir/a.txt", &edit, &n, &f->err),
	                 0);
	assert_int_equal(n, 1);
	assert_int_equal(corral_backend_read(f->b, "sub/dir/a.txt", 1, 1, &text, &f->err), 0);
	assert_text(&text, "     2\tTWO\n\n... (1 more lines)");
	corral_buf_done(&text);
	assert_shell(f, "echo TWO >b.txt; mkdir -p c; mkfifo pipe", 0, "");
	assert_int_equal(corral_backend_ls(f->b, ".", &rows, &f->err), 0);
	assert_true(rows.n >= 4);
	assert_string_equal(rows.rows[0].name, "c");
	corral_files_rows_done(&rows);
	assert_int_equal(corral_backend_glob(f->b, "**/*.{txt,md}", ".", 0, &rows, &f->err), 0);
	assert_int_equal(rows.n, 2);
	corral_files_rows_done(&rows);
	assert_int_equal(corral_backend_grep(f->b,
	                                     &(struct corral_files_grep) { .pattern = "T.O",
	                                                                   .path = "." },
	                                     &matches, &f->err),
	                 0);
	assert_int_equal(matches.n, 2);
	corral_files_matches_done(&matches);
	/* What would block anybody else. */
	assert_true(corral_backend_read_bytes(f->b, "pipe", 0, &text, &f->err) < 0);
	assert_int_equal(corral_backend_read_bytes(f->b, "/proc/sys/kernel/hostname", 0, &text,
	                                           &f->err),
	                 0);
	assert_text(&text, "corral\n");
	corral_buf_done(&text);
	assert_int_equal(corral_backend_rename(f->b, "b.txt", "d/e.txt", 0, &f->err), 0);
	assert_int_equal(corral_backend_remove(f->b, "sub", CORRAL_FILES_RECURSIVE, &f->err), 0);
	assert_shell(f, "ls -1", 0, "c\nd\npipe\n");
}

static inline void check_directories_are_made_and_looked_at(struct checked *f)
{
	struct corral_files_stat st;

	assert_int_equal(corral_backend_mkdir(f->b, "a/b/c", &f->err), 0);
	assert_int_equal(corral_backend_stat(f->b, "a/b/c", 0, &st, &f->err), 0);
	assert_int_equal(st.type, CORRAL_FILES_DIRECTORY);
	assert_shell(f, "printf 12345 >a/f && chmod 640 a/f && ln -s f a/l", 0, "");
	assert_int_equal(corral_backend_stat(f->b, "a/l", 0, &st, &f->err), 0);
	assert_int_equal(st.type, CORRAL_FILES_REGULAR);
	assert_true(st.is_link && st.size == 5 && st.mode == 0640);
	assert_int_equal(corral_backend_stat(f->b, "a/l", CORRAL_FILES_NOFOLLOW, &st, &f->err), 0);
	assert_int_equal(st.type, CORRAL_FILES_LINK);
	assert_int_equal(corral_backend_stat(f->b, "none", 0, &st, &f->err), -ENOENT);
}

struct counter {
	uint64_t left;
	int fail_with;
};

static inline long count_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct counter *c = ctx;
	size_t n = c->left < size ? (size_t)c->left : size;

	if (!n && c->fail_with)
		return corral_error_set(err, c->fail_with, "the source has broken");
	memset(data, 'x', n);
	c->left -= n;
	return (long)n;
}

static inline void check_stream_becomes_a_file_or_nothing(struct checked *f)
{
	struct counter c = { .left = 5000000 };
	const struct corral_files_source source = { count_get, &c };

	if (corral_backend_write_stream(f->b, "dir/big", 0600, &source, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_shell(f, "stat -c '%s %a' dir/big; tr -d x <dir/big | wc -c", 0, "5000000 600\n0\n");
	c = (struct counter) { .left = 1000000, .fail_with = EIO };
	assert_int_equal(corral_backend_write_stream(f->b, "dir/big", 0600, &source, &f->err),
	                 -EIO);
	assert_shell(f, "stat -c %s dir/big; ls -A dir", 0, "5000000\nbig\n");
}

struct archive {
	struct corral_buf bytes;
	size_t at;
};

static inline int archive_put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	struct archive *a = ctx;

	(void)err;
	corral_buf_add(&a->bytes, data, len);
	return 0;
}

static inline long archive_get(void *ctx, void *data, size_t size, struct corral_error *err)
{
	struct archive *a = ctx;
	size_t left = a->bytes.len - a->at, n = left < size ? left : size;

	(void)err;
	memcpy(data, a->bytes.data + a->at, n);
	a->at += n;
	return (long)n;
}

static inline void check_tree_goes_from_one_sandbox_into_another(struct checked *f)
{
	struct archive a = { .bytes = CORRAL_BUF_INIT };
	const struct corral_files_sink sink = { archive_put, &a };
	const struct corral_files_source source = { archive_get, &a };
	struct corral_files_copied out = { 0 }, in = { 0 };
	struct checked there = { .b = f->other };

	assert_shell(f,
	             "mkdir -p t/sub && echo one >t/f && printf 'a\\0b' >'t/sub/a b' && "
	             "chmod 750 t/f && ln -s ../f t/sub/l",
	             0, "");
	if (corral_backend_tar_out(f->b, "t", &sink, &out, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_true(out.entries >= 4 && out.skipped == 0 && out.bytes == 7);
	if (corral_backend_tar_in(there.b, "here", &source, &in, &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_true(in.skipped == 0 && in.bytes == 7);
	assert_shell(&there,
	             "cat here/f; stat -c %a here/f; readlink here/sub/l; wc -c <'here/sub/a b'", 0,
	             "one\n750\n../f\n3\n");
	assert_shell(&there, "test ! -e t && echo apart", 0, "apart\n");
	corral_buf_done(&a.bytes);
}

/* --- Life --- */

/* Sooner or later: a machine that is emulated takes its time. */
static inline void assert_writes(struct checked *f, struct corral_background *g)
{
	struct corral_buf a = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT;

	for (int ms = 0; ms < PATIENCE_MS && !a.len; ms += 100) {
		nap(100);
		assert_int_equal(corral_backend_background_read(f->b, g->shell_id, &a, &b, g,
		                                                &f->err),
		                 0);
	}
	assert_true(a.len > 0);
	corral_buf_done(&a);
	corral_buf_done(&b);
}

/* False where nothing can be paused. */
static inline bool check_pause_holds_everything_and_usage_is_told(struct checked *f)
{
	struct corral_usage u;
	struct corral_background g;
	struct corral_buf a = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT;
	uint64_t until;
	int r;

	r = corral_backend_pause(f->b, true, &f->err);
	if (r == -EOPNOTSUPP)
		return false;
	assert_int_equal(r, 0);
	assert_int_equal(corral_backend_pause(f->b, false, &f->err), 0);
	assert_int_equal(corral_backend_background_start(f->b,
	                                                 "while :; do echo x; sleep 0.01; done", &g,
	                                                 &f->err),
	                 0);
	assert_writes(f, &g);
	assert_int_equal(corral_backend_pause(f->b, true, &f->err), 0);
	until = corral_now_ms() + (uint64_t)PATIENCE_MS;
	/* What it wrote until then may come now or later, but comes to an end. */
	do {
		corral_buf_done(&a);
		assert_true(corral_now_ms() < until);
		nap(200);
		assert_int_equal(corral_backend_background_read(f->b, g.shell_id, &a, &b, &g,
		                                                &f->err),
		                 0);
	} while (a.len);
	assert_int_equal(corral_backend_pause(f->b, false, &f->err), 0);
	corral_buf_done(&a);
	assert_writes(f, &g);
	assert_int_equal(corral_backend_usage(f->b, &u, &f->err), 0);
	assert_true(u.pids >= 2 && u.memory_bytes > 0 && u.memory_bytes != UINT64_MAX);
	assert_int_equal(corral_backend_background_kill_all(f->b, &f->err), 0);
	corral_buf_done(&a);
	corral_buf_done(&b);
	return true;
}

static inline void *mixed(void *arg)
{
	static unsigned int serial;
	struct checked *f = arg;
	struct corral_error err = { 0 };

	for (int i = 0; i < 20; i++) {
		struct corral_executed e;
		struct corral_buf text = CORRAL_BUF_INIT;
		char path[32], line[128];
		bool good;

		(void)snprintf(path, sizeof(path), "t%u",
		               __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED));
		(void)snprintf(line, sizeof(line), "cat %s && rm %s", path, path);
		good = corral_backend_write(f->b, path, path, strlen(path), &err) == 0 &&
		       corral_backend_read_bytes(f->b, path, 0, &text, &err) == 0 &&
		       text.len == strlen(path);
		corral_buf_done(&text);
		if (!good ||
		    corral_backend_execute(f->b,
		                           &(struct corral_execute) { .command = line,
		                                                      .timeout_ms = PATIENCE_MS },
		                           &e, &err) < 0) {
			print_error("%s: %s\n", path, err.code ? err.text : "not what was written");
			return f;
		}
		good = e.exit_code == 0 && e.out.len == strlen(path);
		if (!good)
			print_error("%s: exit %d, '%.200s' '%.200s'\n", line, e.exit_code,
			            e.out.data ? e.out.data : "", e.err.data ? e.err.data : "");
		corral_executed_done(&e);
		if (!good)
			return f;
	}
	return NULL;
}

static inline void check_threads_mix_commands_and_files(struct checked *f)
{

	assert_threads_fine(mixed, f);
	assert_int_equal(corral_backend_busy(f->b), 0);
	assert_shell(f, "ls | wc -l", 0, "0\n");
}

#endif
