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
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "kernel/sandbox.h"
#include "policy/config.h"
#include "tests/real/census.h"
#include "tests/support.h"

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

/* --- What is counted --- */

static char *const true_argv[] = { (char *)"/bin/true", NULL };

static struct corral_policy *policy_new(void)
{
	struct corral_config *config = corral_config_new();
	struct corral_error err = { 0 };
	struct corral_policy *policy = NULL;

	assert_non_null(config);
	if (corral_policy_compile(config, NULL, &policy, &err) < 0)
		fail_msg("policy: %s", err.text);
	corral_config_free(config);
	return policy;
}

/* Whether this host can contain anything; skips the test when not. */
static bool can_launch(void)
{
	struct corral_launcher *launcher = NULL;
	struct corral_error err = { 0 };
	int r = corral_launcher_open(0, &launcher, &err);

	if (r == 0)
		corral_launcher_close(launcher);
	else
		corral_test_skip("native isolation: %s", err.text);
	return r == 0;
}

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
	struct corral_policy *policy = policy_new();
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
static _Noreturn void be_caller(unsigned int flags, const struct corral_policy *policy,
                                int ready_fd)
{
	struct corral_launcher *launcher = NULL;
	struct corral_error err = { 0 };
	int r;

	r = corral_launcher_open(flags, &launcher, &err);
	if (r == 0 && write(ready_fd, "", 1) == 1)
		while (r >= 0)
			r = cycle(launcher, policy, &err);
	(void)fprintf(stderr, "caller: %s\n", err.text);
	_exit(1);
}

static void sleep_usec(unsigned int usec)
{
	const struct timespec pause = { .tv_sec = usec / 1000000,
		                        .tv_nsec = (long)(usec % 1000000) * 1000 };

	(void)nanosleep(&pause, NULL);
}

static void kill_and_reap(pid_t pid)
{
	int status = 0;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Also while the launcher is being opened, every fourth time. */
static void kill_one_caller(int i, const struct corral_policy *policy)
{
	unsigned int flags =
	        i % 2 ? CORRAL_LAUNCHER_POOLED | (i % 4 == 3 ? CORRAL_LAUNCHER_WARM : 0) : 0;
	corral_autofd int ready_read = -1, ready_write = -1;
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	ready_read = fds[0];
	ready_write = fds[1];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_caller(flags, policy, ready_write);
	corral_fd_closep(&ready_write);
	if (i % 4)
		assert_int_equal(read(ready_read, &byte, 1), 1);
	sleep_usec((unsigned int)random() % KILL_MAX_USEC);
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
	sleep_usec(200000);
	census_take(&before);
	run_cycles(CORRAL_LAUNCHER_POOLED, corral_test_times(SANDBOXES));
	assert_nothing_left(&before);
}

static void warm_launchers_leave_nothing(void **state)
{
	struct census before;
	int i;

	(void)state;
	if (!can_launch())
		return;
	census_take(&before);
	for (i = 0; i < 5; i++)
		run_cycles(CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM, 20);
	assert_nothing_left(&before);
}

static void launchers_without_pool_leave_nothing(void **state)
{
	struct census before;
	int i;

	(void)state;
	if (!can_launch())
		return;
	census_take(&before);
	for (i = 0; i < 20; i++)
		run_cycles(0, 5);
	assert_nothing_left(&before);
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
	policy = policy_new();
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
	policy = policy_new();
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

		sleep_usec((unsigned int)random() % (4 * KILL_MAX_USEC));
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
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) {
		perror("PR_SET_CHILD_SUBREAPER");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
