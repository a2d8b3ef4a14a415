/* backends/docker/owner.h: who is surely gone, and who only cannot be seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/docker/owner.h"
#include "tests/support.h"

/* Ours, with other numbers at its end. */
static void owner_of(int pid, const char *start, char ret[CORRAL_DOCKER_OWNER_SIZE])
{
	char own[CORRAL_DOCKER_OWNER_SIZE];

	corral_docker_owner_make(own);
	*strrchr(own, ':') = '\0';
	*strrchr(own, ':') = '\0';
	assert_true(snprintf(ret, CORRAL_DOCKER_OWNER_SIZE, "%s:%d:%s", own, pid, start) <
	            CORRAL_DOCKER_OWNER_SIZE);
}

/* What a child says of itself; it goes when its input ends. */
struct child {
	pid_t pid;
	int in;
	char owner[CORRAL_DOCKER_OWNER_SIZE];
};

static void *idle(void *arg)
{
	char c;

	(void)!read(*(int *)arg, &c, 1);
	_exit(0);
}

static _Noreturn void child_main(int in, int out, bool first_thread_ends)
{
	char owner[CORRAL_DOCKER_OWNER_SIZE] = "";
	pthread_t thread;

	corral_docker_owner_make(owner);
	if (first_thread_ends && pthread_create(&thread, NULL, idle, &in) != 0)
		_exit(1);
	(void)!write(out, owner, sizeof(owner));
	if (first_thread_ends)
		pthread_exit(NULL);
	idle(&in);
	_exit(0);
}

static void child_begin(struct child *c, bool first_thread_ends)
{
	int in[2], out[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		(void)close(in[1]);
		child_main(in[0], out[1], first_thread_ends);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	c->in = in[1];
	assert_int_equal(read(out[0], c->owner, sizeof(c->owner)), sizeof(c->owner));
	(void)close(out[0]);
}

/* Ended, and still to be waited for. */
static void child_end(struct child *c)
{
	siginfo_t info;

	(void)close(c->in);
	assert_int_equal(waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT), 0);
}

static void child_reap(struct child *c)
{
	assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
}

static void who_lives_is_not_gone(void **state)
{
	char own[CORRAL_DOCKER_OWNER_SIZE];
	struct child c;
	bool gone;

	(void)state;
	corral_docker_owner_make(own);
	assert_false(corral_docker_owner_is_gone(own));
	child_begin(&c, false);
	gone = corral_docker_owner_is_gone(c.owner);
	child_end(&c);
	child_reap(&c);
	assert_false(gone);
}

static void who_has_ended_is_gone_waited_for_or_not(void **state)
{
	struct child c;
	bool before;

	(void)state;
	child_begin(&c, false);
	child_end(&c);
	before = corral_docker_owner_is_gone(c.owner);
	child_reap(&c);
	assert_true(before);
	assert_true(corral_docker_owner_is_gone(c.owner));
}

/* Its state is that of one who has ended. */
static void who_has_threads_left_is_not_gone(void **state)
{
	struct child c;
	bool gone = false;

	(void)state;
	child_begin(&c, true);
	for (int i = 0; i < 100 && !gone; i++) {
		gone = corral_docker_owner_is_gone(c.owner);
		(void)usleep(1000);
	}
	child_end(&c);
	child_reap(&c);
	assert_false(gone);
}

static void number_that_another_has_now_is_gone(void **state)
{
	char owner[CORRAL_DOCKER_OWNER_SIZE];

	(void)state;
	owner_of((int)getpid(), "1", owner);
	assert_true(corral_docker_owner_is_gone(owner));
}

static void what_says_nothing_of_here_is_not_gone(void **state)
{
	static const char *const others[] = { "", ":", "another-boot:1:1:1", "?:0:1:1", "::1:1" };
	char owner[CORRAL_DOCKER_OWNER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(corral_docker_owner_is_gone(others[i]));
	owner_of((int)getpid(), "0", owner);
	assert_false(corral_docker_owner_is_gone(owner));
	owner_of(0, "1", owner);
	assert_false(corral_docker_owner_is_gone(owner));
	owner_of(-1, "1", owner);
	assert_false(corral_docker_owner_is_gone(owner));
	owner_of((int)getpid(), "x", owner);
	assert_false(corral_docker_owner_is_gone(owner));
}

/* 0: not gone, 1: gone, 2: it cannot be tried here. */
static int hidden_ask(const struct child *c)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)c->pid);
	if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", path, "tmpfs", 0, NULL) < 0)
		return 2;
	return corral_docker_owner_is_gone(c->owner);
}

/* As /proc is where it is mounted with "hidepid". */
static void who_cannot_be_seen_is_not_gone(void **state)
{
	struct child c;
	int status = 0;
	pid_t pid;

	(void)state;
	child_begin(&c, false);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(hidden_ask(&c));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	child_end(&c);
	child_reap(&c);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2) {
		if (geteuid() == 0)
			corral_test_skip("a mount namespace");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_lives_is_not_gone),
		cmocka_unit_test(who_has_ended_is_gone_waited_for_or_not),
		cmocka_unit_test(who_has_threads_left_is_not_gone),
		cmocka_unit_test(number_that_another_has_now_is_gone),
		cmocka_unit_test(what_says_nothing_of_here_is_not_gone),
		cmocka_unit_test(who_cannot_be_seen_is_not_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
