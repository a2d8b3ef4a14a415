/* The words that facts are read from: mountinfo, cgroup paths, /etc/subuid. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/host_facts.h"

static void facts_of_this_host_are_consistent(void **state)
{
	struct corral_host_facts f;

	(void)state;
	corral_host_facts_read(&f);
	assert_true(f.has_proc);
	assert_int_equal(f.uid, geteuid());
	assert_true(f.kernel_major >= 5);
	assert_int_equal(f.exe[0], '/');
	assert_true(f.built_namespaces & 1u);
	if (f.privileged)
		assert_true(f.has_sys_admin);
}

static void containers_are_known_by_their_cgroups(void **state)
{
	static const struct {
		const char *text;
		enum corral_host_container kind;
	} rows[] = {
		{ "0::/\n", CORRAL_HOST_BARE },
		{ "0::/user.slice/user-1000.slice/session-1.scope\n", CORRAL_HOST_BARE },
		{ "3:cpu:/docker/0123abc\n", CORRAL_HOST_DOCKER },
		{ "0::/system.slice/docker-0123abc.scope\n", CORRAL_HOST_DOCKER },
		{ "0::/system.slice/docker.service\n", CORRAL_HOST_BARE },
		{ "0::/machine.slice/libpod-0123.scope\n", CORRAL_HOST_PODMAN },
		{ "0::/kubepods.slice/kubepods-pod1.slice/docker-1.scope\n",
		  CORRAL_HOST_KUBERNETES },
		{ "0::/lxc.payload.web\n", CORRAL_HOST_LXC },
		{ NULL, CORRAL_HOST_BARE },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		assert_int_equal(corral_host_container_in(rows[i].text), rows[i].kind);
}

static void mount_over_a_part_of_proc_is_found(void **state)
{
	static const char text[] = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
	                           "22 21 0:5 / /proc rw shared:2 - proc proc rw\n"
	                           "23 22 0:6 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n"
	                           "24 22 0:7 /null /proc/kcore ro - tmpfs tmpfs rw\n";
	struct corral_host_facts f = { 0 };

	(void)state;
	corral_host_facts_mounts(&f, text);
	assert_string_equal(f.proc_submount, "/proc/kcore");
	assert_false(f.chrooted);
	assert_false(f.root_is_initramfs);
}

static void mounts_without_a_root_are_a_chroot(void **state)
{
	struct corral_host_facts f = { 0 };

	(void)state;
	corral_host_facts_mounts(&f, "22 21 0:5 / /proc rw shared:2 - proc proc rw\n");
	assert_true(f.chrooted);
	assert_string_equal(f.proc_submount, "");
}

static void initial_ramfs_counts_only_while_nothing_covers_it(void **state)
{
	struct corral_host_facts f = { 0 };

	(void)state;
	corral_host_facts_mounts(&f, "1 1 0:1 / / rw - rootfs rootfs rw\n");
	assert_true(f.root_is_initramfs);
	corral_host_facts_mounts(&f, "1 1 0:1 / / rw - rootfs rootfs rw\n"
	                             "2 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
	assert_false(f.root_is_initramfs);
}

static void broken_mountinfo_gives_no_facts(void **state)
{
	static const char *const texts[] = { "",
		                             "\n\n",
		                             "1 2",
		                             "1 2 3 / ",
		                             "1 2 3 / /proc/x rw",
		                             "1 2 3 / /proc/x rw\n4 - tmpfs tmpfs" };

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(texts); i++) {
		struct corral_host_facts f = { 0 };

		corral_host_facts_mounts(&f, texts[i]);
		assert_string_equal(f.proc_submount, "");
		assert_false(f.root_is_initramfs);
	}
	corral_host_facts_mounts(&(struct corral_host_facts) { 0 }, NULL);
}

static void id_range_is_found_by_name_or_number(void **state)
{
	static const char text[] = "# comment\n"
	                           "adam:1:2\n"
	                           "ada:x:3\n"
	                           "ada:5:0\n"
	                           "ada:100000:65536\n"
	                           "1001:300000:1000";
	uint32_t start = 7, count = 7;

	(void)state;
	assert_true(corral_host_subid_in(text, "ada", 1000, &start, &count));
	assert_int_equal(start, 100000);
	assert_int_equal(count, 65536);
	assert_true(corral_host_subid_in(text, "", 1001, &start, &count));
	assert_int_equal(start, 300000);
	assert_false(corral_host_subid_in(text, "bob", 1002, &start, &count));
	assert_false(corral_host_subid_in(NULL, "ada", 1000, &start, &count));
	/* A remedy must not give away what is somebody's. */
	assert_int_equal(corral_host_subid_free(NULL), 100000);
	assert_int_equal(corral_host_subid_free("a:100000:65536\nb:165536:65536\n"), 231072);
	assert_int_equal(corral_host_subid_free("a:1000:10\nrubbish\n"), 100000);
	assert_int_equal(corral_host_subid_free("a:4294900000:65536\n"), 0);
	assert_int_equal(start, 300000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_of_this_host_are_consistent),
		cmocka_unit_test(containers_are_known_by_their_cgroups),
		cmocka_unit_test(mount_over_a_part_of_proc_is_found),
		cmocka_unit_test(mounts_without_a_root_are_a_chroot),
		cmocka_unit_test(initial_ramfs_counts_only_while_nothing_covers_it),
		cmocka_unit_test(broken_mountinfo_gives_no_facts),
		cmocka_unit_test(id_range_is_found_by_name_or_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
