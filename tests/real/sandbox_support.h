/*
 * Running `corral` from a test and looking at what came of it: output, errors, exit status,
 * receipt. Output goes to memory, so a test never waits for a pipe. Include after <cmocka.h> and
 * tests/support.h.
 */
#ifndef CORRAL_TESTS_REAL_SANDBOX_SUPPORT_H
#define CORRAL_TESTS_REAL_SANDBOX_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECEIPT_FD     9
#define RUN_TEXT_MAX   (1u << 18)
#define RUN_ARGS_MAX   64
#define RUN_DEADLINE_S (corral_test_slow() ? 540 : 90)
#define PROBE          "--ro-bind", probe_bind

static const char probe_bind[] = CORRAL_TEST_PROBE ":/probe";

struct run {
	int status; /* as a shell would say it */
	char *out, *err;
	json_t *receipt; /* NULL without one */
};

static inline char *support_text(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char *text;
	ssize_t n;

	if (size < 0 || size > RUN_TEXT_MAX)
		size = RUN_TEXT_MAX;
	text = calloc(1, (size_t)size + 1);
	if (!text)
		abort();
	n = pread(fd, text, (size_t)size, 0);
	assert_true(n == size);
	(void)close(fd);
	return text;
}

static inline void run_done(struct run *r)
{
	free(r->out);
	free(r->err);
	json_decref(r->receipt);
	memset(r, 0, sizeof(*r));
}

/*
 * Where control groups are delegated, corral has limits to set if it is alone in one, which it is
 * not beside its test: CORRAL_TESTS_GROUPS names a directory of such groups, in which each has its
 * own. For the child, before it becomes corral.
 */
static inline void run_enter_group(void)
{
	const char *groups = getenv("CORRAL_TESTS_GROUPS");
	char path[512];
	int fd;

	if (!groups || !*groups)
		return;
	(void)snprintf(path, sizeof(path), "%s/run-%d", groups, (int)getpid());
	if (mkdir(path, 0755) < 0)
		_exit(98);
	(void)snprintf(path, sizeof(path), "%s/run-%d/cgroup.procs", groups, (int)getpid());
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(98);
	(void)close(fd);
}

/* Stays where a sandbox lives on. */
static inline void run_leave_group(pid_t pid)
{
	const char *groups = getenv("CORRAL_TESTS_GROUPS");
	char path[512];

	if (!groups || !*groups)
		return;
	(void)snprintf(path, sizeof(path), "%s/run-%d", groups, (int)pid);
	(void)rmdir(path);
}

/*
 * argv[0] is looked up in PATH; descriptors 1, 2 and RECEIPT_FD are collected. The child has a
 * deadline, so that a sandbox that hangs is a failure and no hang of the test.
 */
static inline void run_argv(struct run *r, const char *const *argv)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC),
	    receipt = memfd_create("receipt", MFD_CLOEXEC), status;
	char *text;
	pid_t pid;

	if (!r)
		abort();
	run_done(r);
	assert_true(out >= 0 && err >= 0 && receipt >= 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(out, STDOUT_FILENO);
		(void)dup2(err, STDERR_FILENO);
		/* Where it has that number already, dup2(2) leaves it to be closed. */
		if (receipt == RECEIPT_FD)
			(void)fcntl(receipt, F_SETFD, 0);
		else
			(void)dup2(receipt, RECEIPT_FD);
		run_enter_group();
		(void)alarm(RUN_DEADLINE_S);
		(void)execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	run_leave_group(pid);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	r->out = support_text(out);
	r->err = support_text(err);
	text = support_text(receipt);
	r->receipt = *text ? json_loads(text, 0, NULL) : NULL;
	free(text);
}

/* before, `corral run --json FD`, args; both lists end with NULL, before may be NULL. */
static inline void run_after(struct run *r, const char *const *before, const char *const *args)
{
	const char *argv[RUN_ARGS_MAX + 1] = { NULL };
	size_t n = 0;

	for (; before && *before; before++)
		argv[n++] = *before;
	argv[n++] = CORRAL_BINARY;
	argv[n++] = "run";
	argv[n++] = "--json";
	argv[n++] = "9";
	for (; *args && n < RUN_ARGS_MAX; args++)
		argv[n++] = *args;
	assert_true(n < RUN_ARGS_MAX);
	run_argv(r, argv);
}

#define ARGS(...)   ((const char *const[]) { __VA_ARGS__, NULL })
#define RUN(r, ...) run_after((r), NULL, ARGS(__VA_ARGS__))

/* The value of the first line "key=value", or NULL; a static buffer. */
static inline const char *fact(const char *text, const char *key)
{
	static char values[4][4096];
	static unsigned int at;
	size_t len = strlen(key);

	for (const char *line = text; line && *line;
	     line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncmp(line, key, len) != 0 || line[len] != '=')
			continue;
		at = (at + 1) % 4;
		(void)snprintf(values[at], sizeof(values[at]), "%.*s",
		               (int)strcspn(line + len + 1, "\n"), line + len + 1);
		return values[at];
	}
	return NULL;
}

#define assert_fact(text, key, value)                                                       \
	do {                                                                                \
		const char *fact_ = fact((text), (key));                                    \
		if (!fact_ || strcmp(fact_, (value)) != 0)                                  \
			fail_msg("%s is '%s', not '%s'", (key), fact_ ? fact_ : "(untold)", \
			         (value));                                                  \
	} while (0)

#define assert_status(r, wanted)                                                          \
	do {                                                                              \
		if ((r)->status != (wanted))                                              \
			fail_msg("exit status %d, not %d; stdout: %.300s stderr: %.600s", \
			         (r)->status, (wanted), (r)->out, (r)->err);              \
	} while (0)

#define assert_says(text, part)                                                                    \
	do {                                                                                       \
		const char *says_ = (text);                                                        \
		if (!says_ || !strstr(says_, (part)))                                              \
			fail_msg("'%s' is not in '%.1000s'", (part), says_ ? says_ : "(nothing)"); \
	} while (0)

static inline const char *receipt_text(const struct run *r, const char *key)
{
	const char *text = json_string_value(json_object_get(r->receipt, key));

	return text ? text : "(none)";
}

static inline json_int_t receipt_number(const struct run *r, const char *key)
{
	return json_integer_value(json_object_get(r->receipt, key));
}

static inline bool receipt_lists(const struct run *r, const char *key, const char *word)
{
	json_t *list = json_object_get(r->receipt, key);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *item = json_string_value(json_array_get(list, i));

		if (item && !strcmp(item, word))
			return true;
	}
	return false;
}

/* 125, one line that begins with "corral: ", and says `part`. */
static inline void assert_refused(const struct run *r, const char *part)
{
	const char *said = r->err ? r->err : "";
	const char *end = strchr(said, '\n');

	assert_status(r, 125);
	assert_string_equal(r->out, "");
	if (strncmp(said, "corral: ", 8) != 0 || !end || end[1])
		fail_msg("not one line of corral's: '%s'", said);
	assert_says(said, part);
	assert_string_equal(receipt_text(r, "reason"), "error");
}

static inline bool is_root(void)
{
	return geteuid() == 0;
}

/* What an ordinary user cannot have is not missing: only for root a failure where everything must
 * run. */
static inline void skip_without_root(const char *what)
{
	if (!corral_test_needs_root(what))
		corral_test_skip("%s", what);
}

/* Does a run enforce this limit here? */
static inline bool enforces(const char *limit)
{
	struct run r = { 0 };
	bool answer;

	RUN(&r, "--", "true");
	answer = r.status == 0 && receipt_lists(&r, "limits_enforced", limit);
	run_done(&r);
	return answer;
}

/* A fresh directory of ours that anybody may pass; freed and removed by dir_remove(). */
static inline char *dir_make(void)
{
	const char *base = getenv("TMPDIR");
	char *path = NULL;

	if (asprintf(&path, "%s/corral-test-XXXXXX", base && *base ? base : "/tmp") < 0)
		abort();
	assert_non_null(mkdtemp(path));
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static inline void dir_remove(char *path)
{
	const char *argv[] = { "rm", "-rf", "--one-file-system", path, NULL };
	struct run r = { 0 };

	run_argv(&r, argv);
	run_done(&r);
	free(path);
}

static inline void file_make(const char *dir, const char *name, const char *text)
{
	char path[1024];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

/* "SRC:DST" in a static buffer. */
static inline const char *bind_of(const char *dir, const char *name, const char *guest_path)
{
	static char specs[4][2048];
	static unsigned int at;

	at = (at + 1) % 4;
	(void)snprintf(specs[at], sizeof(specs[at]), "%s%s%s:%s", dir, *name ? "/" : "", name,
	               guest_path);
	return specs[at];
}

/* Names, kinds, modes, owners and sizes of a tree; the caller frees it. */
static inline char *tree_listing(const char *dir)
{
	const char *argv[] = {
		"sh", "-c", "cd \"$0\" && find . -printf '%p %y %m %U:%G %s %l\\n' | LC_ALL=C sort",
		dir, NULL
	};
	struct run r = { 0 };
	char *text;

	run_argv(&r, argv);
	assert_int_equal(r.status, 0);
	text = r.out;
	r.out = NULL;
	run_done(&r);
	return text;
}

/* Skips unless this host can contain anything. */
static inline bool can_run(void)
{
	struct run r = { 0 };
	bool can;

	RUN(&r, "--", "true");
	can = r.status == 0;
	if (!can)
		corral_test_skip("a working `corral run`: %s", r.err);
	run_done(&r);
	return can;
}

#endif
