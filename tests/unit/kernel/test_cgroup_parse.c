/* What kernel/cgroup_parse.c and the names of groups promise, on texts of many hosts. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/cgroup_ops.h"

/* A desktop with systemd: everything on v2. */
static const char own_v2[] =
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope\n";
static const char mounts_v2[] =
        "22 28 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw\n"
        "25 28 0:23 / /sys rw,nosuid - sysfs sysfs rw\n"
        "31 25 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 "
        "rw,nsdelegate,memory_recursiveprot\n";

/* Controllers on v1, an empty v2 tree beside them. */
static const char own_hybrid[] = "12:cpu,cpuacct:/user.slice\n"
                                 "4:memory:/user.slice/session-1.scope\n"
                                 "3:pids:/user.slice/a:b,c d\n"
                                 "1:name=systemd:/user.slice\n"
                                 "0::/user.slice\n";
static const char mounts_hybrid[] =
        "29 23 0:25 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,mode=755\n"
        "30 29 0:26 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
        "31 29 0:27 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup "
        "rw,xattr,name=systemd\n"
        "35 29 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:14 - cgroup cgroup rw,cpu,cpuacct\n"
        "36 29 0:32 / /sys/fs/cgroup/memory rw shared:15 - cgroup cgroup rw,memory\n"
        "37 29 0:33 / /sys/fs/cgroup/pids rw shared:16 - cgroup cgroup rw,pids\n";

/* A container that shares the host's cgroup namespace sees a part of each hierarchy. */
static const char own_docker[] = "5:memory:/docker/0123\n0::/docker/0123\n";
static const char mounts_docker[] =
        "600 599 0:32 /docker/0123 /sys/fs/cgroup/memory ro,nosuid master:15 - cgroup cgroup "
        "rw,memory\n"
        "601 599 0:26 /docker/0123 /sys/fs/cgroup/unified ro,nosuid master:9 - cgroup2 cgroup "
        "rw\n";

static void own_path_is_found_for_v2_and_for_each_controller(void **state)
{
	static const struct {
		const char *text, *controller, *path;
		int r;
	} cases[] = {
		{ own_v2, NULL,
		  "/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope", 0 },
		{ own_v2, "memory", NULL, -ENOENT },
		{ own_hybrid, "cpu", "/user.slice", 0 },
		{ own_hybrid, "cpuacct", "/user.slice", 0 },
		{ own_hybrid, "memory", "/user.slice/session-1.scope", 0 },
		{ own_hybrid, "pids", "/user.slice/a:b,c d", 0 },
		{ own_hybrid, "systemd", NULL, -ENOENT },
		{ own_hybrid, "cpuset", NULL, -ENOENT },
		{ own_hybrid, "pid", NULL, -ENOENT },
		{ own_hybrid, NULL, "/user.slice", 0 },
		{ own_docker, "memory", "/docker/0123", 0 },
		{ "0::/\n", NULL, "/", 0 },
		{ "0::/", NULL, "/", 0 },
		{ "0::/..\n", NULL, NULL, -EXDEV },
		{ "0::/../../b\n", NULL, NULL, -EXDEV },
		{ "0::/..b\n", NULL, "/..b", 0 },
		{ "0::/a (deleted)\n", NULL, NULL, -EXDEV },
		{ "0::\n", NULL, NULL, -EINVAL },
		{ "0::a\n", NULL, NULL, -EINVAL },
		{ "", NULL, NULL, -ENOENT },
		{ "\n\n", NULL, NULL, -ENOENT },
		{ "0:\n:\n0", NULL, NULL, -ENOENT },
		/* A named hierarchy whose group is called like a line of the v2 tree. */
		{ "1:name=x:/0::/evil\n", NULL, NULL, -ENOENT },
		{ "1:name=x:/5:memory:/evil\n", "memory", NULL, -ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(cases); i++) {
		char path[256] = "untouched";

		assert_int_equal(corral_cgroup_parse_own(cases[i].text, cases[i].controller, path,
		                                         sizeof(path)),
		                 cases[i].r);
		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
	}
}

static void own_path_that_is_too_long_is_refused(void **state)
{
	char path[8];

	(void)state;
	assert_int_equal(corral_cgroup_parse_own("0::/123456\n", NULL, path, sizeof(path)), 0);
	assert_int_equal(corral_cgroup_parse_own("0::/1234567\n", NULL, path, sizeof(path)),
	                 -ENAMETOOLONG);
}

static void mount_is_found_by_type_and_controller(void **state)
{
	static const struct {
		const char *text, *controller, *root, *point;
	} cases[] = {
		{ mounts_v2, NULL, "/", "/sys/fs/cgroup" },
		{ mounts_v2, "memory", NULL, NULL },
		{ mounts_hybrid, NULL, "/", "/sys/fs/cgroup/unified" },
		{ mounts_hybrid, "cpu", "/", "/sys/fs/cgroup/cpu,cpuacct" },
		{ mounts_hybrid, "memory", "/", "/sys/fs/cgroup/memory" },
		{ mounts_hybrid, "systemd", NULL, NULL },
		{ mounts_hybrid, "freezer", NULL, NULL },
		{ mounts_docker, "memory", "/docker/0123", "/sys/fs/cgroup/memory" },
		{ mounts_docker, NULL, "/docker/0123", "/sys/fs/cgroup/unified" },
		/* The one that shows more; of two that show as much, the later. */
		{ "1 2 0:3 /a /one rw - cgroup2 x rw\n1 2 0:3 / /two rw - cgroup2 x rw\n"
		  "1 2 0:3 /b /three rw - cgroup2 x rw\n",
		  NULL, "/", "/two" },
		{ "1 2 0:3 / /one rw - cgroup2 x rw\n1 2 0:3 / /two rw - cgroup2 x rw\n", NULL, "/",
		  "/two" },
		/* Mounted over the other at the same place: only the later can be seen. */
		{ "1 2 0:3 / /one rw - cgroup2 x rw\n1 2 0:3 /a /one rw - cgroup2 x rw\n", NULL,
		  "/a", "/one" },
		/* Names with blanks, newlines and backslashes come escaped. */
		{ "1 2 0:3 /a\\040b /mnt/x\\134y\\012z rw shared:1 master:2 - cgroup2 x rw\n", NULL,
		  "/a b", "/mnt/x\\y\nz" },
		/* A file system or source called like what we look for. */
		{ "1 2 0:3 / /evil rw - fuse.x cgroup2 rw\n", NULL, NULL, NULL },
		{ "1 2 0:3 / /evil rw - tmpfs - cgroup2 x rw\n", NULL, NULL, NULL },
		{ "1 2 0:3 / /evil\\04 rw - cgroup2 x rw\n", NULL, NULL, NULL },
		{ "1 2 0:3 / /evil\\000 rw - cgroup2 x rw\n", NULL, NULL, NULL },
		{ "1 2 0:3 / relative rw - cgroup2 x rw\n", NULL, NULL, NULL },
		{ "1 2 0:3 / /x rw\n", NULL, NULL, NULL },
		{ "1 2 0:3\n", NULL, NULL, NULL },
		{ "", NULL, NULL, NULL },
	};
	corral_autofree struct corral_cgroup_mount *m = malloc(sizeof(*m));

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < CORRAL_COUNT(cases); i++) {
		int r = corral_cgroup_parse_mount(cases[i].text, cases[i].controller, m);

		assert_int_equal(r, cases[i].point ? 0 : -ENOENT);
		if (!cases[i].point)
			continue;
		assert_string_equal(m->root, cases[i].root);
		assert_string_equal(m->point, cases[i].point);
	}
}

static void mounted_root_is_found_by_the_mounts_id(void **state)
{
	char root[64];

	(void)state;
	assert_int_equal(corral_cgroup_parse_root(mounts_docker, 601, root, sizeof(root)), 0);
	assert_string_equal(root, "/docker/0123");
	assert_int_equal(corral_cgroup_parse_root(mounts_docker, 60, root, sizeof(root)), -ENOENT);
	assert_int_equal(corral_cgroup_parse_root("7 1 0:3 /a\\040b /c rw", 7, root, sizeof(root)),
	                 0);
	assert_string_equal(root, "/a b");
	assert_int_equal(corral_cgroup_parse_root("7 1 0:3 /a", 7, root, sizeof(root)), -EINVAL);
	assert_int_equal(corral_cgroup_parse_root("7 1 0:3 /a /c", 7, root, 2), -ENAMETOOLONG);
}

static void endless_mount_point_is_passed_over(void **state)
{
	corral_autofree struct corral_cgroup_mount *m = malloc(sizeof(*m));
	corral_autofree char *text = malloc(20000);
	static const char start[] = "1 2 0:3 / /";

	(void)state;
	assert_non_null(m);
	assert_non_null(text);
	memset(text, 'a', 20000);
	memcpy(text, start, sizeof(start) - 1);
	(void)snprintf(text + 10000, 10000,
	               " rw - cgroup2 x rw\n1 2 0:3 / /ok rw - cgroup2 x rw\n");
	assert_int_equal(corral_cgroup_parse_mount(text, NULL, m), 0);
	assert_string_equal(m->point, "/ok");
}

static void mounted_root_is_taken_off_by_whole_pieces(void **state)
{
	static const struct {
		const char *own, *root, *below;
	} cases[] = {
		{ "/a/b", "/", "a/b" },
		{ "/", "/", "" },
		{ "/docker/ab", "/docker/ab", "" },
		{ "/docker/ab/c", "/docker/ab", "c" },
		{ "/docker/abc", "/docker/ab", NULL },
		{ "/other", "/docker/ab", NULL },
		{ "/", "/docker/ab", NULL },
		{ "/", "/..", NULL },
		{ "/../x", "/..", NULL },
		{ "a", "/", NULL },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(cases); i++) {
		const char *below = NULL;

		assert_int_equal(corral_cgroup_parse_below(cases[i].own, cases[i].root, &below),
		                 cases[i].below ? 0 : -EXDEV);
		if (cases[i].below)
			assert_string_equal(below, cases[i].below);
	}
}

static void escape_that_the_kernel_would_not_write_is_einval(void **state)
{
	static const char *const bad[] = { "\\", "\\0", "\\04", "\\048", "\\400", "\\000", "x\\9" };
	char out[16];

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(bad); i++)
		assert_int_equal(corral_cgroup_unescape(bad[i], strlen(bad[i]), out, sizeof(out)),
		                 -EINVAL);
	assert_int_equal(corral_cgroup_unescape("\\377\\001", 8, out, sizeof(out)), 0);
	assert_string_equal(out, "\377\001");
	assert_int_equal(corral_cgroup_unescape("1234", 4, out, 5), 0);
	assert_int_equal(corral_cgroup_unescape("12345", 5, out, 5), -ENAMETOOLONG);
}

static void key_is_matched_whole_and_at_line_start(void **state)
{
	static const char text[] = "oom 7\noom_kill 3\noom_group_kill 1\nmax\nbig "
	                           "99999999999999999999999\nx y\n";
	uint64_t value = 0;

	(void)state;
	assert_int_equal(corral_cgroup_parse_key(text, "oom_kill", &value), 0);
	assert_int_equal(value, 3);
	assert_int_equal(corral_cgroup_parse_key(text, "oom", &value), 0);
	assert_int_equal(value, 7);
	assert_int_equal(corral_cgroup_parse_key(text, "big", &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(corral_cgroup_parse_key(text, "kill", &value), -ENOENT);
	assert_int_equal(corral_cgroup_parse_key(text, "max", &value), -ENOENT);
	assert_int_equal(corral_cgroup_parse_key(text, "x", &value), -ENOENT);
	assert_int_equal(corral_cgroup_parse_key("", "x", &value), -ENOENT);
}

static void value_is_a_number_or_max(void **state)
{
	uint64_t value = 1;

	(void)state;
	assert_int_equal(corral_cgroup_parse_value("0\n", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(corral_cgroup_parse_value("9223372036854771712", &value), 0);
	assert_true(value == 9223372036854771712ull);
	assert_int_equal(corral_cgroup_parse_value("max\n", &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(corral_cgroup_parse_value("", &value), -EINVAL);
	assert_int_equal(corral_cgroup_parse_value("-1\n", &value), -EINVAL);
	assert_int_equal(corral_cgroup_parse_value("1 2\n", &value), -EINVAL);
	assert_int_equal(corral_cgroup_parse_value("maximum\n", &value), -EINVAL);
}

static void word_is_not_a_part_of_a_word(void **state)
{
	(void)state;
	assert_true(corral_cgroup_parse_word("cpu memory pids\n", 16, "pids"));
	assert_true(corral_cgroup_parse_word("rw,cpu,cpuacct", 14, "cpu"));
	assert_false(corral_cgroup_parse_word("cpuset cpuacct\n", 15, "cpu"));
	assert_false(corral_cgroup_parse_word("name=memory", 11, "memory"));
	assert_false(corral_cgroup_parse_word("", 0, "cpu"));
	assert_false(corral_cgroup_parse_word("cpu", 2, "cpu"));
}

static void start_time_is_read_past_any_process_name(void **state)
{
	static const char plain[] = "7 (sh) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 1234 9 9\n";
	static const char evil[] = "7 (a) S 1 2) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 1234 9\n";
	uint64_t ms = 0;

	(void)state;
	assert_int_equal(corral_cgroup_parse_start(plain, 100, &ms), 0);
	assert_int_equal(ms, 12340);
	ms = 0;
	assert_int_equal(corral_cgroup_parse_start(evil, 100, &ms), 0);
	assert_int_equal(ms, 12340);
	assert_int_equal(corral_cgroup_parse_start("7 (sh) S 1 7", 100, &ms), -EINVAL);
	assert_int_equal(corral_cgroup_parse_start("", 100, &ms), -EINVAL);
}

static void swaps_is_a_table_with_a_head(void **state)
{
	(void)state;
	assert_false(corral_cgroup_parse_swaps("Filename\tType\tSize\tUsed\tPriority\n"));
	assert_false(corral_cgroup_parse_swaps(""));
	assert_true(corral_cgroup_parse_swaps("Filename\tType\n/dev/vdb partition 1 0 -2\n"));
}

static void weights_map_to_shares_and_cores_to_quotas(void **state)
{
	static const struct {
		uint64_t millis, quota, period;
	} cases[] = {
		{ 1000, 100000, 100000 }, { 1500, 150000, 100000 },
		{ 10, 1000, 100000 },     { 5, 1000, 200000 },
		{ 1, 1000, 1000000 },     { 1000000000, 100000000000, 100000 },
	};

	(void)state;
	assert_int_equal(corral_cgroup_shares(100), 1024);
	assert_int_equal(corral_cgroup_shares(1), 10);
	assert_int_equal(corral_cgroup_shares(10000), 102400);
	assert_int_equal(corral_cgroup_shares(0), 2);
	assert_int_equal(corral_cgroup_shares(UINT64_MAX), 262144);
	for (size_t i = 0; i < CORRAL_COUNT(cases); i++) {
		uint64_t quota, period;

		corral_cgroup_bandwidth(cases[i].millis, &quota, &period);
		assert_int_equal(quota, cases[i].quota);
		assert_int_equal(period, cases[i].period);
	}
}

static void name_of_a_group_says_who_made_it(void **state)
{
	static const char *const strange[] = {
		"",
		"init",
		"1-2-3",
		"1-2-3-4",
		"-1-2-3-0a",
		"0-2-3-0000000a",
		" 1-2-3-0000000a",
		"1-2-3-0000000A",
		"01-2-3-0000000a",
		"1-2-3-0000000a.",
		"1--2-3-0000000a",
		"1-99999999999999999999-3-0000000a",
		"99999999999-2-3-0000000a",
	};
	uint64_t opened = 0;
	char name[64];
	pid_t pid = 0;

	(void)state;
	corral_cgroup_name_format(name, sizeof(name), 4194304, UINT64_MAX, UINT32_MAX, 0xabcdu);
	assert_string_equal(name, "4194304-18446744073709551615-4294967295-0000abcd");
	assert_int_equal(corral_cgroup_name_parse(name, &pid, &opened), 0);
	assert_int_equal(pid, 4194304);
	assert_true(opened == UINT64_MAX);
	for (size_t i = 0; i < CORRAL_COUNT(strange); i++)
		assert_int_equal(corral_cgroup_name_parse(strange[i], &pid, &opened), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_path_is_found_for_v2_and_for_each_controller),
		cmocka_unit_test(own_path_that_is_too_long_is_refused),
		cmocka_unit_test(mount_is_found_by_type_and_controller),
		cmocka_unit_test(mounted_root_is_found_by_the_mounts_id),
		cmocka_unit_test(endless_mount_point_is_passed_over),
		cmocka_unit_test(mounted_root_is_taken_off_by_whole_pieces),
		cmocka_unit_test(escape_that_the_kernel_would_not_write_is_einval),
		cmocka_unit_test(key_is_matched_whole_and_at_line_start),
		cmocka_unit_test(value_is_a_number_or_max),
		cmocka_unit_test(word_is_not_a_part_of_a_word),
		cmocka_unit_test(start_time_is_read_past_any_process_name),
		cmocka_unit_test(swaps_is_a_table_with_a_head),
		cmocka_unit_test(weights_map_to_shares_and_cores_to_quotas),
		cmocka_unit_test(name_of_a_group_says_who_made_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
