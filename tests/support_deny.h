/*
 * Tests that look at a host with some system calls taken away: the test program runs itself again
 * below corral-test-deny, with one argument that says what to print, and reads what it printed.
 */
#ifndef CORRAL_TESTS_SUPPORT_DENY_H
#define CORRAL_TESTS_SUPPORT_DENY_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The output of `corral-test-deny --errno NAME CALLS -- THIS_PROGRAM ARG`. Its exit status, or -1.
 */
static inline int corral_test_run_denied(const char *error, const char *calls, const char *arg,
                                         char *ret, size_t size)
{
	char self[512];
	size_t len = 0;
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	self[n] = '\0';
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)execl(CORRAL_TEST_DENY, CORRAL_TEST_DENY, "--errno", error, calls, "--", self,
		            arg, (char *)NULL);
		_exit(126);
	}
	(void)close(ends[1]);
	while (len < size - 1 && (n = read(ends[0], ret + len, size - 1 - len)) > 0)
		len += (size_t)n;
	ret[len] = '\0';
	(void)close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
