/*
 * Nothing is left: after thousands of sandboxes, and after callers that were killed in the middle,
 * there are as many mounts, cgroups, network namespaces, processes, descriptors and runtime files
 * as before.
 *
 * Theory of operation: the test makes itself the reaper of its descendants
 * (PR_SET_CHILD_SUBREAPER), so that what outlives a killed caller is found among its own children,
 * whatever else runs on the machine. The kernel takes namespaces and cgroups apart behind
 * everybody's back, so a comparison is repeated for some seconds before it fails.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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
#define SETTLE_MS     5000

/* Objects of the kernel's that are freed late and in batches: a leak of one a sandbox is far more.
 */
#define SLAB_SLACK 100

enum kind { MOUNTS, CGROUPS, NET_NAMESPACES, PROCESSES, DESCRIPTORS, RUNTIME_FILES, KINDS };

static const char *const kind_names[KINDS] = {
	[MOUNTS] = "mounts",
	[CGROUPS] = "cgroups",
	[NET_NAMESPACES] = "network namespaces",
	[PROCESSES] = "processes",
	[DESCRIPTORS] = "descriptors",
	[RUNTIME_FILES] = "runtime files",
};

struct census {
	long count[KINDS];
	long net_slab; /* network namespaces that the kernel holds; -1: not to be seen here */
	char last[KINDS][256]; /* one of each kind, to name in a failure */
};

extern char **environ;

/* --- Counting -----------------------------------------------------------------------------------
 */

static void note(struct census *c, enum kind kind, const char *what)
{
	c->count[kind]++;
	(void)snprintf(c->last[kind], sizeof(c->last[kind]), "%.255s", what);
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512], *end;
	corral_autofd int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	end = strrchr(text, ')'); /* "pid (any name) state parent ..." */
	return end && strlen(end) > 4 ? (pid_t)strtol(end + 4, NULL, 10) : 0;
}

static bool is_descendant(pid_t pid)
{
	int depth;

	for (depth = 0; pid > 1 && depth < 64; depth++) {
		pid = parent_of(pid);
		if (pid == getpid())
			return true;
	}
	return false;
}

static void count_mounts(struct census *c)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		note(c, MOUNTS, line);
	(void)fclose(f);
}

/* nftw(3) has no argument for its callback. */
static struct census *walking;
static enum kind walking_kind;

/* Names begin with their owner's pid: groups of other living callers are not ours to count. */
static bool is_foreign(const char *name)
{
	pid_t owner = (pid_t)strtol(name, NULL, 10);

	return owner > 0 && owner != getpid() && kill(owner, 0) == 0 && !is_descendant(owner);
}

static int walk_group(const char *path, const struct stat *st, int type, struct FTW *at)
{
	const char *name = path + at->base;
	bool flat = strncmp(name, "corral-", 7) == 0 && name[7] >= '0' && name[7] <= '9';

	(void)st;
	if (type == FTW_D && (flat || strstr(path, "/corral/")) &&
	    !is_foreign(name + (flat ? 7 : 0)))
		note(walking, walking_kind, path);
	return 0;
}

static int walk_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	if (at->level > 0)
		note(walking, walking_kind, path);
	return 0;
}

static void count_tree(struct census *c, enum kind kind, const char *root,
                       int (*visit)(const char *, const struct stat *, int, struct FTW *))
{
	walking = c;
	walking_kind = kind;
	(void)nftw(root, visit, 16, FTW_PHYS);
}

static void count_runtime_files(struct census *c)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[4096];

	count_tree(c, RUNTIME_FILES, "/run/corral", walk_file);
	if (runtime && *runtime) {
		(void)snprintf(path, sizeof(path), "%s/corral", runtime);
		count_tree(c, RUNTIME_FILES, path, walk_file);
	}
}

struct inodes {
	unsigned long seen[4096];
	size_t n;
};

/* link: "net:[4026531840]" */
static void note_net(struct census *c, struct inodes *set, const char *link, const char *where)
{
	unsigned long inode = strncmp(link, "net:[", 5) ? 0 : strtoul(link + 5, NULL, 10);
	size_t i;

	if (!inode)
		return;
	for (i = 0; i < set->n; i++)
		if (set->seen[i] == inode)
			return;
	if (set->n < CORRAL_COUNT(set->seen))
		set->seen[set->n++] = inode;
	note(c, NET_NAMESPACES, where);
}

static void link_read(const char *path, char target[256])
{
	ssize_t n = readlink(path, target, 255);

	target[n > 0 ? n : 0] = '\0';
}

/* Descendants and the namespaces they are in. */
static void count_processes(struct census *c, struct inodes *nets)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		char path[300], target[256];

		if (pid <= 0 || (pid != getpid() && !is_descendant(pid)))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
		link_read(path, target);
		note_net(c, nets, target, path);
		if (pid != getpid())
			note(c, PROCESSES, entry->d_name);
	}
	(void)closedir(dir);
}

/* Descriptors, and the network namespaces that nothing but a descriptor holds. */
static void count_descriptors(struct census *c, struct inodes *nets)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[300], target[256], what[600];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		link_read(path, target);
		(void)snprintf(what, sizeof(what), "%s -> %s", entry->d_name, target);
		note(c, DESCRIPTORS, what);
		note_net(c, nets, target, path);
	}
	(void)closedir(dir);
}

/* Also those that a mount, a socket or a descriptor of another process keeps alive. */
static long net_slab_read(void)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	char line[512];
	long active = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "net_namespace %ld", &active) == 1)
			break;
	if (f)
		(void)fclose(f);
	return active;
}

static void census_take(struct census *c)
{
	static struct inodes nets;

	nets.n = 0;
	memset(c, 0, sizeof(*c));
	count_mounts(c);
	count_tree(c, CGROUPS, "/sys/fs/cgroup", walk_group);
	count_runtime_files(c);
	count_descriptors(c, &nets);
	count_processes(c, &nets);
	c->net_slab = net_slab_read();
}

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static bool census_same(const struct census *before, const struct census *now)
{
	int kind;

	for (kind = 0; kind < KINDS; kind++)
		if (now->count[kind] > before->count[kind])
			return false;
	return before->net_slab < 0 || now->net_slab <= before->net_slab + SLAB_SLACK;
}

static void assert_nothing_left(const struct census *before)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct census now;
	int waited, kind;

	for (waited = 0; waited <= SETTLE_MS; waited += 50) {
		reap();
		census_take(&now);
		if (census_same(before, &now))
			return;
		(void)nanosleep(&pause, NULL);
	}
	for (kind = 0; kind < KINDS; kind++)
		if (now.count[kind] > before->count[kind])
			print_error("%s: %ld before, %ld now; one of them: %s\n", kind_names[kind],
			            before->count[kind], now.count[kind], now.last[kind]);
	print_error("network namespaces of the kernel: %ld before, %ld now\n", before->net_slab,
	            now.net_slab);
	fail_msg("something is left %d ms after the last sandbox", SETTLE_MS);
}

/* --- What is counted ----------------------------------------------------------------------------
 */

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

/* --- Tests --------------------------------------------------------------------------------------
 */

static void thousands_of_sandboxes_leave_nothing(void **state)
{
	struct census before;

	(void)state;
	if (!can_launch())
		return;
	run_cycles(0, 5); /* what is made once and stays: parent cgroups, runtime directory */
	reap();
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
