/*
 * What tests that call the library have in common: policies, moments to wait, threads, and callers
 * that are processes of their own. Include after <cmocka.h> and tests/support.h.
 */
#ifndef CORRAL_TESTS_REAL_LIBRARY_SUPPORT_H
#define CORRAL_TESTS_REAL_LIBRARY_SUPPORT_H

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/sandbox.h"
#include "policy/config.h"

static inline struct corral_policy *policy_of(const char *json)
{
	struct corral_config *config = corral_config_new();
	struct corral_policy *policy = NULL;
	struct corral_error err = { 0 };

	assert_non_null(config);
	if (corral_config_parse(config, json, strlen(json), &err) < 0 ||
	    corral_policy_compile(config, NULL, &policy, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	corral_config_free(config);
	return policy;
}

/* Whether this host can contain anything; skips the test when not. */
static inline bool can_launch(void)
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

static inline void nap_usec(unsigned int usec)
{
	const struct timespec t = { .tv_sec = usec / 1000000,
		                    .tv_nsec = (long)(usec % 1000000) * 1000 };

	(void)nanosleep(&t, NULL);
}

static inline void nap(unsigned int ms)
{
	nap_usec(ms * 1000);
}

/*
 * A process that goes on, as be_caller(), until it is killed; it writes a byte to ready_fd, whose
 * other end is *ret_ready_fd, once it has a launcher.
 */
static inline pid_t caller_start(const struct corral_policy *policy, unsigned int flags,
                                 void (*be_caller)(const struct corral_policy *policy,
                                                   unsigned int flags, int ready_fd),
                                 int *ret_ready_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		be_caller(policy, flags, fds[1]);
		_exit(1);
	}
	(void)close(fds[1]);
	*ret_ready_fd = fds[0];
	return pid;
}

/* As many threads at once as make trouble; each says by NULL that all went well. */
static inline void assert_threads_fine(void *(*work)(void *), void *arg)
{
	pthread_t threads[8];
	void *failed;

	for (size_t i = 0; i < CORRAL_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, arg), 0);
	for (size_t i = 0; i < CORRAL_COUNT(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

static inline void kill_and_reap(pid_t pid)
{
	int status = 0;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

#endif
