/*
 * Who may write to what a sandbox keeps, when its holder was killed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "kernel/keep.h"
#include "tests/support.h"

static int dir_fd_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool has_attributes(int fd)
{
	return fsetxattr(fd, "user.corral.test", "1", 1, 0) == 0;
}

static pid_t guest_begin(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	/* Not for ever, where the test fails before its end. */
	if (pid == 0) {
		(void)alarm(20);
		for (;;)
			(void)pause();
	}
	return pid;
}

/* As it is after SIGKILL: the descriptor is gone, and its lock. */
static void holder_is_killed(const char *path, pid_t guest, bool overlays)
{
	struct corral_keep k = CORRAL_KEEP_INIT;

	k.fd = dir_fd_open(path);
	k.overlays = overlays;
	assert_int_equal(corral_keep_lock(k.fd, LOCK_EX), 0);
	corral_keep_own(&k, guest);
	(void)close(k.fd);
}

static void what_a_guest_still_writes_to_is_locked(void **state)
{
	char path[] = "/tmp/corral-keep-XXXXXX";
	pid_t guest;
	int fd, other_fd;

	(void)state;
	assert_non_null(mkdtemp(path));
	fd = dir_fd_open(path);
	if (!has_attributes(fd)) {
		(void)close(fd);
		assert_int_equal(rmdir(path), 0);
		corral_test_skip("extended attributes in /tmp");
		return;
	}
	guest = guest_begin();
	holder_is_killed(path, guest, true);
	assert_int_equal(corral_keep_lock(fd, LOCK_EX), -EBUSY);
	/* Nor does the attempt keep others out. */
	other_fd = dir_fd_open(path);
	assert_int_equal(corral_keep_lock(other_fd, LOCK_SH), 0);
	(void)close(other_fd);
	assert_int_equal(kill(guest, SIGKILL), 0);
	/* Ended, whether or not somebody has asked how. */
	assert_int_equal(corral_keep_lock(fd, LOCK_EX), 0);
	assert_int_equal(waitpid(guest, NULL, 0), guest);
	(void)close(fd);
	assert_int_equal(rmdir(path), 0);
}

/* Its root is the directory itself, where it sets attributes as it likes. */
static void a_guest_that_has_the_directory_marks_nothing(void **state)
{
	char path[] = "/tmp/corral-keep-XXXXXX";
	pid_t guest = guest_begin();
	int fd;

	(void)state;
	assert_non_null(mkdtemp(path));
	fd = dir_fd_open(path);
	holder_is_killed(path, guest, false);
	assert_int_equal(corral_keep_lock(fd, LOCK_EX), 0);
	assert_int_equal(kill(guest, SIGKILL), 0);
	assert_int_equal(waitpid(guest, NULL, 0), guest);
	(void)close(fd);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_guest_still_writes_to_is_locked),
		cmocka_unit_test(a_guest_that_has_the_directory_marks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
