/*
 * Scope "call": what every sandbox does, and that nothing of a command reaches the next but the
 * work directory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/support.h"

#include "backends/call.h"
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
	char dir[64];
};

static int make_native(void *ctx, struct corral_backend **ret, struct corral_error *err)
{
	const struct fixture *f = ctx;

	return corral_native_sandbox_new(f->launcher, f->policy, NULL, ret, err);
}

/* Of a launcher's own, or of any backends. */
static int setup_with(void **state, bool generic)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char json[300];
	int r;

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/corral-call-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(json, sizeof(json),
	               "{\"limits\":{\"pids\":100,\"disk\":\"64M\"},\"workspace\":\"%s\",\"env\":{"
	               "\"WHO\":\"policy\",\"KEEP\":\"yes\"}}",
	               f->dir);
	f->policy = policy_of(json);
	r = corral_launcher_open(CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM, &f->launcher,
	                         &f->on.err);
	if (r == 0)
		r = generic ? corral_call_backend_new(make_native, f, NULL, &f->on.b, &f->on.err)
		            : corral_call_sandbox_new(f->launcher, f->policy, NULL, &f->on.b,
		                                      &f->on.err);
	if (r == 0 && corral_backend_start(f->on.b, &f->on.err) < 0) {
		corral_backend_close(f->on.b);
		f->on.b = NULL;
	}
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false);
}

static int setup_generic(void **state)
{
	return setup_with(state, true);
}

static int wipe_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_backend_close(f->on.b);
	if (f->launcher)
		corral_launcher_close(f->launcher);
	corral_policy_free(f->policy);
	(void)nftw(f->dir, wipe_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static bool missing(const struct fixture *f)
{
	if (!f->on.b)
		corral_test_skip("native isolation: %s", f->on.err.text);
	return !f->on.b;
}

/* Of tests/sandbox_checks.h. */
CHECKED(command_has_its_output_and_exit_code)
CHECKED(argv_is_literal_and_a_missing_program_is_127)
CHECKED(environment_is_layered)
CHECKED(standard_input_is_the_data_or_nothing)
CHECKED(timeout_keeps_what_was_said_and_ends_the_tree)
CHECKED(output_streams_while_the_command_runs)
CHECKED(cancellation_from_another_thread_ends_the_tree)
CHECKED(runs_are_stopped_by_their_name)
CHECKED(terminal_is_a_terminal)
CHECKED(files_are_those_of_the_commands)

CHECKED(output_beyond_the_ceiling_ends_the_command)

static void nothing_of_a_command_reaches_the_next_but_its_files(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_shell(&f->on,
	             "echo kept > kept; echo x > /tmp/left; echo x > $HOME/left; export LEFT=1; "
	             "{ mkdir -p /usr/local/bin && printf '#!/bin/sh\\necho poisoned' "
	             "> /usr/local/bin/ls; chmod +x /usr/local/bin/ls; } 2>/dev/null; "
	             "echo '127.0.0.1 left' >> /etc/hosts; hostname left 2>/dev/null; "
	             "(setsid sleep 4716 >/dev/null 2>&1 &); echo done",
	             0, "done\n");
	assert_shell(&f->on, "cat kept; ls -A /tmp $HOME | grep left; echo \"[$LEFT]\"; ls", 0,
	             "kept\n[]\nkept\n");
	assert_shell(&f->on, "grep -c left /etc/hosts; hostname | grep -c left", 1, "0\n0\n");
	assert_shell(&f->on, "ls -d /proc/[0-9]* | wc -l | grep -qx '[1-6]'", 0, "");
	assert_shell(&f->on,
	             "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 471[6]'",
	             1, "0\n");
	/* Nor from where files are worked on. */
	assert_int_equal(corral_backend_write(f->on.b, "/tmp/left", "x", 1, &f->on.err), 0);
	assert_shell(&f->on, "test -e /tmp/left", 1, "");
}

static void no_command_runs_where_files_are(void **state)
{
	struct corral_buf text = CORRAL_BUF_INIT;
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_shell(&f->on, "echo mine > /tmp/f; echo ours > f", 0, "");
	assert_int_equal(corral_backend_read_bytes(f->on.b, "f", 0, &text, &f->on.err), 0);
	assert_text(&text, "ours\n");
	assert_false(corral_backend_exists(f->on.b, "/tmp/f"));
	corral_buf_done(&text);
}

static void what_it_has_not_is_said(void **state)
{
	struct fixture *f = *state;
	struct corral_background g;
	struct corral_usage u;

	if (missing(f))
		return;
	assert_int_equal(corral_backend_background_start(f->on.b, "true", &g, &f->on.err),
	                 -EOPNOTSUPP);
	assert_says(f->on.err.text, "the native backend has no background processes");
	assert_int_equal(corral_backend_pause(f->on.b, true, &f->on.err), -EOPNOTSUPP);
	assert_int_equal(corral_backend_usage(f->on.b, &u, &f->on.err), -EOPNOTSUPP);
}

#define RUN_ID "0123456789abcdef"

static atomic_bool named_is_over;

static void *run_named(void *arg)
{
	const struct corral_execute x = { .command = "echo x > b && mv b begun; sleep 4717",
		                          .run_id = RUN_ID,
		                          .timeout_ms = 30000 };
	struct checked *f = arg;
	struct corral_error err = { 0 };
	struct corral_executed *e = calloc(1, sizeof(*e));

	if (corral_backend_execute(f->b, &x, e, &err) < 0)
		e->exit_code = -err.code;
	atomic_store(&named_is_over, true);
	return e;
}

static void wait_for_file(struct checked *f, const char *path)
{
	for (int i = 0; i < 1000 && !corral_backend_exists(f->b, path); i++)
		nap(10);
	assert_true(corral_backend_exists(f->b, path));
}

/* Whenever it comes: before the sandbox is there, while its shell starts, or later. */
static void stop_reaches_a_command_that_has_hardly_begun(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	void *e;

	if (missing(f))
		return;
	for (unsigned int i = 0; i < 5; i++) {
		uint64_t begin;

		atomic_store(&named_is_over, false);
		assert_int_equal(pthread_create(&thread, NULL, run_named, &f->on), 0);
		nap_usec(i * 1000);
		begin = corral_now_ms();
		do {
			assert_int_equal(corral_backend_stop(f->on.b, RUN_ID, &f->on.err), 0);
			/* Not at all, where the thread had not come to it yet. */
			for (int ms = 0; ms < 200 && !atomic_load(&named_is_over); ms += 5)
				nap(5);
		} while (!atomic_load(&named_is_over));
		assert_int_equal(pthread_join(thread, &e), 0);
		assert_true(((struct corral_executed *)e)->cancelled);
		assert_true(corral_now_ms() - begin < corral_test_most_ms(10000));
		corral_executed_done(e);
		free(e);
	}
}

static void names_are_for_one_command_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct corral_executed e, *first;
	pthread_t thread;
	void *ended;

	if (missing(f))
		return;
	assert_int_equal(pthread_create(&thread, NULL, run_named, &f->on), 0);
	wait_for_file(&f->on, "begun");
	assert_int_equal(corral_backend_execute(f->on.b,
	                                        &(struct corral_execute) { .command = "true",
	                                                                   .run_id = RUN_ID,
	                                                                   .timeout_ms = -1 },
	                                        &e, &f->on.err),
	                 -EEXIST);
	assert_says(f->on.err.text, "is running already");
	corral_executed_done(&e);
	/* And the end of all ends it. */
	assert_int_equal(corral_backend_end(f->on.b, &f->on.err), 0);
	assert_int_equal(pthread_join(thread, &ended), 0);
	first = ended;
	assert_int_not_equal(first->exit_code, 0);
	corral_executed_done(first);
	free(first);
	assert_false(corral_backend_is_alive(f->on.b));
	assert_shell(&f->on, "cat begun", 0, "x\n");
}

static void *many(void *arg)
{
	struct checked *f = arg;
	struct corral_error err = { 0 };

	for (int i = 0; i < 6; i++) {
		const struct corral_execute x = {
			.command = "test ! -e /tmp/t && touch /tmp/t && echo x >> all && ls -d "
			           "/proc/[0-9]* | wc -l",
			.timeout_ms = 60000,
		};
		struct corral_executed e;
		int r = corral_backend_execute(f->b, &x, &e, &err);
		/* Its init, its shell and what that started: no other's. */
		bool fine = r == 0 && e.exit_code == 0 && e.out.len &&
		            strtol(e.out.data, NULL, 10) < 7 && e.receipt.wall_usec > 0;

		corral_executed_done(&e);
		if (!fine)
			return f;
	}
	return NULL;
}

static void many_at_once_have_one_each(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_threads_fine(many, &f->on);
	assert_shell(&f->on, "wc -l < all", 0, "48\n");
}

static void receipt_is_of_its_own_sandbox(void **state)
{
	struct fixture *f = *state;
	struct corral_executed big, small;

	if (missing(f))
		return;
	big = shell(&f->on, "python3 -c 'x = b\"x\" * 60000000'");
	small = shell(&f->on, "true");
	assert_int_equal(small.receipt.reason, CORRAL_REASON_EXIT);
	if (big.receipt.memory_peak_bytes != UINT64_MAX && big.exit_code == 0)
		assert_true(small.receipt.memory_peak_bytes < big.receipt.memory_peak_bytes / 2);
	corral_executed_done(&big);
	corral_executed_done(&small);
}

int main(int argc, char **argv)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define GENERIC(test)                                                  \
	{                                                              \
		"generic: " #test, test, setup_generic, teardown, NULL \
	}
	const struct CMUnitTest tests[] = {
		ROW(command_has_its_output_and_exit_code),
		ROW(argv_is_literal_and_a_missing_program_is_127),
		ROW(environment_is_layered),
		ROW(standard_input_is_the_data_or_nothing),
		ROW(timeout_keeps_what_was_said_and_ends_the_tree),
		ROW(output_streams_while_the_command_runs),
		ROW(cancellation_from_another_thread_ends_the_tree),
		ROW(runs_are_stopped_by_their_name),
		ROW(terminal_is_a_terminal),
		ROW(files_are_those_of_the_commands),
		ROW(output_beyond_the_ceiling_ends_the_command),
		ROW(nothing_of_a_command_reaches_the_next_but_its_files),
		ROW(no_command_runs_where_files_are),
		ROW(what_it_has_not_is_said),
		ROW(stop_reaches_a_command_that_has_hardly_begun),
		ROW(names_are_for_one_command_at_a_time),
		ROW(many_at_once_have_one_each),
		ROW(receipt_is_of_its_own_sandbox),
		GENERIC(nothing_of_a_command_reaches_the_next_but_its_files),
		GENERIC(names_are_for_one_command_at_a_time),
		GENERIC(many_at_once_have_one_each),
	};
#undef ROW
#undef GENERIC

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
