/*
 * How commands end, and what is told of it: exit statuses as users of docker run and timeout expect
 * them, the reason of death in one word, and nothing alive afterwards, however the guest resists.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <sys/prctl.h>
#include <time.h>

#include "tests/support.h"

#include "kernel/base/cleanup.h"
#include "kernel/sandbox.h"
#include "tests/real/sandbox_support.h"

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void assert_reason(const struct run *r, const char *reason)
{
	if (strcmp(receipt_text(r, "reason"), reason) != 0)
		fail_msg("the reason is '%s', not '%s'; exit status %d; stdout: %.300s stderr: "
		         "%.600s",
		         receipt_text(r, "reason"), reason, r->status, r->out, r->err);
}

/* --- Exit statuses --- */

static void exit_code_is_the_commands_own(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	RUN(&r, PROBE, "--", "/probe", "exit", "42");
	assert_status(&r, 42);
	assert_reason(&r, "exit");
	assert_int_equal(receipt_number(&r, "exit_code"), 42);
	assert_string_equal(r.err, "");
	run_done(&r);
}

static void signal_is_128_and_its_number(void **state)
{
	static const struct {
		const char *number, *name;
		int status;
	} rows[] = { { "9", "SIGKILL", 137 },
		     { "15", "SIGTERM", 143 },
		     { "11", "SIGSEGV", 139 },
		     { "6", "SIGABRT", 134 } };
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		RUN(&r, PROBE, "--", "/probe", "die-of", rows[i].number);
		assert_status(&r, rows[i].status);
		assert_reason(&r, "signal");
		assert_string_equal(receipt_text(&r, "signal_name"), rows[i].name);
		assert_true(json_is_null(json_object_get(r.receipt, "exit_code")));
	}
	run_done(&r);
}

static void missing_command_is_127(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	RUN(&r, "--", "no-such-command");
	assert_status(&r, 127);
	assert_says(r.err, "'no-such-command'");
	assert_string_equal(receipt_text(&r, "exec_error"), "ENOENT");
	RUN(&r, "--", "/no/such/command");
	assert_status(&r, 127);
	RUN(&r, "--", "/etc/passwd/command");
	assert_status(&r, 127);
	assert_string_equal(receipt_text(&r, "exec_error"), "ENOTDIR");
	run_done(&r);
}

static void command_that_cannot_be_executed_is_126(void **state)
{
	struct run r = { 0 };
	char path[600];
	char *dir;

	(void)state;
	if (!can_run())
		return;
	RUN(&r, "--", "/etc/passwd");
	assert_status(&r, 126);
	assert_string_equal(receipt_text(&r, "exec_error"), "EACCES");
	RUN(&r, "--", "/usr");
	assert_status(&r, 126);
	dir = dir_make();
	file_make(dir, "text", "no program\n");
	(void)snprintf(path, sizeof(path), "%s/text", dir);
	assert_int_equal(chmod(path, 0755), 0);
	RUN(&r, "--workspace", dir, "--", "./text");
	assert_status(&r, 126);
	assert_string_equal(receipt_text(&r, "exec_error"), "ENOEXEC");
	run_done(&r);
	dir_remove(dir);
}

/* --- Reasons of death --- */

static void timeout_is_124(void **state)
{
	struct run r = { 0 };
	double begin = now();

	(void)state;
	if (!can_run())
		return;
	/* The program is to have begun by then, also where it is emulated. */
	RUN(&r, PROBE, "--timeout", corral_test_slow() ? "5s" : "300ms", "--", "/probe", "deaf");
	assert_status(&r, 124);
	assert_reason(&r, "timeout");
	assert_says(r.out, "deaf=yes");
	assert_true(now() - begin < corral_test_most_ms(20));
	assert_in_range(receipt_number(&r, "wall_usec"), 290000, corral_test_most_ms(10000) * 1000);
	run_done(&r);
}

static void memory_bomb_is_oom(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	if (!enforces("memory")) {
		skip_without_root("a memory limit on this host");
		return;
	}
	RUN(&r, PROBE, "--memory", "32M", "--", "/probe", "bomb-memory");
	assert_status(&r, 137);
	assert_reason(&r, "oom");
	assert_in_range(receipt_number(&r, "memory_peak_bytes"), 16 << 20, 40 << 20);
	assert_true(receipt_number(&r, "oom_kills") > 0);
	run_done(&r);
}

/* Not only the bomb: what else runs in the sandbox would go on half dead. */
static void out_of_memory_kills_the_whole_group(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	if (!enforces("memory")) {
		skip_without_root("a memory limit on this host");
		return;
	}
	RUN(&r, PROBE, "--memory", "32M", "--", "sh", "-c",
	    "/probe bomb-memory; echo survived; exit 0");
	assert_status(&r, 137);
	assert_reason(&r, "oom");
	assert_null(strstr(r.out, "survived"));
	run_done(&r);
}

static void fork_bomb_is_pids(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	if (!enforces("pids")) {
		skip_without_root("a limit of processes on this host");
		return;
	}
	RUN(&r, PROBE, "--pids", "20", "--", "/probe", "bomb-fork");
	assert_status(&r, 1);
	assert_fact(r.out, "refused", "EAGAIN");
	assert_in_range(strtol(fact(r.out, "children"), NULL, 10), 10, 20);
	/* An rlimit holds as well as a control group, but tells nobody. */
	if (json_is_null(json_object_get(r.receipt, "pids_peak"))) {
		assert_reason(&r, "exit");
	} else {
		assert_reason(&r, "pids");
		assert_true(receipt_number(&r, "pids_refused") > 0);
		assert_says(r.err, "--pids");
	}
	run_done(&r);
}

static void filling_the_disk_is_disk(void **state)
{
	static const char *const places[] = { "/tmp", "/workspace", "/var/tmp", "/dev/shm",
		                              "/root" };
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	for (size_t i = 0; i < CORRAL_COUNT(places); i++) {
		long bytes;

		RUN(&r, PROBE, "--disk", "4M", "--", "/probe", "fill", places[i]);
		assert_status(&r, 1);
		assert_fact(r.out, "stopped", "ENOSPC");
		assert_reason(&r, "disk");
		bytes = strtol(fact(r.out, "bytes"), NULL, 10);
		assert_in_range(bytes, 3 << 20, 4 << 20);
		assert_in_range(receipt_number(&r, "written_bytes"), 3 << 20, 4 << 20);
		assert_says(r.err, "--disk");
	}
	/* What the sandbox itself needs is on top. */
	RUN(&r, PROBE, "--disk-inodes", "500", "--", "/probe", "inodes", "/tmp");
	assert_status(&r, 1);
	assert_fact(r.out, "stopped", "ENOSPC");
	assert_reason(&r, "disk");
	assert_in_range(strtol(fact(r.out, "files"), NULL, 10), 500, 600);
	run_done(&r);
}

static void file_size_has_a_limit(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	RUN(&r, PROBE, "--file-size", "1M", "--", "/probe", "fill", "/tmp");
	assert_status(&r, 128 + SIGXFSZ);
	assert_reason(&r, "signal");
	run_done(&r);
}

static void output_flood_is_output(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	RUN(&r, PROBE, "--output", "64K", "--", "/probe", "flood");
	assert_status(&r, 137);
	assert_reason(&r, "output");
	assert_int_equal(strlen(r.out), 64 << 10);
	assert_int_equal(receipt_number(&r, "output_bytes"), 64 << 10);
	assert_says(r.err, "--output");
	run_done(&r);
}

static void descriptor_exhaustion_is_contained(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_run())
		return;
	RUN(&r, PROBE, "--open-files", "64", "--", "/probe", "descriptors");
	assert_status(&r, 0);
	assert_fact(r.out, "stopped", "EMFILE");
	assert_fact(r.out, "opened", "61");
	run_done(&r);
}

static void command_killed_by_the_caller_is_killed(void **state)
{
	char *argv[] = { (char *)"/bin/sleep", (char *)"60", NULL };
	const struct corral_command command = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1
	};
	struct corral_config *config = corral_config_new();
	struct corral_launcher *launcher = NULL;
	struct corral_policy *policy = NULL;
	struct corral_sandbox *s = NULL;
	struct corral_error err = { 0 };

	(void)state;
	assert_non_null(config);
	if (!can_run()) {
		corral_config_free(config);
		return;
	}
	assert_int_equal(corral_policy_compile(config, NULL, &policy, &err), 0);
	corral_config_free(config);
	assert_int_equal(corral_launcher_open(0, &launcher, &err), 0);
	if (corral_sandbox_open(launcher, policy, &s, &err) < 0)
		fail_msg("%s", err.text);
	/* Twice: the sandbox outlives the command. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(corral_sandbox_start(s, &command, &err), 0);
		assert_int_equal(corral_sandbox_kill(s, CORRAL_REASON_KILLED, &err), 0);
		assert_int_equal(corral_sandbox_wait(s, &err), 0);
		assert_int_equal(corral_sandbox_receipt(s)->reason, CORRAL_REASON_KILLED);
		assert_int_equal(corral_sandbox_receipt(s)->signal, SIGKILL);
	}
	corral_sandbox_close(s, NULL);
	corral_launcher_close(launcher);
	corral_policy_free(policy);
}

/* --- What resists --- */

/* Descendants of ours that are alive; zombies of our own children are reaped. */
static unsigned int descendants(void)
{
	unsigned int n = 0;
	struct dirent *entry;
	DIR *dir;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	dir = opendir("/proc");
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[300], line[512], *end;
		long parent = strtol(entry->d_name, NULL, 10);

		for (int depth = 0; parent > 1 && parent != getpid() && depth < 32; depth++) {
			FILE *f;

			(void)snprintf(path, sizeof(path), "/proc/%ld/stat", parent);
			f = fopen(path, "re");
			parent = 0;
			if (f && fgets(line, sizeof(line), f) && (end = strrchr(line, ')')) != NULL)
				parent = strtol(end + 4, NULL, 10);
			if (f)
				(void)fclose(f);
		}
		n += parent == getpid() && strtol(entry->d_name, NULL, 10) != getpid();
	}
	(void)closedir(dir);
	return n;
}

static void assert_nobody_left(void)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int i = 0; i < 250 && descendants(); i++)
		(void)nanosleep(&pause, NULL);
	assert_int_equal(descendants(), 0);
}

/* The daemon holds standard output, here a pipe: its end would never come while the daemon lives.
 */
static void daemon_neither_survives_nor_hangs_the_caller(void **state)
{
	char text[256];
	size_t len = 0;
	double begin;
	ssize_t n;
	int ends[2], status;
	pid_t pid;

	(void)state;
	if (!can_run())
		return;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	begin = now();
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)alarm(RUN_DEADLINE_S);
		(void)execl(CORRAL_BINARY, CORRAL_BINARY, "run", PROBE, "--", "/probe", "daemon",
		            (char *)NULL);
		_exit(99);
	}
	(void)close(ends[1]);
	while (len < sizeof(text) - 1 &&
	       (n = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_string_equal(text, "daemon=started\n");
	assert_true(now() - begin < 20);
	assert_nobody_left();
}

/* With limited output the caller pumps: it must not wait for the daemon's end of the pipe either.
 */
static void daemon_does_not_hang_a_pumped_caller(void **state)
{
	struct run r = { 0 };
	double begin = now();

	(void)state;
	if (!can_run())
		return;
	RUN(&r, PROBE, "--output", "1M", "--", "/probe", "daemon");
	assert_status(&r, 0);
	assert_string_equal(r.out, "daemon=started\n");
	assert_true(now() - begin < 20);
	assert_nobody_left();
	run_done(&r);
}

/* Starts `corral run ... deaf` and waits until the guest says so. The caller's pid; *ret_fd its
 * standard output. */
static pid_t deaf_start(int *ret_fd)
{
	char text[64];
	int ends[2];
	pid_t pid;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)alarm(RUN_DEADLINE_S);
		(void)execl(CORRAL_BINARY, CORRAL_BINARY, "run", PROBE, "--", "/probe", "deaf",
		            (char *)NULL);
		_exit(99);
	}
	(void)close(ends[1]);
	assert_true(read(ends[0], text, sizeof(text)) > 0);
	*ret_fd = ends[0];
	return pid;
}

static void caller_killed_outright_leaves_no_process(void **state)
{
	int status, fd;
	pid_t pid;

	(void)state;
	if (!can_run())
		return;
	pid = deaf_start(&fd);
	assert_true(descendants() >= 2);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_nobody_left();
	(void)close(fd);
}

static void second_interrupt_kills_what_is_deaf(void **state)
{
	const struct timespec moment = { .tv_nsec = 200000000 };
	int status, fd;
	pid_t pid;

	(void)state;
	if (!can_run())
		return;
	pid = deaf_start(&fd);
	assert_int_equal(kill(pid, SIGINT), 0);
	(void)nanosleep(&moment, NULL);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 137);
	assert_nobody_left();
	(void)close(fd);
}

static void signal_is_handed_on(void **state)
{
	int status, ends[2];
	char text[64];
	pid_t pid;

	(void)state;
	if (!can_run())
		return;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)alarm(RUN_DEADLINE_S);
		(void)execl(
		        CORRAL_BINARY, CORRAL_BINARY, "run", "--", "sh", "-c",
		        "trap 'echo heard; exit 9' TERM; echo ready; while :; do sleep 0.1; done",
		        (char *)NULL);
		_exit(99);
	}
	(void)close(ends[1]);
	assert_true(read(ends[0], text, sizeof(text)) > 0);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(ends[0]);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_code_is_the_commands_own),
		cmocka_unit_test(signal_is_128_and_its_number),
		cmocka_unit_test(missing_command_is_127),
		cmocka_unit_test(command_that_cannot_be_executed_is_126),
		cmocka_unit_test(timeout_is_124),
		cmocka_unit_test(memory_bomb_is_oom),
		cmocka_unit_test(out_of_memory_kills_the_whole_group),
		cmocka_unit_test(fork_bomb_is_pids),
		cmocka_unit_test(filling_the_disk_is_disk),
		cmocka_unit_test(file_size_has_a_limit),
		cmocka_unit_test(output_flood_is_output),
		cmocka_unit_test(descriptor_exhaustion_is_contained),
		cmocka_unit_test(command_killed_by_the_caller_is_killed),
		cmocka_unit_test(daemon_neither_survives_nor_hangs_the_caller),
		cmocka_unit_test(daemon_does_not_hang_a_pumped_caller),
		cmocka_unit_test(caller_killed_outright_leaves_no_process),
		cmocka_unit_test(second_interrupt_kills_what_is_deaf),
		cmocka_unit_test(signal_is_handed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
