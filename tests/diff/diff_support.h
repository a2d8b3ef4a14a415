/* Sets of answers, ours and another program's, and how they differ. */
#ifndef CORRAL_TESTS_DIFF_SUPPORT_H
#define CORRAL_TESTS_DIFF_SUPPORT_H

#include "tests/unit/files/files_support.h"

#include <spawn.h>
#include <sys/wait.h>

#include "tests/support.h"

/* Where there are some thousand files that people wrote, on any machine that builds us. */
#define REAL_TREE "/usr/include"

struct set {
	char **v;
	size_t n, size;
};

static inline void set_add(struct set *s, const char *text, size_t len)
{
	if (s->n == s->size) {
		s->size = s->size ? 2 * s->size : 1024;
		s->v = reallocarray(s->v, s->size, sizeof(*s->v));
		assert_non_null(s->v);
	}
	s->v[s->n] = strndup(text, len);
	assert_non_null(s->v[s->n++]);
}

static inline void set_done(struct set *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	memset(s, 0, sizeof(*s));
}

static inline int set_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, each once. */
static inline void set_settle(struct set *s)
{
	size_t n = 0;

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), set_compare);
	for (size_t i = 0; i < s->n; i++) {
		if (n && !strcmp(s->v[n - 1], s->v[i]))
			free(s->v[i]);
		else
			s->v[n++] = s->v[i];
	}
	s->n = n;
}

static inline bool set_has(const struct set *s, const char *text)
{
	return s->n && bsearch(&text, s->v, s->n, sizeof(*s->v), set_compare);
}

/* How many are in one of both alone; the first few are shown. Both are settled. */
static inline size_t set_differs(const char *what, const struct set *ours, const struct set *theirs)
{
	size_t i = 0, k = 0, n = 0;

	while (i < ours->n || k < theirs->n) {
		int c = i == ours->n ? 1 : k == theirs->n ? -1 : strcmp(ours->v[i], theirs->v[k]);

		if (c && ++n <= 5)
			print_message("%s: only %s: %s\n", what, c < 0 ? "ours" : "theirs",
			              c < 0 ? ours->v[i] : theirs->v[k]);
		i += c <= 0;
		k += c >= 0;
	}
	if (n)
		print_message("%s: %zu differ, %zu are ours, %zu theirs\n", what, n, ours->n,
		              theirs->n);
	return n;
}

static inline bool program_is_here(const char *name)
{
	corral_autofree char *command = NULL;
	const char *argv[] = { "sh", "-c", NULL, NULL };
	int status = -1;
	pid_t pid;

	assert_true(asprintf(&command, "command -v %s >/dev/null", name) > 0);
	argv[2] = command;
	assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, (char *const *)argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

/* What the program writes, started in that directory; it may end with 0 or 1. */
static inline void program_output(const char *dir, const char *const *argv, struct corral_buf *ret)
{
	posix_spawn_file_actions_t actions;
	int out[2], status = 0;
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	(void)posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	(void)posix_spawn_file_actions_addchdir_np(&actions, dir);
	assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ),
	                 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(out[1]);
	assert_int_equal(corral_buf_read_fd(ret, out[0], 256u << 20), 0);
	(void)close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
}

#endif
