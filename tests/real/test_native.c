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
#include "tests/sandbox_checks.h"

struct fixture {
	struct corral_policy *policy;
	struct corral_launcher *launcher;
	struct checked on;
};

static int setup(void **state)
{
	static const char json[] = "{\"limits\":{\"pids\":100,\"disk\":\"64M\"},\"env\":{\"WHO\":"
	                           "\"policy\",\"KEEP\":\"yes\"}}";
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->policy = policy_of(json);
	if (corral_launcher_open(0, &f->launcher, &f->on.err) == 0 &&
	    corral_native_sandbox_new(f->launcher, f->policy, NULL, &f->on.b, &f->on.err) == 0 &&
	    corral_backend_start(f->on.b, &f->on.err) < 0) {
		corral_backend_close(f->on.b);
		f->on.b = NULL;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->on.b);
	if (f->launcher)
		corral_launcher_close(f->launcher);
	corral_policy_free(f->policy);
	free(f);
	return 0;
}

static bool missing(const struct fixture *f)
{
	if (!f->on.b)
		corral_test_skip("native isolation: %s", f->on.err.text);
	return !f->on.b;
}

/* --- Commands --- */

/* Of tests/sandbox_checks.h. */
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

/* --- Background processes and terminals --- */
CHECKED(background_processes_outlive_the_call)
CHECKED(terminal_is_a_terminal)

/* --- Files --- */
CHECKED(files_are_those_of_the_commands)

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
	assert_shell(&f->on, "truncate -s 300M big", 0, "");
	assert_int_equal(corral_backend_read_bytes(f->on.b, "big", 0, &text, &f->on.err), -EFBIG);
	assert_int_equal(corral_backend_read_stream(f->on.b, "big", 0, UINT64_MAX, &sink,
	                                            &f->on.err),
	                 0);
	assert_int_equal(total, 300 << 20);
	corral_buf_done(&text);
}

/* Its program is one for all sandboxes, so none may get hold of it. */
static void file_server_cannot_be_looked_into(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_int_equal(corral_backend_write(f->on.b, "x", "1", 1, &f->on.err), 0);
	assert_shell(&f->on,
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
	assert_int_equal(corral_backend_write(f->on.b, "x", "1", 1, &f->on.err), 0);
	assert_shell(&f->on,
	             "for p in /proc/[0-9]*; do test \"$(cat $p/comm)\" = corral-files && kill -9 "
	             "${p#/proc/}; done; true",
	             0, "");
	nap(100);
	for (int i = 0; i < 3 && corral_backend_ls(f->on.b, ".", &rows, &f->on.err) < 0; i++)
		nap(50);
	assert_int_equal(rows.n, 1);
	corral_files_rows_done(&rows);
}
CHECKED(threads_mix_commands_and_files)

/* --- Life --- */

static void death_is_told_and_the_next_life_is_asked_for(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e;

	if (missing(f))
		return;
	assert_true(corral_backend_is_alive(f->on.b));
	assert_shell(&f->on, "touch mark", 0, "");
	/* Out of memory, all of it: only where somebody counts it. */
	e = execute(&f->on, &(struct corral_execute) { .command = "kill -9 -1; sleep 1",
	                                               .timeout_ms = 20000 });
	corral_executed_done(&e);
	assert_true(corral_backend_is_alive(f->on.b));
	assert_int_equal(corral_backend_end(f->on.b, &f->on.err), 0);
	assert_false(corral_backend_is_alive(f->on.b));
	assert_shell(&f->on, "ls", 0, "");
	assert_true(corral_backend_is_alive(f->on.b));
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
	corral_backend_close(f->on.b);
	f->on.b = NULL;
	assert_int_equal(corral_native_sandbox_new(f->launcher, small, NULL, &f->on.b, &f->on.err),
	                 0);
	corral_policy_free(small);
	e = execute(&f->on, &(struct corral_execute) {
	                            .command = "python3 -c 'x = b\"x\" * 100000000; print(len(x))'",
	                            .timeout_ms = 60000 });
	assert_int_equal(e.receipt.reason, CORRAL_REASON_OOM);
	corral_executed_done(&e);
	for (int ms = 0; ms < PATIENCE_MS && corral_backend_is_alive(f->on.b); ms += 10)
		nap(10);
	assert_false(corral_backend_is_alive(f->on.b));
	r = corral_backend_execute(f->on.b,
	                           &(struct corral_execute) { .command = "true", .timeout_ms = -1 },
	                           &e, &f->on.err);
	assert_int_equal(r, -EPIPE);
	assert_says(f->on.err.text, "start it again");
	corral_executed_done(&e);
	assert_int_equal(corral_backend_start(f->on.b, &f->on.err), 0);
	assert_shell(&f->on, "echo back", 0, "back\n");
}

static void pause_holds_everything_and_usage_is_told(void **state)
{
	struct fixture *f = *state;
	struct corral_usage u;

	if (missing(f))
		return;
	assert_int_equal(corral_backend_usage(f->on.b, &u, &f->on.err), 0);
	assert_int_equal(u.disk_limit_bytes, 64 << 20);
	if (!check_pause_holds_everything_and_usage_is_told(&f->on))
		skip_without_root("a control group that freezes");
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
