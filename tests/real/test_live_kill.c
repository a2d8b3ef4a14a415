/*
 * Callers, guest inits and everything between them are killed at random moments, while threads use
 * live sandboxes. A dead sandbox is an answer and never the caller's end; a dead caller leaves
 * nothing, and no file of a workspace is ever half of one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backends/native.h"
#include "kernel/base/cleanup.h"
#include "tests/real/census.h"
#include "tests/support.h"
#include "tests/real/library_support.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KILLS 60
#else
#define KILLS 250 /* of a caller, and before it as many of what it started */
#endif
#define SANDBOXES     2
#define THREADS       4
#define FILE_BYTES    65536u
#define KILL_MAX_USEC (corral_test_slow() ? 900000u : 20000u)

static char workspace[] = "/tmp/corral-live-XXXXXX";

/* --- The caller: no cmocka here, it is another process --- */

struct user {
	struct corral_backend *b;
	unsigned int seed;
};

static int no_operation(void *ctx, enum corral_stream stream, const void *data, size_t len)
{
	(void)ctx;
	(void)stream;
	(void)data;
	(void)len;
	return 0;
}

static void execute(struct corral_backend *b, const char *command)
{
	const struct corral_execute x = { .command = command,
		                          .timeout_ms = 5000,
		                          .on_output = no_operation };
	struct corral_error err = { 0 };
	struct corral_executed e;

	(void)corral_backend_execute(b, &x, &e, &err);
	corral_executed_done(&e);
}

/* Whatever comes of it: the sandbox may be dead at any moment, and comes anew. */
static void *use(void *arg)
{
	struct user *u = arg;
	corral_autofree char *text = malloc(FILE_BYTES);
	struct corral_error err = { 0 };

	for (;;) {
		corral_autobuf struct corral_buf buf = CORRAL_BUF_INIT;
		struct corral_background bg;
		char path[32];

		if (!text)
			return NULL;
		(void)snprintf(path, sizeof(path), "file-%d", rand_r(&u->seed) % 8);
		switch (rand_r(&u->seed) % 6) {
		case 0:
			execute(u->b, "true; sleep 0.002 & echo one");
			break;
		case 1:
			execute(u->b, "seq 1000");
			break;
		case 2:
			(void)corral_backend_background_start(u->b, "sleep 100", &bg, &err);
			(void)corral_backend_background_kill_all(u->b, &err);
			break;
		case 3:
			(void)corral_backend_read_bytes(u->b, path, 0, &buf, &err);
			break;
		default:
			memset(text, 'a' + rand_r(&u->seed) % 26, FILE_BYTES);
			(void)corral_backend_write(u->b, path, text, FILE_BYTES, &err);
		}
	}
}

static void be_caller(const struct corral_policy *policy, unsigned int flags, int ready_fd)
{
	struct corral_launcher *launcher = NULL;
	struct corral_error err = { 0 };
	struct user users[THREADS] = { 0 };
	pthread_t thread;
	size_t i;
	int r = corral_launcher_open(flags, &launcher, &err);

	for (i = 0; r == 0 && i < SANDBOXES; i++)
		r = corral_native_sandbox_new(launcher, policy, NULL, &users[i].b, &err);
	for (i = 0; r == 0 && i < THREADS; i++) {
		users[i].b = users[i % SANDBOXES].b;
		users[i].seed = (unsigned int)getpid() * 16 + (unsigned int)i;
		r = -pthread_create(&thread, NULL, use, &users[i]);
	}
	if (r == 0 && write(ready_fd, "", 1) == 1)
		for (;;)
			(void)pause();
	(void)fprintf(stderr, "caller: %s\n", err.text);
}

/* --- The killer --- */

/* One of the processes that the caller started, whichever; 0 without one. */
static pid_t pick(pid_t caller)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != getpid() && pid != caller && census_is_descendant(pid) &&
		    random() % ++n == 0)
			found = pid;
	}
	(void)closedir(dir);
	return found;
}

static void kill_once(const struct corral_policy *policy, int i)
{
	static const unsigned int flags[] = { 0, CORRAL_LAUNCHER_POOLED,
		                              CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM };
	corral_autofd int ready_fd = -1;
	pid_t caller = caller_start(policy, flags[(size_t)i % CORRAL_COUNT(flags)], be_caller,
	                            &ready_fd),
	      victim;
	int status = 0;
	char byte;

	assert_int_equal(read(ready_fd, &byte, 1), 1);
	nap_usec((unsigned int)random() % KILL_MAX_USEC);
	victim = pick(caller);
	if (victim)
		(void)kill(victim, SIGKILL);
	nap_usec((unsigned int)random() % KILL_MAX_USEC);
	if (waitpid(caller, &status, WNOHANG) != 0)
		fail_msg("the caller ended with %#x when process %d was killed", status,
		         (int)victim);
	kill_and_reap(caller);
}

/* --- Tests --- */

static void file_is_whole(int dir_fd, const char *name)
{
	corral_autofree char *text = malloc(FILE_BYTES + 1);
	corral_autofd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t i;

	assert_non_null(text);
	assert_true(fd >= 0);
	if (read(fd, text, FILE_BYTES + 1) != (ssize_t)FILE_BYTES)
		fail_msg("%s is not as long as every content of it was", name);
	for (i = 1; i < FILE_BYTES; i++)
		if (text[i] != text[0])
			fail_msg("%s is of two contents", name);
}

static void sandbox_once(const struct corral_policy *policy)
{
	struct corral_launcher *launcher = NULL;
	struct corral_backend *b = NULL;
	struct corral_error err = { 0 };

	assert_int_equal(corral_launcher_open(0, &launcher, &err), 0);
	assert_int_equal(corral_native_sandbox_new(launcher, policy, NULL, &b, &err), 0);
	execute(b, "true");
	corral_backend_close(b);
	corral_launcher_close(launcher);
}

static void what_is_killed_at_any_moment_leaves_nothing(void **state)
{
	struct corral_policy *policy;
	struct census before;
	struct dirent *entry;
	int i, kills = corral_test_times(KILLS), files = 0;
	char json[256];
	DIR *dir;

	(void)state;
	if (!can_launch())
		return;
	assert_non_null(mkdtemp(workspace));
	assert_int_equal(chmod(workspace, 0777), 0);
	(void)snprintf(json, sizeof(json), "{\"workspace\":\"%s\",\"limits\":{\"pids\":64}}",
	               workspace);
	policy = policy_of(json);
	sandbox_once(policy); /* what is made once and stays: parent cgroups, runtime directory */
	census_take(&before);
	for (i = 0; i < kills; i++)
		kill_once(policy, i);
	/* The next launcher sweeps what the dead ones could not, once it has died with them. */
	nap_usec(900000);
	sandbox_once(policy);
	corral_policy_free(policy);
	assert_nothing_left(&before);

	dir = opendir(workspace);
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' || strncmp(entry->d_name, ".corral-", 8) == 0) {
			files++;
			file_is_whole(dirfd(dir), entry->d_name);
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
		}
	(void)closedir(dir);
	assert_true(files > 0);
	assert_int_equal(rmdir(workspace), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_killed_at_any_moment_leaves_nothing),
	};

	srandom((unsigned int)time(NULL));
	if (!census_adopt())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
