/*
 * The native sandbox as a backend: commands, background processes, terminals and files, and what is
 * told when it goes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>

#include "tests/support.h"

#include "backends/native.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tests/real/library_support.h"
#include "tests/real/sandbox_support.h"

struct fixture {
	struct corral_policy *policy;
	struct corral_launcher *launcher;
	struct corral_backend *b;
	struct corral_error err;
};

static int setup(void **state)
{
	static const char json[] = "{\"limits\":{\"pids\":100,\"disk\":\"64M\"},\"env\":{\"WHO\":"
	                           "\"policy\",\"KEEP\":\"yes\"}}";
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->policy = policy_of(json);
	if (corral_launcher_open(0, &f->launcher, &f->err) == 0 &&
	    corral_native_sandbox_new(f->launcher, f->policy, NULL, &f->b, &f->err) == 0 &&
	    corral_backend_start(f->b, &f->err) < 0) {
		corral_backend_close(f->b);
		f->b = NULL;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->b);
	if (f->launcher)
		corral_launcher_close(f->launcher);
	corral_policy_free(f->policy);
	free(f);
	return 0;
}

static bool missing(const struct fixture *f)
{
	if (!f->b)
		corral_test_skip("native isolation: %s", f->err.text);
	return !f->b;
}

static struct corral_executed execute(struct fixture *f, const struct corral_execute *x)
{
	struct corral_executed e;

	if (corral_backend_execute(f->b, x, &e, &f->err) < 0)
		fail_msg("%s: %s", x->command ? x->command : x->argv[0], f->err.text);
	return e;
}

static struct corral_executed shell(struct fixture *f, const char *line)
{
	return execute(f, &(struct corral_execute) { .command = line, .timeout_ms = 20000 });
}

static void assert_text(struct corral_buf *b, const char *wanted)
{
	if (b->len != strlen(wanted) || (b->len && memcmp(b->data, wanted, b->len) != 0))
		fail_msg("'%.*s' and not '%s'", (int)(b->len < 500 ? b->len : 500),
		         b->data ? b->data : "", wanted);
}

static void assert_shell(struct fixture *f, const char *line, int code, const char *out)
{
	struct corral_executed e = shell(f, line);

	assert_text(&e.out, out);
	assert_int_equal(e.exit_code, code);
	corral_executed_done(&e);
}

/* --- Commands --- */

static void command_has_its_output_and_exit_code(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
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
	assert_true(e.receipt.layers & CORRAL_LAYER_SECCOMP);
	corral_executed_done(&e);
}

static void argv_is_literal_and_a_missing_program_is_127(void **state)
{
	char *const argv[] = { (char *)"printf", (char *)"%s|", (char *)"a b",
		               (char *)"$HOME",  (char *)"",    NULL };
	char *const none[] = { (char *)"no-such-program", NULL };
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
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

static void environment_is_layered(void **state)
{
	char *const env[] = { (char *)"WHO=call", (char *)"NEW=1", NULL };
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	e = execute(f, &(struct corral_execute) {
	                       .command = "echo $WHO $KEEP $NEW", .timeout_ms = -1, .env = env });
	assert_text(&e.out, "call yes 1\n");
	corral_executed_done(&e);
	assert_shell(f, "echo $WHO $KEEP $NEW", 0, "policy yes\n");
}

static void standard_input_is_the_data_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	e = execute(f, &(struct corral_execute) { .command = "cat | wc -c; cat",
	                                          .timeout_ms = -1,
	                                          .stdin_data = "a\0b\n",
	                                          .stdin_len = 4 });
	assert_text(&e.out, "4\n");
	corral_executed_done(&e);
	assert_shell(f, "wc -c", 0, "0\n");
}

static void timeout_keeps_what_was_said_and_ends_the_tree(void **state)
{
	struct fixture *f = *state;
	struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_executed e;
	uint64_t begin = corral_now_ms();

	if (missing(f))
		return;
	e = execute(f, &(struct corral_execute) {
	                       .command = "echo before; (setsid sleep 4711 &); sleep 4711",
	                       .timeout_ms = 300 });
	assert_true(e.timed_out && !e.cancelled);
	assert_int_equal(e.exit_code, 124);
	assert_int_equal(e.receipt.reason, CORRAL_REASON_TIMEOUT);
	assert_true(corral_now_ms() - begin < 10000);
	corral_executed_text(&e, NULL, &text);
	assert_text(&text, "before\n\n\nError: Command timed out");
	corral_buf_done(&text);
	corral_executed_done(&e);
	assert_shell(f, "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 471[1]'", 1,
	             "0\n");
	e = execute(f, &(struct corral_execute) { .command = "echo never", .timeout_ms = 0 });
	assert_true(e.timed_out);
	corral_executed_text(&e, NULL, &text);
	assert_text(&text, "Error: Command timed out");
	corral_buf_done(&text);
	corral_executed_done(&e);
}

static void output_beyond_the_ceiling_is_cut_or_ends_the_command(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	e = execute(f, &(struct corral_execute) {
	                       .command = "head -c 1000000 /dev/zero; echo done >/tmp/done",
	                       .timeout_ms = -1 });
	assert_true(e.truncated && !e.output_limited);
	assert_int_equal(e.out.len, CORRAL_EXECUTE_OUTPUT_BYTES);
	assert_int_equal(e.exit_code, 0);
	assert_int_equal(e.receipt.output_bytes, 1000000);
	corral_executed_done(&e);
	assert_shell(f, "cat /tmp/done", 0, "done\n");
	e = execute(f, &(struct corral_execute) { .command = "yes",
	                                          .timeout_ms = -1,
	                                          .output_bytes = 5000,
	                                          .stop_at_limit = true });
	assert_true(e.truncated && e.output_limited);
	assert_int_equal(e.out.len, 5000);
	assert_int_equal(e.receipt.reason, CORRAL_REASON_OUTPUT);
	corral_executed_done(&e);
}

static void bytes_that_are_no_text_become_replacement_characters(void **state)
{
	struct fixture *f = *state;
	struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_executed e;

	if (missing(f))
		return;
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
	uint64_t first_ms;
};

static int collect(void *ctx, enum corral_stream stream, const void *data, size_t len)
{
	struct collected *c = ctx;

	assert_int_equal(stream, CORRAL_STDOUT);
	corral_buf_add(&c->out, data, len);
	if (!c->calls++)
		c->first_ms = corral_now_ms();
	return c->stop_after && c->calls >= c->stop_after;
}

static void output_streams_while_the_command_runs(void **state)
{
	struct collected c = { .out = CORRAL_BUF_INIT };
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	e = execute(f, &(struct corral_execute) { .command = "echo one; sleep 0.7; echo two",
	                                          .timeout_ms = -1,
	                                          .on_output = collect,
	                                          .ctx = &c });
	assert_true(corral_now_ms() - c.first_ms >= 500);
	assert_text(&c.out, "one\ntwo\n");
	corral_executed_done(&e);
	corral_buf_done(&c.out);
	c = (struct collected) { .out = CORRAL_BUF_INIT, .stop_after = 1 };
	e = execute(f, &(struct corral_execute) { .command = "echo one; sleep 4712",
	                                          .timeout_ms = -1,
	                                          .on_output = collect,
	                                          .ctx = &c });
	assert_true(e.cancelled);
	corral_executed_done(&e);
	corral_buf_done(&c.out);
}

static void *fire(void *arg)
{
	nap(300);
	corral_cancel_fire(arg);
	return NULL;
}

static void cancellation_from_another_thread_ends_the_tree(void **state)
{
	struct fixture *f = *state;
	struct corral_cancel *cancel;
	struct corral_executed e;
	pthread_t thread;

	if (missing(f))
		return;
	assert_int_equal(corral_cancel_new(&cancel, &f->err), 0);
	assert_int_equal(pthread_create(&thread, NULL, fire, cancel), 0);
	e = execute(f, &(struct corral_execute) {
	                       .command = "trap '' TERM INT; (setsid sleep 4713 &); sleep 4713",
	                       .timeout_ms = -1,
	                       .cancel = cancel });
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(e.cancelled);
	corral_executed_done(&e);
	assert_shell(f, "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 471[3]'", 1,
	             "0\n");
	/* It stays fired. */
	e = execute(f, &(struct corral_execute) {
	                       .command = "echo never", .timeout_ms = -1, .cancel = cancel });
	assert_true(e.cancelled && e.out.len == 0);
	corral_executed_done(&e);
	corral_cancel_free(cancel);
}

static void *stop_run(void *arg)
{
	struct fixture *f = arg;
	struct corral_error err = { 0 };

	nap(300);
	return corral_backend_stop(f->b, "0123456789abcdef0123456789abcdef", &err) < 0 ? f : NULL;
}

static void runs_are_stopped_by_their_name(void **state)
{
	char *const polite[] = { (char *)"sh", (char *)"-c",
		                 (char *)"trap 'echo asked; exit 3' TERM; sleep 4714 & wait",
		                 NULL };
	char *const deaf[] = { (char *)"sh", (char *)"-c",
		               (char *)"trap '' TERM; while :; do sleep 4714; done", NULL };
	struct fixture *f = *state;
	struct corral_executed e;
	pthread_t thread;
	void *failed;
	uint64_t begin;

	if (missing(f))
		return;
	for (int i = 0; i < 2; i++) {
		begin = corral_now_ms();
		assert_int_equal(pthread_create(&thread, NULL, stop_run, f), 0);
		e = execute(f,
		            &(struct corral_execute) { .argv = i ? deaf : polite,
		                                       .run_id = "0123456789abcdef0123456789abcdef",
		                                       .timeout_ms = -1,
		                                       .separate = true });
		assert_int_equal(pthread_join(thread, &failed), 0);
		assert_null(failed);
		assert_true(e.cancelled);
		if (i == 0) {
			assert_text(&e.out, "asked\n");
			assert_int_equal(e.exit_code, 3);
		} else {
			assert_in_range(corral_now_ms() - begin, 2000, 8000);
		}
		corral_executed_done(&e);
	}
	assert_int_equal(corral_backend_stop(f->b, "no-such-run", &f->err), 0);
}

/* --- Background processes and terminals --- */

static void background_processes_outlive_the_call(void **state)
{
	struct corral_background g, other;
	struct corral_background_list list;
	struct corral_buf out = CORRAL_BUF_INIT, err_out = CORRAL_BUF_INIT;
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_int_equal(corral_backend_background_start(
	                         f->b,
	                         "echo one; echo bad >&2; while test "
	                         "! -e /tmp/go; do sleep 0.02; done; echo two; exit 6",
	                         &g, &f->err),
	                 0);
	assert_string_equal(g.shell_id, "bg_1");
	assert_int_equal(corral_backend_background_start(f->b, "sleep 4715", &other, &f->err), 0);
	assert_string_equal(other.shell_id, "bg_2");
	for (int i = 0; i < 200 && (out.len < 4 || err_out.len < 4); i++) {
		assert_int_equal(corral_backend_background_read(f->b, "bg_1", &out, &err_out, &g,
		                                                &f->err),
		                 0);
		nap(10);
	}
	assert_text(&out, "one\n");
	assert_text(&err_out, "bad\n");
	assert_true(g.running && !g.has_exit_code);
	corral_buf_done(&out);
	assert_shell(f, "touch /tmp/go", 0, "");
	for (int i = 0; i < 200 && g.running; i++) {
		assert_int_equal(corral_backend_background_read(f->b, "bg_1", &out, &err_out, &g,
		                                                &f->err),
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
	assert_int_equal(corral_backend_background_kill(f->b, "bg_2", &f->err), 1);
	assert_int_equal(corral_backend_background_kill(f->b, "bg_2", &f->err), 0);
	assert_int_equal(corral_backend_background_kill(f->b, "bg_9", &f->err), 0);
	assert_int_equal(corral_backend_background_read(f->b, "bg_9", &out, &err_out, &g, &f->err),
	                 -ESRCH);
	assert_string_equal(f->err.text, "No such background shell: bg_9");
	assert_int_equal(corral_backend_background_kill_all(f->b, &f->err), 0);
	assert_int_equal(corral_backend_background_list(f->b, &list, &f->err), 0);
	assert_int_equal(list.n, 0);
	corral_background_list_done(&list);
	corral_buf_done(&out);
	corral_buf_done(&err_out);
}

static void terminal_is_a_terminal(void **state)
{
	char *const argv[] = { (char *)"sh", (char *)"-c",
		               (char *)"tty >/dev/null && stty size; read x; echo got $x; exit 5",
		               NULL };
	const struct corral_terminal_options o = { .argv = argv, .rows = 33, .cols = 77 };
	struct corral_terminal *t = NULL;
	char text[500] = "";
	size_t len = 0;
	struct fixture *f = *state;
	int status = -1;

	if (missing(f))
		return;
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

/* --- Files --- */

static void files_are_those_of_the_commands(void **state)
{
	struct corral_files_edit edit = { "two", 3, "TWO", 3, false };
	struct corral_files_rows rows = { 0 };
	struct corral_files_matches matches = { 0 };
	struct corral_buf text = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	uint64_t n = 0;

	if (missing(f))
		return;
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

static int same_zeros(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	(void)data;
	(void)err;
	*(uint64_t *)ctx += len;
	return 0;
}

static void large_files_stream(void **state)
{
	uint64_t total = 0;
	const struct corral_files_sink sink = { same_zeros, &total };
	struct corral_buf text = CORRAL_BUF_INIT;
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_shell(f, "truncate -s 300M big", 0, "");
	assert_int_equal(corral_backend_read_bytes(f->b, "big", 0, &text, &f->err), -EFBIG);
	assert_int_equal(corral_backend_read_stream(f->b, "big", 0, UINT64_MAX, &sink, &f->err), 0);
	assert_int_equal(total, 300 << 20);
	corral_buf_done(&text);
}

/* Its program is one for all sandboxes, so none may get hold of it. */
static void file_server_cannot_be_looked_into(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_int_equal(corral_backend_write(f->b, "x", "1", 1, &f->err), 0);
	assert_shell(f,
	             "for p in /proc/[0-9]*; do grep -q '^[c]orral-files' $p/cmdline || continue; "
	             "echo found; for w in exe mem fd/0 maps; do head -c1 $p/$w 2>&1 "
	             ">/dev/null | grep -o denied; done; done | uniq -c | tr -s ' '",
	             0, " 1 found\n 4 denied\n");
}

/* A guest may kill what it likes of its own user's; the next operation begins anew. */
static void file_server_that_was_killed_is_replaced(void **state)
{
	struct corral_files_rows rows = { 0 };
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_int_equal(corral_backend_write(f->b, "x", "1", 1, &f->err), 0);
	assert_shell(f,
	             "for p in /proc/[0-9]*; do test \"$(cat $p/comm)\" = corral-files && kill -9 "
	             "${p#/proc/}; done; true",
	             0, "");
	nap(100);
	for (int i = 0; i < 3 && corral_backend_ls(f->b, ".", &rows, &f->err) < 0; i++)
		nap(50);
	assert_int_equal(rows.n, 1);
	corral_files_rows_done(&rows);
}

static void *mixed(void *arg)
{
	static unsigned int serial;
	struct fixture *f = arg;
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
		if (!good || corral_backend_execute(f->b,
		                                    &(struct corral_execute) {
		                                            .command = line, .timeout_ms = 20000 },
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

static void threads_mix_commands_and_files(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_threads_fine(mixed, f);
	assert_int_equal(corral_backend_busy(f->b), 0);
	assert_shell(f, "ls | wc -l", 0, "0\n");
}

/* --- Life --- */

static void death_is_told_and_the_next_life_is_asked_for(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	assert_true(corral_backend_is_alive(f->b));
	assert_shell(f, "touch mark", 0, "");
	/* Out of memory, all of it: only where somebody counts it. */
	e = execute(f, &(struct corral_execute) { .command = "kill -9 -1; sleep 1",
	                                          .timeout_ms = 20000 });
	corral_executed_done(&e);
	assert_true(corral_backend_is_alive(f->b));
	assert_int_equal(corral_backend_end(f->b, &f->err), 0);
	assert_false(corral_backend_is_alive(f->b));
	assert_shell(f, "ls", 0, "");
	assert_true(corral_backend_is_alive(f->b));
}

static void memory_that_is_used_up_ends_the_sandbox_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct corral_policy *small;
	struct corral_executed e;
	int r;

	if (missing(f))
		return;
	if (!enforces("memory")) {
		skip_without_root("a limit of memory on this host");
		return;
	}
	/* Less than any host has, so that it is the limit and not the host that is met. */
	small = policy_of("{\"limits\":{\"memory\":\"48M\"}}");
	corral_backend_close(f->b);
	f->b = NULL;
	assert_int_equal(corral_native_sandbox_new(f->launcher, small, NULL, &f->b, &f->err), 0);
	corral_policy_free(small);
	e = execute(f, &(struct corral_execute) {
	                       .command = "python3 -c 'x = b\"x\" * 100000000; print(len(x))'",
	                       .timeout_ms = 60000 });
	assert_int_equal(e.receipt.reason, CORRAL_REASON_OOM);
	corral_executed_done(&e);
	nap(200);
	assert_false(corral_backend_is_alive(f->b));
	r = corral_backend_execute(f->b,
	                           &(struct corral_execute) { .command = "true", .timeout_ms = -1 },
	                           &e, &f->err);
	assert_int_equal(r, -EPIPE);
	assert_says(f->err.text, "start it again");
	corral_executed_done(&e);
	assert_int_equal(corral_backend_start(f->b, &f->err), 0);
	assert_shell(f, "echo back", 0, "back\n");
}

static void pause_holds_everything_and_usage_is_told(void **state)
{
	struct corral_usage u;
	struct corral_background g;
	struct corral_buf a = CORRAL_BUF_INIT, b = CORRAL_BUF_INIT;
	struct fixture *f = *state;
	int r;

	if (missing(f))
		return;
	assert_int_equal(corral_backend_usage(f->b, &u, &f->err), 0);
	assert_int_equal(u.disk_limit_bytes, 64 << 20);
	r = corral_backend_pause(f->b, true, &f->err);
	if (r == -EOPNOTSUPP) {
		skip_without_root("a control group that freezes");
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(corral_backend_pause(f->b, false, &f->err), 0);
	assert_int_equal(corral_backend_background_start(f->b,
	                                                 "while :; do echo x; sleep 0.01; done", &g,
	                                                 &f->err),
	                 0);
	nap(200);
	assert_int_equal(corral_backend_pause(f->b, true, &f->err), 0);
	assert_int_equal(corral_backend_background_read(f->b, g.shell_id, &a, &b, &g, &f->err), 0);
	assert_true(a.len > 0);
	corral_buf_done(&a);
	nap(200);
	assert_int_equal(corral_backend_background_read(f->b, g.shell_id, &a, &b, &g, &f->err), 0);
	assert_int_equal(a.len, 0);
	assert_int_equal(corral_backend_pause(f->b, false, &f->err), 0);
	nap(200);
	assert_int_equal(corral_backend_background_read(f->b, g.shell_id, &a, &b, &g, &f->err), 0);
	assert_true(a.len > 0);
	assert_int_equal(corral_backend_usage(f->b, &u, &f->err), 0);
	assert_true(u.pids >= 2 && u.memory_bytes > 0 && u.memory_bytes != UINT64_MAX);
	corral_buf_done(&a);
	corral_buf_done(&b);
}

int main(int argc, char **argv)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(command_has_its_output_and_exit_code),
		ROW(argv_is_literal_and_a_missing_program_is_127),
		ROW(environment_is_layered),
		ROW(standard_input_is_the_data_or_nothing),
		ROW(timeout_keeps_what_was_said_and_ends_the_tree),
		ROW(output_beyond_the_ceiling_is_cut_or_ends_the_command),
		ROW(bytes_that_are_no_text_become_replacement_characters),
		ROW(output_streams_while_the_command_runs),
		ROW(cancellation_from_another_thread_ends_the_tree),
		ROW(runs_are_stopped_by_their_name),
		ROW(background_processes_outlive_the_call),
		ROW(terminal_is_a_terminal),
		ROW(files_are_those_of_the_commands),
		ROW(large_files_stream),
		ROW(file_server_cannot_be_looked_into),
		ROW(file_server_that_was_killed_is_replaced),
		ROW(threads_mix_commands_and_files),
		ROW(death_is_told_and_the_next_life_is_asked_for),
		ROW(memory_that_is_used_up_ends_the_sandbox_and_says_so),
		ROW(pause_holds_everything_and_usage_is_told),
	};
#undef ROW

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
