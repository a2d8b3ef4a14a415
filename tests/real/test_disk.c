/*
 * kernel/disk.h on a live kernel: what a disk holds, who shares it, and what stays of it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "kernel/base/cleanup.h"
#include "kernel/disk.h"
#include "tests/real/sandbox_support.h"
#include "tests/real/cli_support.h"

#define BYTES  (8u << 20)
#define INODES 200

static char *dir;
static int dir_fd = -1;
static struct corral_error err;

#define OK(call)                                             \
	do {                                                 \
		if ((call) < 0)                              \
			fail_msg("%s: %s", #call, err.text); \
	} while (0)

static bool there(void)
{
	struct corral_error why = { 0 };

	if (corral_test_needs_root("disks are root's"))
		return false;
	if (corral_disk_possible(&why) == 0)
		return true;
	print_message("skipped: no disks here: %s\n", why.text);
	skip();
	return false;
}

static int setup(void **state)
{
	(void)state;
	dir = dir_make();
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(dir_fd);
	dir_remove(dir);
	return 0;
}

static int made(const char *name)
{
	int root = -1;

	OK(corral_disk_make(dir_fd, name, BYTES, INODES, &err));
	OK(corral_disk_open(dir_fd, name, &root, &err));
	return root;
}

static void put(int root, const char *name, const char *text)
{
	corral_autofd int fd = openat(root, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void assert_has(int root, const char *name, const char *text)
{
	corral_autofd int fd = openat(root, name, O_RDONLY | O_CLOEXEC);
	char buf[64] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
	assert_string_equal(buf, text);
}

static void limit_is_what_can_be_written(void **state)
{
	struct corral_disk_usage before, after;
	corral_autofd int root = -1;
	struct stat st;

	(void)state;
	if (!there())
		return;
	root = made("limit");
	corral_disk_reserve_take(root, BYTES, INODES);
	assert_int_equal(corral_disk_usage(root, &before), 0);
	assert_true(before.free_bytes >= BYTES && before.free_bytes < BYTES + (1u << 20));
	assert_true(before.free_inodes >= INODES && before.free_inodes < INODES + 64);
	/* Nothing of that is taken from the host. */
	assert_int_equal(fstatat(dir_fd, "limit", &st, 0), 0);
	assert_true(st.st_blocks * 512 < (2 << 20));
	corral_disk_reserve_give(root);
	assert_int_equal(corral_disk_usage(root, &after), 0);
	assert_true(after.free_bytes > before.free_bytes);
	assert_true(after.free_inodes > before.free_inodes);
	assert_int_equal(corral_disk_make(dir_fd, "limit", BYTES, INODES, &err), -EEXIST);
	corral_fd_closep(&root);
	assert_eventually(!corral_disk_is_open(dir_fd, "limit"));
}

static void whoever_opens_it_has_the_same(void **state)
{
	corral_autofd int first = -1, second = -1;
	struct stat a, b;
	int status = -1;
	pid_t pid;

	(void)state;
	if (!there())
		return;
	first = made("shared");
	pid = fork();
	if (pid == 0) {
		int root = -1;

		if (corral_disk_open(dir_fd, "shared", &root, NULL) < 0)
			_exit(1);
		put(root, "theirs", "2");
		/* Mounted as long as somebody has it, also when he is killed. */
		(void)kill(getpid(), SIGKILL);
	}
	put(first, "ours", "1");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	OK(corral_disk_open(dir_fd, "shared", &second, &err));
	assert_int_equal(fstat(first, &a), 0);
	assert_int_equal(fstat(second, &b), 0);
	assert_int_equal(a.st_dev, b.st_dev);
	assert_has(first, "theirs", "2");
	assert_has(second, "ours", "1");
	corral_fd_closep(&first);
	assert_true(corral_disk_is_open(dir_fd, "shared"));
	corral_fd_closep(&second);
	assert_eventually(!corral_disk_is_open(dir_fd, "shared"));
	OK(corral_disk_open(dir_fd, "shared", &first, &err));
	assert_has(first, "theirs", "2");
}

/* In a namespace whose /dev shows other loop devices than that which has it. */
static int open_elsewhere(const char *name)
{
	int root = -1, r, i;
	char path[32];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("dev", "/dev", "tmpfs", 0, NULL) < 0 ||
	    mknod("/dev/loop-control", S_IFCHR | 0600, makedev(10, 237)) < 0)
		return 1;
	/* None of those that are in use, which are numbered from 0. */
	for (i = 64; i < 80; i++) {
		(void)snprintf(path, sizeof(path), "/dev/loop%d", i);
		(void)mknod(path, S_IFBLK | 0600, makedev(7, (unsigned int)i));
	}
	r = corral_disk_open(dir_fd, name, &root, &err);
	return r == -EBUSY && strstr(err.text, "that this /dev does not show") ? 0 : 2;
}

static void nobody_makes_a_second_device_of_it(void **state)
{
	corral_autofd int root = -1, again = -1;
	int status = 0;
	pid_t pid;

	(void)state;
	if (!there())
		return;
	root = made("claimed");
	put(root, "file", "one");
	pid = fork();
	if (pid == 0)
		_exit(open_elsewhere("claimed"));
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
	/* Free again as soon as the device is. */
	corral_fd_closep(&root);
	OK(corral_disk_open(dir_fd, "claimed", &again, &err));
	assert_has(again, "file", "one");
}

static void copy_is_one_of_its_own(void **state)
{
	corral_autofd int first = -1, second = -1;

	(void)state;
	if (!there())
		return;
	first = made("first");
	put(first, "f", "before");
	OK(corral_disk_copy(dir_fd, "first", first, dir_fd, "second", &err));
	put(first, "f", "after");
	OK(corral_disk_open(dir_fd, "second", &second, &err));
	assert_has(second, "f", "before");
	put(second, "f", "other");
	assert_has(first, "f", "after");
}

static void what_is_none_is_told(void **state)
{
	int root = -1;

	(void)state;
	if (!there())
		return;
	put(dir_fd, "none", "no file system");
	assert_true(corral_disk_open(dir_fd, "none", &root, &err) < 0);
	assert_says(err.text, "disk 'none': ");
	assert_int_equal(corral_disk_open(dir_fd, "nowhere", &root, &err), -ENOENT);
	assert_int_equal(symlinkat("none", dir_fd, "link"), 0);
	assert_int_equal(corral_disk_open(dir_fd, "link", &root, &err), -ELOOP);
	assert_int_equal(corral_disk_make(dir_fd, "zero", 0, 0, &err), -EINVAL);
	assert_int_equal(root, -1);
	assert_eventually(!corral_disk_is_open(dir_fd, "none"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_is_what_can_be_written),
		cmocka_unit_test(whoever_opens_it_has_the_same),
		cmocka_unit_test(nobody_makes_a_second_device_of_it),
		cmocka_unit_test(copy_is_one_of_its_own),
		cmocka_unit_test(what_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
