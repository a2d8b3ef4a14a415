/*
 * Commands beside each other in one sandbox: each has its own output, end and tree, however the
 * guest resists.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "kernel/process.h"
#include "tests/real/library_support.h"
#include "tests/real/sandbox_support.h"

#define PATIENCE_MS (corral_test_slow() ? 120000 : 20000)

struct fixture {
	struct corral_policy *policy;
	struct corral_launcher *launcher;
	struct corral_sandbox *sandbox;
	struct corral_error err;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->policy = policy_of("{\"limits\":{\"pids\":100}}");
	if (corral_launcher_open(0, &f->launcher, &f->err) == 0)
		(void)corral_sandbox_open(f->launcher, f->policy, &f->sandbox, &f->err);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_sandbox_close(f->sandbox, NULL);
	if (f->launcher)
		corral_launcher_close(f->launcher);
	corral_policy_free(f->policy);
	free(f);
	return 0;
}

static bool missing(const struct fixture *f)
{
	if (!f->sandbox)
		corral_test_skip("native isolation: %s", f->err.text);
	return !f->sandbox;
}

static struct corral_process *start(struct fixture *f, const char *line, int out_fd,
                                    unsigned int flags)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)line, NULL };
	const struct corral_command command = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = out_fd, .stderr_fd = out_fd
	};
	struct corral_process *p = NULL;

	if (corral_process_start(f->sandbox, &command, flags, &p, &f->err) < 0)
		fail_msg("%s: %s", line, f->err.text);
	return p;
}

#define OK(f, call)                                               \
	do {                                                      \
		if ((call) < 0)                                   \
			fail_msg("%s: %s", #call, (f)->err.text); \
	} while (0)

static struct corral_process *background(struct fixture *f, const char *line)
{
	return start(f, line, -1, CORRAL_PROCESS_BACKGROUND);
}

static void wait_for(struct fixture *f, struct corral_process *p)
{
	if (corral_process_wait(p, PATIENCE_MS, &f->err) < 0)
		fail_msg("it has not ended: %s", f->err.text);
}

/* The exit code of a line, which is over at once. */
static int shell(struct fixture *f, const char *line)
{
	struct corral_process *p = start(f, line, -1, 0);
	int code;

	wait_for(f, p);
	code = corral_process_receipt(p)->exit_code;
	corral_process_close(p);
	return code;
}

/* Processes of the sandbox whose command line is `sleep NUMBER`, as seen from inside. */
static int sleepers(struct fixture *f, int number)
{
	char line[200];

	(void)snprintf(
	        line, sizeof(line),
	        "n=0; for p in /proc/[0-9]*; do test \"$(tr '\\0' ' ' <$p/cmdline 2>/dev/null)\" = "
	        "'sleep %d ' && n=$((n+1)); done; exit $n",
	        number);
	return shell(f, line);
}

static void assert_sleepers(struct fixture *f, int number, int wanted)
{
	int n = -1;

	for (int i = 0; i < 100 && n != wanted; i++) {
		n = sleepers(f, number);
		if (n != wanted)
			nap(20);
	}
	if (n != wanted)
		fail_msg("%d processes sleep for %d, not %d", n, number, wanted);
}

static void every_command_has_its_own_output_and_end(void **state)
{
	struct fixture *f = *state;
	struct corral_process *p[30];
	int out[30];

	if (missing(f))
		return;
	for (int i = 0; i < 30; i++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "sleep 0.%d; echo I am %d; exit %d", i % 7, i,
		               i);
		out[i] = memfd_create("out", MFD_CLOEXEC);
		assert_true(out[i] >= 0);
		p[i] = start(f, line, out[i], i % 2 ? CORRAL_PROCESS_BACKGROUND : 0);
	}
	for (int i = 29; i >= 0; i--) {
		char wanted[32], *text;

		wait_for(f, p[i]);
		assert_int_equal(corral_process_receipt(p[i])->reason, CORRAL_REASON_EXIT);
		assert_int_equal(corral_process_receipt(p[i])->exit_code, i);
		(void)snprintf(wanted, sizeof(wanted), "I am %d\n", i);
		text = support_text(out[i]);
		assert_string_equal(text, wanted);
		free(text);
		corral_process_close(p[i]);
	}
}

static void kill_ends_a_whole_tree_and_nothing_else(void **state)
{
	static const char tree[] =
	        "sleep %d & (setsid sleep %d &) ; setsid sh -c 'sleep %d & sleep %d'";
	struct fixture *f = *state;
	struct corral_process *p[3];
	char line[200];

	if (missing(f))
		return;
	for (int i = 0; i < 3; i++) {
		int n = 7000 + i;

		(void)snprintf(line, sizeof(line), tree, n, n, n, n);
		/* The first is guest init's own child. */
		p[i] = i ? background(f, line) : start(f, line, -1, 0);
	}
	for (int i = 0; i < 3; i++)
		assert_sleepers(f, 7000 + i, 4);
	corral_process_kill(p[1], CORRAL_REASON_KILLED);
	assert_int_equal(corral_process_receipt(p[1])->reason, CORRAL_REASON_KILLED);
	assert_sleepers(f, 7001, 0);
	assert_sleepers(f, 7000, 4);
	assert_sleepers(f, 7002, 4);
	corral_process_kill(p[0], CORRAL_REASON_TIMEOUT);
	assert_int_equal(corral_process_receipt(p[0])->reason, CORRAL_REASON_TIMEOUT);
	assert_sleepers(f, 7000, 0);
	assert_sleepers(f, 7002, 4);
	corral_process_close(p[2]);
	assert_sleepers(f, 7002, 0);
	corral_process_close(p[0]);
	corral_process_close(p[1]);
}

static void daemons_end_with_the_command_that_left_them(void **state)
{
	struct fixture *f = *state;
	struct corral_process *p;

	if (missing(f))
		return;
	p = background(f, "sleep 8000");
	assert_int_equal(shell(f, "setsid sh -c 'setsid sleep 8001 & sleep 8001' & exit 5"), 5);
	assert_sleepers(f, 8001, 0);
	assert_sleepers(f, 8000, 1);
	corral_process_close(p);
}

/* A supervisor has the guest's ids, so that the guest can kill it. */
static void guest_that_kills_its_supervisor_gains_nothing(void **state)
{
	struct fixture *f = *state;
	struct corral_process *p, *other;

	if (missing(f))
		return;
	other = background(f, "sleep 9000");
	p = background(f, "(setsid sleep 9001 &); test $PPID != 1 && kill -9 $PPID; sleep 9001");
	wait_for(f, p);
	assert_int_equal(corral_process_receipt(p)->signal, SIGKILL);
	assert_sleepers(f, 9001, 0);
	assert_sleepers(f, 9000, 1);
	corral_process_close(p);
	corral_process_close(other);
}

static void supervisor_that_was_stopped_is_ended_all_the_same(void **state)
{
	struct fixture *f = *state;
	struct corral_process *p;

	if (missing(f))
		return;
	p = background(
	        f, "kill -STOP $PPID; sleep 9002 & while :; do kill -STOP $PPID; sleep 0.01; done");
	assert_sleepers(f, 9002, 1);
	corral_process_kill(p, CORRAL_REASON_KILLED);
	assert_int_equal(corral_process_receipt(p)->reason, CORRAL_REASON_KILLED);
	assert_sleepers(f, 9002, 0);
	corral_process_close(p);
}

static void tree_that_forks_as_fast_as_it_dies_is_ended(void **state)
{
	struct fixture *f = *state;
	struct corral_process *p, *other;

	if (missing(f))
		return;
	other = background(f, "sleep 9003");
	/* A chain, not a bomb: one child at a time, whose parent goes at once. */
	p = background(f, "f() { f & }; f; sleep 9004");
	nap(200);
	corral_process_kill(p, CORRAL_REASON_KILLED);
	assert_sleepers(f, 9004, 0);
	assert_sleepers(f, 9003, 1);
	corral_process_close(p);
	corral_process_close(other);
}

static void signals_reach_the_command_that_they_are_for(void **state)
{
	struct fixture *f = *state;
	struct corral_process *p[2];

	if (missing(f))
		return;
	for (int i = 0; i < 2; i++)
		p[i] = background(
		        f, "trap 'exit 9' USR1; touch /tmp/ready$$; while :; do sleep 0.01; done");
	for (int i = 0; shell(f, "test $(ls /tmp/ready* | wc -l) = 2") != 0; i++) {
		assert_true(i < 200);
		nap(20);
	}
	assert_int_equal(corral_process_signal(p[1], SIGUSR1, &f->err), 0);
	wait_for(f, p[1]);
	assert_int_equal(corral_process_receipt(p[1])->exit_code, 9);
	assert_int_equal(corral_process_wait(p[0], 0, &f->err), -ETIMEDOUT);
	assert_int_equal(corral_process_signal(p[1], SIGUSR1, &f->err), -ESRCH);
	corral_process_close(p[0]);
	corral_process_close(p[1]);
}

static void refusals_are_told_with_the_command_that_met_them(void **state)
{
	struct fixture *f = *state;
	struct corral_process *quiet, *loud;

	if (missing(f))
		return;
	quiet = background(f, "sleep 0.5");
	loud = background(f, "unshare -U true; exit 0");
	wait_for(f, loud);
	wait_for(f, quiet);
	if (corral_process_receipt(loud)->n_denials == 0)
		corral_test_skip("user notification");
	else
		assert_int_equal(corral_process_receipt(quiet)->n_denials, 0);
	corral_process_close(loud);
	corral_process_close(quiet);
}

static void program_of_the_caller_runs_without_a_name_inside(void **state)
{
	char *const argv[] = { (char *)"mine", (char *)"%s-%s", (char *)"a", (char *)"b", NULL };
	struct corral_command command = { .argv = argv, .stdin_fd = -1, .stderr_fd = -1 };
	struct fixture *f = *state;
	struct corral_process *p = NULL;
	corral_autofd int program = -1;
	char *text;

	if (missing(f))
		return;
	program = open("/usr/bin/printf", O_RDONLY | O_CLOEXEC);
	assert_true(program >= 0);
	command.stdout_fd = memfd_create("out", MFD_CLOEXEC);
	if (corral_process_start_program(f->sandbox, program, &command, 0, &p, &f->err) < 0)
		fail_msg("%s", f->err.text);
	wait_for(f, p);
	assert_int_equal(corral_process_receipt(p)->exit_code, 0);
	text = support_text(command.stdout_fd);
	assert_string_equal(text, "a-b");
	free(text);
	corral_process_close(p);
}

static void what_cannot_be_executed_is_told_and_leaves_nothing(void **state)
{
	char *const argv[] = { (char *)"no-such-program", NULL };
	const struct corral_command command = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};
	struct fixture *f = *state;
	struct corral_process *p = NULL, *other;

	if (missing(f))
		return;
	other = background(f, "sleep 9005");
	for (int i = 0; i < 300; i++) {
		assert_int_equal(corral_process_start(f->sandbox, &command,
		                                      i % 2 ? CORRAL_PROCESS_BACKGROUND : 0, &p,
		                                      &f->err),
		                 -ENOENT);
		assert_says(f->err.text, "'no-such-program'");
		assert_null(p);
	}
	assert_int_equal(shell(f, "test $(ls -d /proc/[0-9]* | wc -l) -lt 10"), 0);
	corral_process_close(other);
}

/* A caller that does not wait for the start hears of it with the end, on whichever socket. */
static void what_nobody_waited_for_is_told_at_its_end(void **state)
{
	char *argv[] = { (char *)"no-such-program", NULL };
	char *const shell_argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 5", NULL };
	struct corral_command command = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .no_wait = true
	};
	struct fixture *f = *state;
	struct corral_process *p = NULL, *other;
	const struct corral_receipt *receipt;

	if (missing(f))
		return;
	other = background(f, "sleep 9010");
	for (int i = 0; i < 100; i++) {
		const unsigned int flags = i % 2 ? CORRAL_PROCESS_BACKGROUND : 0;

		command.argv = argv;
		OK(f, corral_process_start(f->sandbox, &command, flags, &p, &f->err));
		assert_int_equal(corral_process_pid(p), 0);
		assert_int_equal(corral_process_wait(p, PATIENCE_MS, &f->err), -ENOENT);
		assert_says(f->err.text, "'no-such-program'");
		assert_int_equal(corral_process_receipt(p)->exec_error, ENOENT);
		assert_int_equal(corral_process_dispatch(p, &f->err), 1);
		corral_process_close(p);
		command.argv = shell_argv;
		OK(f, corral_process_start(f->sandbox, &command, flags, &p, &f->err));
		wait_for(f, p);
		receipt = corral_process_receipt(p);
		assert_int_equal(receipt->exec_error, 0);
		assert_int_equal(receipt->exit_code, 5);
		assert_true(receipt->stage_usec[CORRAL_STAGE_EXEC] <= receipt->wall_usec);
		corral_process_close(p);
	}
	command.guest_dir = "/nowhere";
	OK(f, corral_sandbox_start(f->sandbox, &command, &f->err));
	assert_int_equal(corral_sandbox_wait(f->sandbox, &f->err), -ENOENT);
	assert_says(f->err.text, "working directory '/nowhere'");
	command.guest_dir = NULL;
	OK(f, corral_sandbox_start(f->sandbox, &command, &f->err));
	assert_int_equal(corral_sandbox_wait(f->sandbox, &f->err), 0);
	assert_int_equal(corral_sandbox_receipt(f->sandbox)->exit_code, 5);
	assert_sleepers(f, 9010, 1);
	corral_process_close(other);
}

/* On their way to their exec they have guest init's memory: the next message waits for that, an
 * order to end them too. */
static void what_nobody_waited_for_is_ended_before_it_runs(void **state)
{
	char *const argv[] = { (char *)"sleep", (char *)"9011", NULL };
	char *const none[] = { (char *)"no-such-program", NULL };
	struct fixture *f = *state;
	struct corral_process *p[8];

	if (missing(f))
		return;
	for (int i = 0; i < 50; i++) {
		for (size_t k = 0; k < CORRAL_COUNT(p); k++) {
			const struct corral_command command = { .argv = k % 3 ? argv : none,
				                                .stdin_fd = -1,
				                                .stdout_fd = -1,
				                                .stderr_fd = -1,
				                                .no_wait = true };

			OK(f, corral_process_start(f->sandbox, &command, 0, &p[k], &f->err));
		}
		for (size_t k = 0; k < CORRAL_COUNT(p); k++) {
			corral_process_kill(p[k], CORRAL_REASON_TIMEOUT);
			/* What cannot be executed may be killed before that shows. */
			if (k % 3 || !corral_process_receipt(p[k])->exec_error)
				assert_int_equal(corral_process_receipt(p[k])->reason,
				                 CORRAL_REASON_TIMEOUT);
			else
				assert_int_equal(corral_process_receipt(p[k])->exec_error, ENOENT);
			corral_process_close(p[k]);
		}
	}
	assert_true(corral_sandbox_is_alive(f->sandbox));
	assert_sleepers(f, 9011, 0);
}

static void command_on_the_main_socket_and_others_go_together(void **state)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"sleep 9006 & exit 4", NULL };
	const struct corral_command command = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};
	struct fixture *f = *state;
	struct corral_process *other;

	if (missing(f))
		return;
	other = background(f, "sleep 9007");
	assert_int_equal(corral_sandbox_start(f->sandbox, &command, &f->err), 0);
	assert_int_equal(corral_sandbox_wait(f->sandbox, &f->err), 0);
	assert_int_equal(corral_sandbox_receipt(f->sandbox)->exit_code, 4);
	assert_sleepers(f, 9006, 0);
	assert_sleepers(f, 9007, 1);
	corral_process_close(other);
}

static void *many(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < 25; i++)
		if (shell(f, "exit 17") != 17)
			return f;
	return NULL;
}

static void threads_share_a_sandbox(void **state)
{
	struct fixture *f = *state;

	if (missing(f))
		return;
	assert_threads_fine(many, f);
}

static void sandbox_that_is_killed_ends_all_commands(void **state)
{
	struct fixture *f = *state;
	struct corral_process *p[2], *late = NULL;
	char *const argv[] = { (char *)"true", NULL };
	const struct corral_command command = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};

	if (missing(f))
		return;
	p[0] = start(f, "sleep 9008", -1, 0);
	p[1] = background(f, "sleep 9008");
	assert_int_equal(kill(corral_sandbox_pid(f->sandbox), SIGKILL), 0);
	for (int i = 0; i < 2; i++) {
		wait_for(f, p[i]);
		assert_int_equal(corral_process_receipt(p[i])->reason, CORRAL_REASON_KILLED);
		corral_process_close(p[i]);
	}
	assert_true(corral_process_start(f->sandbox, &command, 0, &late, &f->err) < 0);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(every_command_has_its_own_output_and_end),
		ROW(kill_ends_a_whole_tree_and_nothing_else),
		ROW(daemons_end_with_the_command_that_left_them),
		ROW(guest_that_kills_its_supervisor_gains_nothing),
		ROW(supervisor_that_was_stopped_is_ended_all_the_same),
		ROW(tree_that_forks_as_fast_as_it_dies_is_ended),
		ROW(signals_reach_the_command_that_they_are_for),
		ROW(refusals_are_told_with_the_command_that_met_them),
		ROW(program_of_the_caller_runs_without_a_name_inside),
		ROW(what_cannot_be_executed_is_told_and_leaves_nothing),
		ROW(what_nobody_waited_for_is_told_at_its_end),
		ROW(what_nobody_waited_for_is_ended_before_it_runs),
		ROW(command_on_the_main_socket_and_others_go_together),
		ROW(threads_share_a_sandbox),
		ROW(sandbox_that_is_killed_ends_all_commands),
	};
#undef ROW

	return cmocka_run_group_tests(tests, NULL, NULL);
}
