/*
 * tools/docker_exec.h: corral goes on as corral-docker. This program plays corral: a copy of it,
 * in a tree made for each test, is started with "go" and what corral-docker is to be told; a
 * script plays that.
 */
#include "tools/program.c"     /* NOLINT */
#include "tools/docker_exec.c" /* NOLINT */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kernel/base/cleanup.h"
#include "tests/support.h"

#define DEPTH 8 /* of the tree, which is made for the way to libexec from bin */

struct tree {
	char top[64];
	char bin[256];
	char libexec[PATH_MAX]; /* of ours */
	char said[4096];
};

static void folders_make(const char *path)
{
	char part[PATH_MAX];

	assert_true(strlen(path) < sizeof(part));
	for (const char *at = path + 1; (at = strchr(at, '/')); at++) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		assert_true(mkdir(part, 0755) == 0 || errno == EEXIST);
	}
	assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
}

static void text_write(const char *path, const char *text, mode_t mode)
{
	corral_autofd int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(strlen(text), write(fd, text, strlen(text)));
	assert_int_equal(0, fchmod(fd, mode));
}

static void copy_self(const char *path)
{
	corral_autofd int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	corral_autofd int out = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0755);

	assert_true(in >= 0 && out >= 0);
	while (sendfile(out, in, NULL, (size_t)1 << 30) > 0)
		;
	assert_int_equal(0, fchmod(out, 0755));
}

static int setup(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));
	size_t len;

	*state = t;
	if (!t)
		return -1;
	(void)snprintf(t->top, sizeof(t->top), "/tmp/corral-test.XXXXXX");
	if (!mkdtemp(t->top))
		return -1;
	len = (size_t)snprintf(t->bin, sizeof(t->bin), "%s", t->top);
	for (int i = 0; i < DEPTH; i++)
		len += (size_t)snprintf(t->bin + len, sizeof(t->bin) - len, "/d");
	folders_make(t->bin);
	(void)snprintf(t->libexec, sizeof(t->libexec), "%s/" CORRAL_LIBEXEC_FROM_BIN "/corral",
	               t->bin);
	return 0;
}

static int teardown(void **state)
{
	struct tree *t = *state;
	pid_t pid = fork();

	if (pid == 0) {
		(void)execlp("rm", "rm", "-rf", "--", t->top, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
	free(t);
	return 0;
}

/* What the copy says and gives, started with the words. */
static int corral_run(struct tree *t, const char *word)
{
	char path[300];
	int fds[2], status = -1;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/corral", t->bin);
	copy_self(path);
	assert_int_equal(0, pipe2(fds, O_CLOEXEC));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)execl(path, "corral", "go", word, (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	while (len < sizeof(t->said) - 1 &&
	       (n = read(fds[0], t->said + len, sizeof(t->said) - 1 - len)) > 0)
		len += (size_t)n;
	t->said[len] = 0;
	(void)close(fds[0]);
	assert_int_equal(pid, waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void sibling_write(const char *folder, const char *text, mode_t mode)
{
	char path[PATH_MAX + 64];

	folders_make(folder);
	(void)snprintf(path, sizeof(path), "%s/corral-docker", folder);
	text_write(path, text, mode);
}

static void it_goes_on_as_the_program_beside_it(void **state)
{
	struct tree *t = *state;

	sibling_write(t->bin, "#!/bin/sh\necho beside \"$@\"\nexit 7\n", 0755);
	assert_int_equal(7, corral_run(t, "a  word"));
	assert_string_equal("beside go a  word\n", t->said);
}

static void it_goes_on_as_the_installed_program(void **state)
{
	struct tree *t = *state;

	sibling_write(t->libexec, "#!/bin/sh\necho installed \"$@\"\n", 0755);
	assert_int_equal(0, corral_run(t, "a  word"));
	assert_string_equal("installed go a  word\n", t->said);
}

static void one_that_is_not_there_is_enoent_in_one_sentence(void **state)
{
	struct tree *t = *state;

	assert_int_equal(ENOENT, corral_run(t, ""));
	assert_non_null(strstr(t->said, "this corral was built without Docker: "));
	assert_non_null(strstr(t->said, t->bin));
	assert_null(strchr(t->said, '\n'));
}

static void one_that_cannot_be_executed_is_named(void **state)
{
	struct tree *t = *state;

	sibling_write(t->bin, "#!/bin/sh\n", 0644);
	assert_int_equal(EACCES, corral_run(t, ""));
	assert_non_null(strstr(t->said, "/corral-docker': Permission denied"));
}

static void one_whose_loader_is_missing_does_not_pass_for_absent(void **state)
{
	struct tree *t = *state;

	sibling_write(t->bin, "#!/nonexistent/loader\n", 0755);
	assert_int_equal(ENOENT, corral_run(t, ""));
	assert_non_null(strstr(t->said, "/corral-docker': No such file"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_goes_on_as_the_program_beside_it, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(it_goes_on_as_the_installed_program, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(one_that_is_not_there_is_enoent_in_one_sentence,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_cannot_be_executed_is_named, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
		        one_whose_loader_is_missing_does_not_pass_for_absent, setup, teardown),
	};

	if (argc == 3 && strcmp(argv[1], "go") == 0) {
		struct corral_error err = { 0 };
		int r = corral_docker_exec(argv, &err);

		(void)fputs(err.text, stdout);
		return -r;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
