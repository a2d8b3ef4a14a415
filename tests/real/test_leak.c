/*
 * Nothing is left: after thousands of sandboxes, and after callers that were killed in the middle,
 * there are as many mounts, cgroups, network namespaces, processes, descriptors and runtime files
 * as before.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tests/real/census.h"
#include "tests/support.h"
#include "tests/real/library_support.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOXES 300
#define KILLS     40
#else
#define SANDBOXES 2000
#define KILLS     100
#endif
#define PROGRAMS      50
#define PROGRAM_KILLS 20
#define KILL_MAX_USEC 5000

extern char **environ;

static char *const true_argv[] = { (char *)"/bin/true", NULL };

/* One sandbox with one command. 0 or -errno; no cmocka here, as children run it too. */
static int cycle(struct corral_launcher *launcher, const struct corral_policy *policy,
                 struct corral_error *err)
{
	const struct corral_command command = {
		.argv = true_argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};
	struct corral_sandbox *s = NULL;
	int r;

	r = corral_sandbox_open(launcher, policy, &s, err);
	if (r < 0)
		return r;
	r = corral_sandbox_start(s, &command, err);
	if (r == 0)
		r = corral_sandbox_wait(s, err);
	if (r >= 0 && corral_sandbox_receipt(s)->exit_code != 0)
		r = corral_error_set(err, EIO, "true ended with %d",
		                     corral_sandbox_receipt(s)->exit_code);
	corral_sandbox_close(s, NULL);
	return r;
}

static void run_cycles(unsigned int flags, int n)
{
	struct corral_policy *policy = policy_of("{}");
	struct corral_launcher *launcher = NULL;
	struct corral_error err = { 0 };
	int i, r;

	r = corral_launcher_open(flags, &launcher, &err);
	if (r < 0)
		fail_msg("launcher: %s", err.text);
	for (i = 0; i < n; i++) {
		r = cycle(launcher, policy, &err);
		if (r < 0)
			fail_msg("sandbox %d: %s", i, err.text);
	}
	corral_launcher_close(launcher);
	corral_policy_free(policy);
}

/* A caller that goes on until it is killed; says by one byte that its launcher stands. */
static void be_caller(const struct corral_policy *policy, unsigned int flags, int ready_fd)
{
	struct corral_launcher *launcher = NULL;
	struct corral_error err = { 0 };
	int r;

	r = corral_launcher_open(flags, &launcher, &err);
	if (r == 0 && write(ready_fd, "", 1) == 1)
		while (r >= 0)
			r = cycle(launcher, policy, &err);
	(void)fprintf(stderr, "caller: %s\n", err.text);
}

/* Also while the launcher is being opened, every fourth time. */
static void kill_one_caller(int i, const struct corral_policy *policy)
{
	unsigned int flags =
	        i % 2 ? CORRAL_LAUNCHER_POOLED | (i % 4 == 3 ? CORRAL_LAUNCHER_WARM : 0) : 0;
	corral_autofd int ready_fd = -1;
	pid_t pid = caller_start(policy, flags, be_caller, &ready_fd);
	char byte;

	if (i % 4)
		assert_int_equal(read(ready_fd, &byte, 1), 1);
	nap_usec((unsigned int)random() % KILL_MAX_USEC);
	kill_and_reap(pid);
}

static pid_t program_start(char *const argv[])
{
	posix_spawn_file_actions_t quiet;
	pid_t pid = -1;

	assert_int_equal(posix_spawn_file_actions_init(&quiet), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDWR, 0), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&quiet, 0, 1), 0);
	assert_int_equal(posix_spawn(&pid, CORRAL_BINARY, &quiet, NULL, argv, environ), 0);
	(void)posix_spawn_file_actions_destroy(&quiet);
	return pid;
}

/* --- Tests --- */

static void thousands_of_sandboxes_leave_nothing(void **state)
{
	struct census before;

	(void)state;
	if (!can_launch())
		return;
	run_cycles(0, 5); /* what is made once and stays: parent cgroups, runtime directory */
	census_reap();
	nap_usec(200000);
	census_take(&before);
	/* An ordinary user's have no control group and no range of ids to leave. */
	run_cycles(CORRAL_LAUNCHER_POOLED,
	           corral_test_times(geteuid() == 0 ? SANDBOXES : SANDBOXES / 4));
	assert_nothing_left(&before);
}

static void assert_launchers_leave_nothing(unsigned int flags, int launchers, int sandboxes)
{
	struct census before;

	if (!can_launch())
		return;
	census_take(&before);
	while (launchers--)
		run_cycles(flags, sandboxes);
	assert_nothing_left(&before);
}

static void warm_launchers_leave_nothing(void **state)
{
	(void)state;
	assert_launchers_leave_nothing(CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM, 5, 20);
}

static void launchers_without_pool_leave_nothing(void **state)
{
	(void)state;
	assert_launchers_leave_nothing(0, 20, 5);
}

static void sandboxes_that_were_never_used_leave_nothing(void **state)
{
	struct corral_policy *policy;
	struct corral_launcher *launcher = NULL;
	struct corral_sandbox *boxes[20];
	struct corral_error err = { 0 };
	struct census before;
	size_t i;

	(void)state;
	if (!can_launch())
		return;
	policy = policy_of("{}");
	census_take(&before);
	if (corral_launcher_open(CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM, &launcher, &err) <
	    0)
		fail_msg("launcher: %s", err.text);
	for (i = 0; i < CORRAL_COUNT(boxes); i++)
		if (corral_sandbox_open(launcher, policy, &boxes[i], &err) < 0)
			fail_msg("sandbox %zu: %s", i, err.text);
	for (i = 0; i < CORRAL_COUNT(boxes); i++)
		corral_sandbox_close(boxes[i], NULL);
	corral_launcher_close(launcher);
	corral_policy_free(policy);
	assert_nothing_left(&before);
}

static void the_program_leaves_nothing(void **state)
{
	char *const argv[] = { (char *)"corral", (char *)"run", (char *)"--", (char *)"/bin/true",
		               NULL };
	struct census before;
	int i;

	(void)state;
	if (!can_launch())
		return;
	census_take(&before);
	for (i = 0; i < PROGRAMS; i++) {
		pid_t pid = program_start(argv);
		int status = 0;

		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_nothing_left(&before);
}

static void killed_callers_leave_nothing(void **state)
{
	struct corral_policy *policy;
	struct census before;
	int i, kills = corral_test_times(KILLS);

	(void)state;
	if (!can_launch())
		return;
	policy = policy_of("{}");
	census_take(&before);
	for (i = 0; i < kills; i++)
		kill_one_caller(i, policy);
	run_cycles(0, 1); /* the next launcher sweeps what dead ones could not */
	assert_nothing_left(&before);
	corral_policy_free(policy);
}

static void killed_programs_leave_nothing(void **state)
{
	char *const argv[] = { (char *)"corral",     (char *)"run", (char *)"--",
		               (char *)"/bin/sleep", (char *)"60",  NULL };
	struct census before;
	int i;

	(void)state;
	if (!can_launch())
		return;
	census_take(&before);
	for (i = 0; i < PROGRAM_KILLS; i++) {
		pid_t pid = program_start(argv);

		nap_usec((unsigned int)random() % (4 * KILL_MAX_USEC));
		kill_and_reap(pid);
	}
	run_cycles(0, 1);
	assert_nothing_left(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousands_of_sandboxes_leave_nothing),
		cmocka_unit_test(warm_launchers_leave_nothing),
		cmocka_unit_test(launchers_without_pool_leave_nothing),
		cmocka_unit_test(sandboxes_that_were_never_used_leave_nothing),
		cmocka_unit_test(the_program_leaves_nothing),
		cmocka_unit_test(killed_callers_leave_nothing),
		cmocka_unit_test(killed_programs_leave_nothing),
	};

	srandom((unsigned int)time(NULL));
	if (!census_adopt())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
