/* Commands of the local backend: their output, their end, and that of all they started. */
#include "tests/unit/backends/local_support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/support.h"

#define PATIENCE_MS (corral_test_slow() ? 120000 : 20000)

/* Runs the line; what it gave stays for corral_executed_done(). */
static struct corral_executed run(struct place *p, struct corral_backend *b, const char *line,
                                  int64_t timeout_ms)
{
	const struct corral_execute x = { .command = line, .timeout_ms = timeout_ms };
	struct corral_executed e;

	OK(p, corral_backend_execute(b, &x, &e, &p->err));
	return e;
}

static void assert_run(struct place *p, const char *line, int exit_code, const char *out)
{
	struct corral_executed e = run(p, p->b, line, PATIENCE_MS);

	assert_string_equal(e.out.data ? e.out.data : "", out);
	assert_int_equal(e.exit_code, exit_code);
	corral_executed_done(&e);
}

/* The number in a file that a command wrote, once it is there. */
static pid_t pid_in(const struct place *p, const char *name)
{
	uint64_t until = corral_now_ms() + (uint64_t)PATIENCE_MS;
	char text[32];

	while (corral_now_ms() < until) {
		corral_autofd int fd = openat(p->fd, name, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

		if (n > 1 && text[n - 1] == '\n') {
			text[n] = '\0';
			return (pid_t)strtol(text, NULL, 10);
		}
		(void)usleep(1000);
	}
	fail_msg("%s was not written", name);
	return -1;
}

/* Gone, or a zombie that only its new parent can take away. */
static bool is_gone(pid_t pid)
{
	char path[64], text[256], *at;
	corral_autofd int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return true;
	text[n] = '\0';
	at = strrchr(text, ')');
	return at && at[2] == 'Z';
}

static void command_runs_in_the_root(void **state)
{
	struct place *p = *state;
	char wanted[128];

	(void)snprintf(wanted, sizeof(wanted), "%s\n", p->root);
	assert_run(p, "pwd -P", 0, wanted);
	assert_run(p, "echo out; exit 3", 3, "out\n");
	assert_run(p, "kill -9 $$", 128 + 9, "");
	assert_run(p, "cat; echo end", 0, "end\n");
	assert_run(p, "echo one; echo two >&2; echo three", 0, "one\ntwo\nthree\n");
	/* Each has a fresh shell. */
	assert_run(p, "cd /; X=1", 0, "");
	assert_run(p, "echo ${X-none}; ls -A", 0, "none\n");
}

static void streams_arguments_and_environment_arrive(void **state)
{
	char *const argv[] = {
		(char *)"sh", (char *)"-c",      (char *)"cat; printf '%s|%s' \"$1\" \"$K\" >&2",
		(char *)"x",  (char *)"$HOME *", NULL
	};
	char *const env[] = { (char *)"K=V W", NULL };
	const struct corral_execute x = { .argv = argv,
		                          .env = env,
		                          .separate = true,
		                          .stdin_data = "in\0put",
		                          .stdin_len = 6,
		                          .timeout_ms = PATIENCE_MS };
	struct place *p = *state;
	struct corral_executed e;

	OK(p, corral_backend_execute(p->b, &x, &e, &p->err));
	assert_int_equal(e.out.len, 6);
	assert_memory_equal(e.out.data, "in\0put", 6);
	assert_string_equal(e.err.data, "$HOME *|V W");
	assert_int_equal(e.receipt.layers, 0);
	corral_executed_done(&e);
	/* Nothing of the caller's but the three streams. */
	assert_run(p, "ls /proc/self/fd | tr '\\n' ' '", 0, "0 1 2 3 ");
}

static void what_cannot_be_executed_is_a_result(void **state)
{
	char *const none[] = { (char *)"corral-no-such-program", NULL };
	char *const no_program[] = { (char *)"./not", NULL };
	struct corral_execute x = { .argv = none, .timeout_ms = PATIENCE_MS };
	struct place *p = *state;
	struct corral_executed e;

	put(p, "not", "#!/bin/sh\n");
	OK(p, corral_backend_execute(p->b, &x, &e, &p->err));
	assert_int_equal(e.exit_code, 127);
	assert_non_null(strstr(e.err.data, "corral-no-such-program"));
	corral_executed_done(&e);
	x.argv = no_program;
	OK(p, corral_backend_execute(p->b, &x, &e, &p->err));
	assert_int_equal(e.exit_code, 126);
	corral_executed_done(&e);
	x = (struct corral_execute) { .command = "true", .guest_dir = "..", .timeout_ms = 1000 };
	FAILS(p, corral_backend_execute(p->b, &x, &e, &p->err), EXDEV, "Access denied: '..'");
	corral_executed_done(&e);
	OK(p, corral_backend_mkdir(p->b, "d", &p->err));
	x.guest_dir = "d";
	x.command = "basename $(pwd -P)";
	x.timeout_ms = PATIENCE_MS;
	OK(p, corral_backend_execute(p->b, &x, &e, &p->err));
	assert_string_equal(e.out.data, "d\n");
	corral_executed_done(&e);
}

static void output_is_cut_and_any_bytes_do(void **state)
{
	struct corral_execute x = { .command = "printf 'a\\377b'; head -c 300000 /dev/zero",
		                    .timeout_ms = PATIENCE_MS };
	struct corral_buf text = CORRAL_BUF_INIT;
	struct place *p = *state;
	struct corral_executed e;

	OK(p, corral_backend_execute(p->b, &x, &e, &p->err));
	assert_int_equal(e.out.len, CORRAL_EXECUTE_OUTPUT_BYTES);
	assert_true(e.truncated);
	assert_int_equal(e.exit_code, 0);
	corral_executed_text(&e, NULL, &text);
	assert_memory_equal(text.data,
	                    "a\xef\xbf\xbd"
	                    "b",
	                    5);
	corral_buf_done(&text);
	corral_executed_done(&e);
}

static void deadline_kills_the_whole_session(void **state)
{
	struct place *p = *state;
	uint64_t began = corral_now_ms();
	struct corral_executed e;

	/* One in the shell's group, one in a group of its own. */
	e = run(p, p->b,
	        "echo first; sleep 300 & echo $! >one; "
	        "bash -c 'set -m; sleep 300 & echo $! >two; wait' & wait",
	        500);
	assert_true(e.timed_out);
	assert_int_equal(e.exit_code, CORRAL_EXECUTE_TIMED_OUT);
	assert_int_equal(e.receipt.reason, CORRAL_REASON_TIMEOUT);
	/* What it had printed is not lost. */
	assert_string_equal(e.out.data, "first\n");
	assert_true(corral_now_ms() - began < (uint64_t)PATIENCE_MS);
	assert_true(is_gone(pid_in(p, "one")));
	assert_true(is_gone(pid_in(p, "two")));
	corral_executed_done(&e);
}

static void deadline_that_has_passed_starts_nothing(void **state)
{
	struct place *p = *state;
	struct corral_executed e = run(p, p->b, "touch ran", 0);

	assert_true(e.timed_out);
	assert_int_equal(e.exit_code, CORRAL_EXECUTE_TIMED_OUT);
	corral_executed_done(&e);
	assert_false(corral_backend_exists(p->b, "ran"));
}

static void child_left_behind_neither_delays_nor_stays(void **state)
{
	struct place *p = *state;
	uint64_t began = corral_now_ms();

	assert_run(p, "sleep 300 & echo $! >pid; echo done", 0, "done\n");
	assert_true(corral_now_ms() - began < (uint64_t)PATIENCE_MS);
	assert_true(is_gone(pid_in(p, "pid")));
}

static void daemon_is_killed_where_there_are_control_groups(void **state)
{
	const char *line = "(setsid sh -c 'echo $$ >daemon; exec sleep 300' >/dev/null 2>&1 &); "
	                   "while ! test -s daemon; do sleep 0.01; done; echo started";
	struct corral_local_options o = { 0 };
	struct place *p = *state;
	struct corral_executed e;

	o.root_dir = p->root;
	OK(p, corral_local_backend_new(&o, &p->further, &p->err));
	if (!corral_local_backend_kills_all(p->further)) {
		/* As a rule only root has them. */
		if (geteuid() == 0)
			corral_test_skip("control groups for local commands");
		skip();
		return;
	}
	e = run(p, p->further, line, PATIENCE_MS);
	assert_string_equal(e.out.data, "started\n");
	corral_executed_done(&e);
	assert_true(is_gone(pid_in(p, "daemon")));
	/* And on a deadline. */
	OK(p, corral_backend_remove(p->b, "daemon", 0, &p->err));
	e = run(p, p->further,
	        "(setsid sh -c 'echo $$ >daemon; exec sleep 300' >/dev/null 2>&1 &); sleep 300",
	        1000);
	assert_true(e.timed_out);
	corral_executed_done(&e);
	assert_true(is_gone(pid_in(p, "daemon")));
	assert_false(corral_local_backend_kills_all(p->b));
}

/* --- Ended from outside --- */

struct runner {
	struct place *p;
	const char *line, *run_id;
	struct corral_cancel *cancel;
	struct corral_executed e;
	pthread_t thread;
};

static void *run_thread(void *arg)
{
	struct runner *r = arg;
	const struct corral_execute x = {
		.command = r->line, .run_id = r->run_id, .cancel = r->cancel, .timeout_ms = -1
	};

	(void)corral_backend_execute(r->p->b, &x, &r->e, NULL);
	return NULL;
}

static void command_is_stopped_cancelled_and_ended(void **state)
{
	struct place *p = *state;
	struct corral_cancel *cancel = NULL;
	struct runner r = { .p = p, .run_id = "a", .line = "echo $$ >pid; exec sleep 300" };
	const struct corral_execute twin = { .command = "true", .run_id = "a", .timeout_ms = 1000 };
	struct corral_executed e;

	OK(p, corral_cancel_new(&cancel, &p->err));
	for (int how = 0; how < 3; how++) {
		r.cancel = how == 1 ? cancel : NULL;
		assert_int_equal(pthread_create(&r.thread, NULL, run_thread, &r), 0);
		(void)pid_in(p, "pid");
		FAILS(p, corral_backend_execute(p->b, &twin, &e, &p->err), EEXIST,
		      "run 'a' is running already");
		corral_executed_done(&e);
		if (how == 0)
			OK(p, corral_backend_stop(p->b, "a", &p->err));
		else if (how == 1)
			corral_cancel_fire(cancel);
		else
			OK(p, corral_backend_end(p->b, &p->err));
		(void)pthread_join(r.thread, NULL);
		assert_true(r.e.cancelled);
		assert_true(is_gone(pid_in(p, "pid")));
		corral_executed_done(&r.e);
		OK(p, corral_backend_remove(p->b, "pid", 0, &p->err));
	}
	OK(p, corral_backend_stop(p->b, "none", &p->err));
	corral_cancel_free(cancel);
}

static void *many(void *arg)
{
	struct place *p = arg;
	const struct corral_execute x = { .command = "echo x", .timeout_ms = PATIENCE_MS };
	long good = 0;

	for (int i = 0; i < 10; i++) {
		struct corral_executed e;

		if (corral_backend_execute(p->b, &x, &e, NULL) == 0 && e.exit_code == 0 &&
		    e.out.len == 2)
			good++;
		corral_executed_done(&e);
	}
	return (void *)good;
}

static void many_threads_run_commands(void **state)
{
	struct place *p = *state;
	pthread_t threads[6];
	void *good;

	for (size_t i = 0; i < CORRAL_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, many, p), 0);
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &good), 0);
		assert_int_equal((long)good, 10);
	}
	assert_int_equal(corral_backend_busy(p->b), 0);
	/* Nobody is left to be waited for. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void caller_that_ignores_its_children_gets_an_end(void **state)
{
	struct place *p = *state;
	struct corral_executed e;

	(void)signal(SIGCHLD, SIG_IGN);
	e = run(p, p->b, "echo x", PATIENCE_MS);
	(void)signal(SIGCHLD, SIG_DFL);
	assert_string_equal(e.out.data, "x\n");
	/* Unknown is never success. */
	assert_int_equal(e.exit_code, 1);
	corral_executed_done(&e);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)
	const struct CMUnitTest tests[] = {
		ROW(command_runs_in_the_root),
		ROW(streams_arguments_and_environment_arrive),
		ROW(what_cannot_be_executed_is_a_result),
		ROW(output_is_cut_and_any_bytes_do),
		ROW(deadline_kills_the_whole_session),
		ROW(deadline_that_has_passed_starts_nothing),
		ROW(child_left_behind_neither_delays_nor_stays),
		ROW(daemon_is_killed_where_there_are_control_groups),
		ROW(command_is_stopped_cancelled_and_ended),
		ROW(many_threads_run_commands),
		ROW(caller_that_ignores_its_children_gets_an_end),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
