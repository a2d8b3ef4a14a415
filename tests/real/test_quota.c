/*
 * --disk over --keep, where the host's file system counts: a file system of the test's own with
 * project quotas, in a mount namespace of its own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/support.h"

#include <sched.h>
#include <sys/mount.h>

#include "kernel/quota.h"
#include "tests/real/library_support.h"
#include "tests/real/sandbox_support.h"

static char *dir;
static char keep[600];
static bool counted;

/* What lies in the file is gone with it, the mount with this process. */
static const char make_fs[] =
        "modprobe -q loop; modprobe -q quota_v2\n"
        "truncate -s 192M \"$1/image\" && mkfs.ext4 -q -O quota,project -E quotatype=prjquota "
        "\"$1/image\" && mkdir \"$1/fs\" && mount -o loop,prjquota \"$1/image\" \"$1/fs\"";

static int setup(void **state)
{
	struct run r = { 0 };

	(void)state;
	dir = dir_make();
	(void)snprintf(keep, sizeof(keep), "%s/fs/keep", dir);
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 0;
	run_argv(&r, ARGS("sh", "-c", make_fs, "sh", dir));
	counted = r.status == 0 && mkdir(keep, 0755) == 0;
	run_done(&r);
	return 0;
}

static int teardown(void **state)
{
	char path[600];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/fs", dir);
	if (counted)
		(void)umount2(path, MNT_DETACH);
	dir_remove(dir);
	return 0;
}

/* A kernel without CONFIG_QFMT_V2 has none to be tested. */
static bool can_count(void)
{
	if (!can_run())
		return false;
	if (counted)
		return true;
	print_message("skipped: no file system with project quotas is to be had here\n");
	skip();
	return false;
}

#define SH(r, line) \
	RUN((r), "--keep", keep, "--disk", "20M", "--disk-inodes", "200", "--", "sh", "-c", (line))

static void assert_reason(const struct run *r, const char *reason)
{
	assert_non_null(r->receipt);
	assert_string_equal(json_string_value(json_object_get(r->receipt, "reason")), reason);
}

static void what_is_kept_has_a_limit(void **state)
{
	struct run r = { 0 };
	corral_autofd int fd = -1;

	(void)state;
	if (!can_count())
		return;
	fd = open(keep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(corral_quota_possible(fd, NULL), 0);
	SH(&r, "head -c 12M /dev/zero >/root/a");
	assert_status(&r, 0);
	/* Of all sandboxes over it together, in every part of it. */
	SH(&r, "head -c 12M /dev/zero >/usr/local/b");
	assert_status(&r, 1);
	assert_reason(&r, "disk");
	assert_non_null(strstr(r.err, "full at 20 MiB"));
	SH(&r, "rm /root/a /usr/local/b && head -c 12M /dev/zero >/root/a");
	assert_status(&r, 0);
	assert_reason(&r, "exit");
	SH(&r, "rm /root/a");
	assert_status(&r, 0);
	run_done(&r);
}

static void so_has_the_number_of_files(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_count())
		return;
	SH(&r, "for i in $(seq 300); do : >/root/f$i || exit 3; done");
	assert_true(r.status != 0);
	assert_reason(&r, "disk");
	SH(&r, "rm /root/f*");
	assert_status(&r, 0);
	run_done(&r);
}

/* chattr -p 0, and the flag by which what is made in a directory is counted. */
static const char leave[] = "import array, fcntl, os, sys\n"
                            "for path in ('/root', '/root/mine'):\n"
                            "    os.makedirs(path, exist_ok=True)\n"
                            "    fd = os.open(path, os.O_RDONLY)\n"
                            "    attr = bytearray(28)\n"
                            "    fcntl.ioctl(fd, 0x801c581f, attr)\n"
                            "    for project, flags in ((0, attr[1] << 8), (7, 0)):\n"
                            "        new = bytearray(attr)\n"
                            "        new[12:16] = project.to_bytes(4, 'little')\n"
                            "        new[0:4] = (0).to_bytes(4, 'little')\n"
                            "        try:\n"
                            "            fcntl.ioctl(fd, 0x401c5820, new)\n"
                            "            print('left', path, project)\n"
                            "        except OSError as e:\n"
                            "            pass\n";

static void a_guest_cannot_leave_it(void **state)
{
	struct run r = { 0 };

	(void)state;
	if (!can_count())
		return;
	RUN(&r, "--keep", keep, "--disk", "20M", "--", "python3", "-c", leave);
	assert_status(&r, 0);
	assert_string_equal(r.out, "");
	SH(&r, "head -c 30M /dev/zero >/root/mine/c");
	assert_status(&r, 1);
	assert_reason(&r, "disk");
	SH(&r, "rm -r /root/mine");
	assert_status(&r, 0);
	run_done(&r);
}

static void a_new_layer_counts_with_the_one_before(void **state)
{
	struct corral_error err = { 0 };
	struct corral_quota q = { 0 };
	char path[600];
	int from, to;

	(void)state;
	if (!can_count())
		return;
	(void)snprintf(path, sizeof(path), "%s/fs/next", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	from = open(keep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(from >= 0 && to >= 0);
	assert_int_equal(corral_quota_limit(from, 5u << 20, 0, &err), 0);
	assert_int_equal(corral_quota_join(to, from, &err), 0);
	assert_int_equal(corral_quota_get(to, &q, &err), 0);
	assert_int_equal(q.bytes_limit, 5u << 20);
	assert_int_equal(q.inodes_limit, 0);
	(void)close(from);
	(void)close(to);
}

static void where_nothing_counts_it_says_so(void **state)
{
	struct corral_error err = { 0 };
	int fd;

	(void)state;
	fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(corral_quota_limit(fd, 1u << 20, 0, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "prjquota"));
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_has_a_limit),
		cmocka_unit_test(so_has_the_number_of_files),
		cmocka_unit_test(a_guest_cannot_leave_it),
		cmocka_unit_test(a_new_layer_counts_with_the_one_before),
		cmocka_unit_test(where_nothing_counts_it_says_so),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
