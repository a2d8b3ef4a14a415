/* Commands in a container: how they end, what is told of them, and what of them stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/docker/sandbox_support.h"

#define INPUT_LEN ((size_t)5 << 20)

static struct corral_docker_options own_options(void)
{
	return (struct corral_docker_options) { .id = "the-first" };
}

CHECKED(command_has_its_output_and_exit_code)
CHECKED(argv_is_literal_and_a_missing_program_is_127)
CHECKED(environment_is_layered)
CHECKED(standard_input_is_the_data_or_nothing)
CHECKED(timeout_keeps_what_was_said_and_ends_the_tree)
CHECKED(output_beyond_the_ceiling_is_cut_or_ends_the_command)
CHECKED(bytes_that_are_no_text_become_replacement_characters)
CHECKED(output_streams_while_the_command_runs)
CHECKED(cancellation_from_another_thread_ends_the_tree)
CHECKED(runs_are_stopped_by_their_name)

static void it_says_what_it_is(void **state)
{
	struct fixture *f = *state;
	int64_t before;

	if (missing(f))
		return;
	assert_string_equal(corral_backend_kind(f->on.b), "docker");
	assert_string_equal(corral_backend_id(f->on.b), "the-first");
	/* Nothing of it is there before it is needed. */
	assert_false(corral_backend_is_alive(f->on.b));
	assert_string_equal(corral_docker_sandbox_container(f->on.b), "");
	assert_shell(&f->on, "true", 0, "");
	assert_true(corral_backend_is_alive(f->on.b));
	assert_int_equal(strlen(corral_docker_sandbox_container(f->on.b)), 64);
	before = corral_backend_last_activity_ms(f->on.b);
	assert_shell(&f->on, "sleep 0.02", 0, "");
	assert_true(corral_backend_last_activity_ms(f->on.b) >= before + 20);
	assert_int_equal(corral_backend_busy(f->on.b), 0);
}

static void signals_are_told_apart_from_exit_codes(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	e = shell(&f->on, "kill -9 $$");
	assert_int_equal(e.exit_code, 137);
	assert_int_equal(e.receipt.reason, CORRAL_REASON_SIGNAL);
	assert_int_equal(e.receipt.signal, SIGKILL);
	assert_int_equal(e.receipt.exit_code, -1);
	corral_executed_done(&e);
	e = shell(&f->on, "exit 137");
	assert_int_equal(e.exit_code, 137);
	assert_int_equal(e.receipt.reason, CORRAL_REASON_EXIT);
	assert_int_equal(e.receipt.signal, 0);
	assert_true(e.receipt.wall_usec > 0);
	corral_executed_done(&e);
}

static void what_is_no_program_is_126(void **state)
{
	static const char *const paths[] = { "/etc/passwd", "/etc" };
	struct fixture *f = *state;

	if (missing(f))
		return;
	for (size_t i = 0; i < CORRAL_COUNT(paths); i++) {
		char *const argv[] = { (char *)(uintptr_t)paths[i], NULL };
		struct corral_executed e =
		        execute(&f->on, &(struct corral_execute) {
		                                .argv = argv, .timeout_ms = -1, .separate = true });

		assert_int_equal(e.exit_code, 126);
		assert_int_equal(e.receipt.exec_error, EACCES);
		assert_says(e.err.data, paths[i]);
		corral_executed_done(&e);
	}
}

static void work_directory_is_the_one_asked_for(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	e = execute(&f->on, &(struct corral_execute) {
	                            .command = "pwd", .timeout_ms = -1, .guest_dir = "/usr/bin" });
	assert_text(&e.out, "/usr/bin\n");
	corral_executed_done(&e);
	e = execute(&f->on, &(struct corral_execute) { .command = "pwd",
	                                               .timeout_ms = -1,
	                                               .separate = true,
	                                               .guest_dir = "/no/such" });
	assert_int_equal(e.exit_code, 127);
	assert_int_equal(e.out.len, 0);
	assert_says(e.err.data, "work directory '/no/such'");
	corral_executed_done(&e);
	assert_shell(&f->on, "pwd", 0, "/workspace\n");
}

static void arguments_and_variables_may_be_any_bytes(void **state)
{
	char *const argv[] = {
		(char *)"sh", (char *)"-c",        (char *)"printf '%s|%s' \"$1\" \"$X\"",
		(char *)"sh", (char *)"a\377\n'b", NULL
	};
	char *const env[] = { (char *)"X=\303\n=", NULL };
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	e = execute(&f->on,
	            &(struct corral_execute) { .argv = argv, .env = env, .timeout_ms = -1 });
	assert_text(&e.out, "a\377\n'b|\303\n=");
	corral_executed_done(&e);
}

static void large_input_arrives_or_is_left_unread(void **state)
{
	corral_autofree char *data = malloc(INPUT_LEN);
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	assert_non_null(data);
	memset(data, 'x', INPUT_LEN);
	e = execute(&f->on, &(struct corral_execute) { .command = "tr -d y | wc -c",
	                                               .timeout_ms = PATIENCE_MS,
	                                               .stdin_data = data,
	                                               .stdin_len = INPUT_LEN });
	assert_text(&e.out, "5242880\n");
	corral_executed_done(&e);
	e = execute(&f->on, &(struct corral_execute) { .command = "head -c 3; exit 4",
	                                               .timeout_ms = PATIENCE_MS,
	                                               .stdin_data = data,
	                                               .stdin_len = INPUT_LEN });
	assert_text(&e.out, "xxx");
	assert_int_equal(e.exit_code, 4);
	corral_executed_done(&e);
}

/* What it leaves behind ends with it, and holds nobody up by the pipe that it has. */
static void children_that_hold_the_output_end_with_their_command(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = corral_now_ms();

	if (missing(f))
		return;
	assert_shell(&f->on, "sleep 4716 & (setsid sh -c \"trap '' TERM; sleep 4716\" &) ; echo on",
	             0, "on\n");
	assert_true(corral_now_ms() - begin < PATIENCE_MS / 2);
	assert_shell(&f->on,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 471[6]'",
	             1, "0\n");
}

/* Twice forked, each a session of its own, deaf to what is polite. */
static void timeout_ends_what_hides(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;
	uint64_t begin = corral_now_ms();

	if (missing(f))
		return;
	e = execute(&f->on,
	            &(struct corral_execute) {
	                    .command = "trap '' TERM HUP INT; for i in 1 2 3; do (setsid sh -c "
	                               "'(setsid sleep 4717 &)' &); done; echo up; sleep 4717",
	                    .timeout_ms = 1500 });
	assert_true(e.timed_out);
	assert_int_equal(e.exit_code, 124);
	assert_text(&e.out, "up\n");
	assert_true(corral_now_ms() - begin < PATIENCE_MS / 2);
	corral_executed_done(&e);
	assert_shell(&f->on,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 471[7]'",
	             1, "0\n");
}

static void streams_apart_are_each_whole(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	e = execute(&f->on,
	            &(struct corral_execute) {
	                    .command = "head -c 40000 /dev/zero | tr '\\0' o; head -c 30000 "
	                               "/dev/zero | tr '\\0' e >&2",
	                    .timeout_ms = PATIENCE_MS,
	                    .separate = true });
	assert_int_equal(e.out.len, 40000);
	assert_int_equal(e.err.len, 30000);
	for (size_t i = 0; i < 40000; i++)
		assert_int_equal(e.out.data[i], 'o');
	for (size_t i = 0; i < 30000; i++)
		assert_int_equal(e.err.data[i], 'e');
	corral_executed_done(&e);
}

/* As root in the container it may; nobody is told that it went well, and nobody after it suffers.
 */
static void command_that_kills_its_supervisor_is_an_error(void **state)
{
	const struct corral_execute x = { .command = "kill -9 $PPID; sleep 5",
		                          .timeout_ms = PATIENCE_MS };
	const struct corral_execute next = { .command = "echo next", .timeout_ms = PATIENCE_MS };
	struct fixture *f = *state;
	struct corral_background killer;
	struct corral_executed e;
	uint64_t begin = corral_now_ms();

	if (missing(f))
		return;
	FAILS(f, corral_backend_execute(f->on.b, &x, &e, &f->on.err), EPIPE,
	      "what ran the command in the container is gone");
	corral_executed_done(&e);
	assert_true(corral_now_ms() - begin < PATIENCE_MS / 2);
	assert_true(corral_backend_is_alive(f->on.b));
	assert_shell(&f->on, "echo next", 0, "next\n");
	/* One that waits for a command, killed while it does. */
	assert_shell(&f->on,
	             "for p in /proc/[0-9]*; do test \"$(tr '\\0' ' ' <$p/cmdline)\" = "
	             "'/.corral/corral-inside run ' && test ${p#/proc/} != $PPID && kill -9 "
	             "${p#/proc/}; done; (sleep 0.2; kill -9 $PPID) >/dev/null 2>&1 & true",
	             0, "");
	nap(400);
	assert_shell(&f->on, "echo next", 0, "next\n");
	/* Killed with the order in its hands: whether the command began nobody knows. */
	OK(f, corral_backend_background_start(
	              f->on.b,
	              "all() { for p in /proc/[0-9]*; do test \"$(tr '\\0' ' ' <$p/cmdline)\" = "
	              "'/.corral/corral-inside run ' && test ${p#/proc/} != $PPID && "
	              "kill $1 ${p#/proc/}; done; }; until test -e go; do sleep 0.02; done; "
	              "all -STOP; : >stopped; sleep 3; all -9",
	              &killer, &f->on.err));
	assert_shell(&f->on, "echo one that waits", 0, "one that waits\n");
	OK(f, corral_backend_write(f->on.b, "go", "", 0, &f->on.err));
	for (int ms = 0; ms < PATIENCE_MS && !corral_backend_exists(f->on.b, "stopped"); ms += 20)
		nap(20);
	FAILS(f, corral_backend_execute(f->on.b, &next, &e, &f->on.err), EPIPE,
	      "what ran the command in the container is gone");
	corral_executed_done(&e);
	(void)corral_backend_background_kill(f->on.b, killer.shell_id, &f->on.err);
	assert_shell(&f->on, "echo next", 0, "next\n");
}

/* The name alone does not save what a command left, once its supervisor is gone. */
static void what_takes_our_name_is_swept_as_well(void **state)
{
	static const char *const ways[] = {
		"cp /bin/sleep /tmp/corral-inside; setsid /tmp/corral-inside 4321 >/dev/null 2>&1 "
		"& "
		"sleep 0.3; kill -9 $PPID; sleep 5",
		"setsid sleep 4321 >/dev/null 2>&1 & sleep 0.3; kill -STOP $PPID; sleep 30",
		/* One that has its turn to die after all others. */
		"for i in 1 2 3 4 5 6 7 8; do setsid sh -c 'while :; do :; done' 4321 "
		">/dev/null 2>&1 & done; sleep 0.3; chrt -i -p 0 $PPID; kill -STOP $PPID; sleep 30",
	};
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	for (size_t i = 0; i < CORRAL_COUNT(ways); i++) {
		const struct corral_execute x = { .command = ways[i], .timeout_ms = 2000 };

		(void)corral_backend_execute(f->on.b, &x, &e, NULL);
		corral_executed_done(&e);
		assert_shell(&f->on,
		             "n=0; for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline | grep -q "
		             "'4321 $' && n=1; done; echo $n",
		             0, "0\n");
	}
}

/* What looks like a zombie may have threads that go on. */
static void process_without_its_main_thread_is_swept(void **state)
{
	struct fixture *f = *state;
	const struct corral_execute x = {
		.command = "chmod +x probe; setsid ./probe headless >/dev/null 2>&1 & sleep 0.5; "
		           "cat /proc/[0-9]*/task/*/comm 2>/dev/null | grep -c headless; "
		           "kill -STOP $PPID; sleep 30",
		.timeout_ms = 2000,
	};
	struct corral_executed e;
	corral_autobuf struct corral_buf program = CORRAL_BUF_INIT;
	corral_autofd int fd = -1;

	if (missing(f))
		return;
	fd = open(CORRAL_TEST_PROBE, O_RDONLY | O_CLOEXEC);
	assert_int_equal(corral_buf_read_fd(&program, fd, SIZE_MAX), 0);
	OK(f, corral_backend_write(f->on.b, "probe", program.data, program.len, &f->on.err));
	(void)corral_backend_execute(f->on.b, &x, &e, NULL);
	assert_text(&e.out, "2\n");
	corral_executed_done(&e);
	assert_shell(&f->on, "cat /proc/[0-9]*/task/*/comm 2>/dev/null | grep -c headless", 1,
	             "0\n");
}

/* Every place below the limit of processes taken, and what was to end them killed. */
static void container_full_of_processes_is_emptied(void **state)
{
	const struct corral_limits limits = { .memory_bytes = 256u << 20, .pids = 24 };
	const struct corral_execute x = {
		.command = "i=0; while [ $i -lt 40 ]; do (exec sleep 4322 >/dev/null 2>&1) & "
		           "i=$((i + 1)); done; kill -9 $PPID; sleep 5",
		.timeout_ms = 5000,
	};
	struct fixture *f = *state;
	struct corral_backend *before = f->on.b;
	struct corral_executed e;

	if (missing(f))
		return;
	/* Podman changes no limit of a container that runs. */
	if (!corral_test_engine_is("docker"))
		return;
	f->on.b = sandbox(f, (struct corral_docker_options) { .limits = &limits });
	(void)corral_backend_execute(f->on.b, &x, &e, NULL);
	corral_executed_done(&e);
	assert_shell(&f->on, "echo next", 0, "next\n");
	f->on.b = before;
}

/* A guest may stop the file server: one call waits for it in vain, the next one has another. */
static void stopped_file_server_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct corral_buf text = CORRAL_BUF_INIT;

	/* Half a minute, and nothing in it that an engine does. */
	if (missing(f) || !corral_test_engine_is("docker"))
		return;
	OK(f, corral_backend_write(f->on.b, "here", "text", 4, &f->on.err));
	assert_shell(&f->on,
	             "for p in /proc/[0-9]*; do test \"$(tr '\\0' ' ' <$p/cmdline)\" = "
	             "'/.corral/corral-inside files ' && kill -STOP ${p#/proc/}; done; true",
	             0, "");
	assert_int_equal(corral_backend_read(f->on.b, "here", 0, 0, &text, &f->on.err), -ETIMEDOUT);
	OK(f, corral_backend_read(f->on.b, "here", 0, 0, &text, &f->on.err));
	assert_string_equal(text.data, "     1\ttext");
	corral_buf_done(&text);
}

static void runs_have_names_of_their_own(void **state)
{
	char *const argv[] = { (char *)"true", NULL };
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	/* Again and again, one after the other. */
	for (int i = 0; i < 3; i++) {
		e = execute(&f->on, &(struct corral_execute) {
		                            .argv = argv, .run_id = "again", .timeout_ms = -1 });
		assert_int_equal(e.exit_code, 0);
		assert_false(e.cancelled);
		corral_executed_done(&e);
		OK(f, corral_backend_stop(f->on.b, "again", &f->on.err));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		ROW(it_says_what_it_is),
		ROW(command_has_its_output_and_exit_code),
		ROW(signals_are_told_apart_from_exit_codes),
		ROW(argv_is_literal_and_a_missing_program_is_127),
		ROW(what_is_no_program_is_126),
		ROW(environment_is_layered),
		ROW(work_directory_is_the_one_asked_for),
		ROW(arguments_and_variables_may_be_any_bytes),
		ROW(standard_input_is_the_data_or_nothing),
		ROW(large_input_arrives_or_is_left_unread),
		ROW(children_that_hold_the_output_end_with_their_command),
		ROW(timeout_keeps_what_was_said_and_ends_the_tree),
		ROW(timeout_ends_what_hides),
		ROW(streams_apart_are_each_whole),
		ROW(output_beyond_the_ceiling_is_cut_or_ends_the_command),
		ROW(bytes_that_are_no_text_become_replacement_characters),
		ROW(output_streams_while_the_command_runs),
		ROW(cancellation_from_another_thread_ends_the_tree),
		ROW(runs_are_stopped_by_their_name),
		ROW(runs_have_names_of_their_own),
		ROW(command_that_kills_its_supervisor_is_an_error),
		ROW(what_takes_our_name_is_swept_as_well),
		ROW(process_without_its_main_thread_is_swept),
		ROW(container_full_of_processes_is_emptied),
		ROW(stopped_file_server_is_replaced),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, all_setup, all_teardown);
}
