/*
 * Tests of commands that leave something running: the test makes itself the reaper of its
 * descendants, so that what is left at the end is found among them. An ordinary user's sandboxes
 * are in a runtime directory of the test's own; root's are beside all others of this host. Include
 * after tests/real/sandbox_support.h.
 */
#ifndef CORRAL_TESTS_REAL_CLI_SUPPORT_H
#define CORRAL_TESTS_REAL_CLI_SUPPORT_H

#include <ftw.h>
#include <sys/prctl.h>
#include <time.h>

#define PATIENCE_MS (corral_test_slow() ? 120000 : 20000)

static struct {
	char *runtime_dir; /* NULL as root */
	char dir[512];     /* of the sandboxes */
	long mounts;
	bool missing; /* a sandbox is not to be had here */
} fixture;

static inline void nap(long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* Until it holds, or the patience ends. */
#define EVENTUALLY(condition)                                               \
	({                                                                  \
		bool held_ = false;                                         \
		for (int ms_ = 0; ms_ < PATIENCE_MS && !held_; ms_ += 20) { \
			held_ = (condition);                                \
			if (!held_)                                         \
				nap(20);                                    \
		}                                                           \
		held_;                                                      \
	})

#define assert_eventually(condition)                                 \
	do {                                                         \
		if (!EVENTUALLY(condition))                          \
			fail_msg("never came true: %s", #condition); \
	} while (0)

static inline void corral_argv(struct run *r, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX + 1] = { CORRAL_BINARY };
	size_t n = 1;

	for (; *args && n < RUN_ARGS_MAX; args++)
		argv[n++] = *args;
	argv[n] = NULL;
	run_argv(r, argv);
}

#define CORRAL(r, ...) corral_argv((r), ARGS(__VA_ARGS__))

/* One line of corral's, which says `part`, and 125. */
static inline void assert_error(const struct run *r, const char *part)
{
	const char *end = strchr(r->err, '\n');

	assert_status(r, 125);
	if (strncmp(r->err, "corral: ", 8) != 0 || !end || end[1])
		fail_msg("not one line of corral's: '%s'", r->err);
	assert_says(r->err, part);
}

static inline bool object_has(const json_t *o, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text && !strcmp(text, value);
}

/* The one object of a JSON array that has these texts at keys; root's list tells of everybody's.
 * The caller's, NULL: there is none. */
static inline json_t *object_with(const char *array, const char *const keys_and_values[])
{
	json_t *list = json_loads(array, 0, NULL), *found = NULL;

	assert_true(json_is_array(list));
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *o = json_array_get(list, i);
		const char *const *pair = keys_and_values;

		while (*pair && object_has(o, pair[0], pair[1]))
			pair += 2;
		if (!*pair) {
			assert_null(found);
			found = json_incref(o);
		}
	}
	json_decref(list);
	return found;
}

/* corral with these words, not waited for; its output goes into *ret_fd, if not NULL. */
static inline pid_t begin(const char *const *args, int *ret_fd)
{
	const char *argv[RUN_ARGS_MAX + 1] = { CORRAL_BINARY };
	int out = memfd_create("out", MFD_CLOEXEC);
	pid_t pid;

	for (size_t n = 1; *args && n < RUN_ARGS_MAX; args++)
		argv[n++] = *args;
	assert_true(out >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(out, STDOUT_FILENO);
		(void)dup2(out, STDERR_FILENO);
		(void)alarm(RUN_DEADLINE_S);
		(void)execv(CORRAL_BINARY, (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	if (ret_fd)
		*ret_fd = out;
	else
		(void)close(out);
	return pid;
}

#define BEGIN(ret_fd, ...) begin(ARGS(__VA_ARGS__), (ret_fd))

static inline int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline long count_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096];
	long n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n++;
	(void)fclose(f);
	return n;
}

static inline int cli_setup(void **state)
{
	struct run r = { 0 };

	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	if (is_root()) {
		(void)snprintf(fixture.dir, sizeof(fixture.dir), "/run/corral/sandboxes");
	} else {
		fixture.runtime_dir = dir_make();
		assert_int_equal(chmod(fixture.runtime_dir, 0700), 0);
		assert_int_equal(setenv("XDG_RUNTIME_DIR", fixture.runtime_dir, 1), 0);
		(void)snprintf(fixture.dir, sizeof(fixture.dir), "%s/corral/sandboxes",
		               fixture.runtime_dir);
	}
	RUN(&r, "--", "true");
	fixture.missing = r.status != 0;
	if (fixture.missing)
		print_message("%s", r.err);
	run_done(&r);
	fixture.mounts = count_mounts();
	return 0;
}

static inline int cli_teardown(void **state)
{
	(void)state;
	if (fixture.runtime_dir)
		dir_remove(fixture.runtime_dir);
	return 0;
}

/* nftw(3) has no argument for its callback. */
static long groups_left;

static inline int walk_group(const char *path, const struct stat *st, int type, struct FTW *at)
{
	const char *name = path + at->base;
	pid_t owner = (pid_t)strtol(!strncmp(name, "corral-", 7) ? name + 7 : name, NULL, 10);

	(void)st;
	/* Those of holders: pids that are gone, below a parent of ours. */
	if (type == FTW_D && strstr(path, "corral") && owner > 1 && kill(owner, 0) < 0 &&
	    errno == ESRCH)
		groups_left++;
	return 0;
}

/* When all sandboxes have ended: no process, mount, control group or file of theirs. */
static inline void assert_nothing_left(void)
{
	struct run r = { 0 };

	assert_eventually(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	assert_eventually((groups_left = 0, nftw("/sys/fs/cgroup", walk_group, 16, FTW_PHYS),
	                   groups_left == 0));
	assert_int_equal(count_mounts(), fixture.mounts);
	if (fixture.runtime_dir) {
		run_argv(&r, ARGS("ls", "-A", fixture.dir));
		assert_string_equal(r.out, "");
		run_done(&r);
	}
}

#endif
