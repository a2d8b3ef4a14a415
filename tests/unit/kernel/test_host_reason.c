/* Hosts that refuse, as tables of facts, and the causes and remedies that users of them get. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/host_reason.h"

static struct corral_host_facts ordinary(void)
{
	struct corral_host_facts f = {
		.kernel_major = 6,
		.kernel_minor = 8,
		.uid = 1000,
		.user = "ada",
		.exe = "/usr/local/bin/corral",
		.userns_clone = -1,
		.memfd_noexec = -1,
		.built_namespaces = (1u << CORRAL_HOST_NAMESPACES) - 1,
		.has_proc = true,
		.has_newuidmap = true,
		.newuidmap_can = true,
		.subuid_start = 100000,
		.subuid_count = 65536,
		.subid_free = 231072,
		.subgid_start = 100000,
		.subgid_count = 65536,
	};

	for (int i = 0; i < CORRAL_HOST_NAMESPACES; i++)
		f.max_namespaces[i] = 30000;
	return f;
}

static void expect(const struct corral_host_facts *f, const char *what, int code, const char *why,
                   const char *remedy)
{
	char got_why[240], got_remedy[280];

	corral_host_reason(f, what, code, got_why, sizeof(got_why), got_remedy, sizeof(got_remedy));
	if (!strstr(got_why, why) || (!*why && *got_why))
		fail_msg("%s: why is '%s', without '%s'", what, got_why, why);
	if (!strstr(got_remedy, remedy) || (!*remedy && *got_remedy))
		fail_msg("%s: remedy is '%s', without '%s'", what, got_remedy, remedy);
	/* A line that was cut short would do harm when typed. */
	assert_in_range(strlen(got_why), 0, sizeof(got_why) - 2);
	assert_in_range(strlen(got_remedy), 0, sizeof(got_remedy) - 2);
}

static void ubuntu_apparmor_rule_is_named_wherever_it_shows(void **state)
{
	static const char *const whats[] = { "user-namespace", "id-map", "mount",
		                             "network-namespace", "mount-proc" };
	struct corral_host_facts f = ordinary();

	(void)state;
	f.apparmor_limits_userns = true;
	(void)strncpy(f.apparmor_profile, "unconfined", sizeof(f.apparmor_profile) - 1);
	for (size_t i = 0; i < CORRAL_COUNT(whats); i++)
		expect(&f, whats[i], EPERM, "apparmor_restrict_unprivileged_userns=1",
		       "profile corral /usr/local/bin/corral flags=(unconfined)");
	expect(&f, "user-namespace", EACCES, "AppArmor", "apparmor_parser -r");
	(void)strncpy(f.apparmor_profile, "unprivileged_userns", sizeof(f.apparmor_profile) - 1);
	expect(&f, "mount", EACCES, "AppArmor", "userns,");
}

static void apparmor_profile_is_not_offered_for_a_path_it_cannot_name(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	f.apparmor_limits_userns = true;
	(void)strncpy(f.exe, "/home/ada/my tools/corral'", sizeof(f.exe) - 1);
	expect(&f, "user-namespace", EPERM, "AppArmor",
	       "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
	memset(f.exe, 'a', sizeof(f.exe) - 1);
	f.exe[0] = '/';
	expect(&f, "user-namespace", EPERM, "AppArmor",
	       "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
}

static void program_with_a_profile_of_its_own_is_not_told_of_the_rule(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	f.apparmor_limits_userns = true;
	(void)strncpy(f.apparmor_profile, "corral", sizeof(f.apparmor_profile) - 1);
	expect(&f, "user-namespace", EACCES, "profile 'corral'", "aa-complain corral");
}

static void debian_sysctl_is_named(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	f.userns_clone = 0;
	expect(&f, "user-namespace", EPERM, "kernel.unprivileged_userns_clone is 0",
	       "sudo sysctl -w kernel.unprivileged_userns_clone=1");
	f.has_sys_admin = true;
	expect(&f, "user-namespace", EPERM, "", "");
}

static void namespace_limits_are_told_apart(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	f.max_namespaces[0] = 0;
	expect(&f, "user-namespace", ENOSPC, "user.max_user_namespaces is 0",
	       "sudo sysctl -w user.max_user_namespaces=15000");
	f.max_namespaces[0] = 30000;
	f.max_namespaces[6] = 0;
	expect(&f, "user-namespace", ENOSPC, "user.max_net_namespaces is 0",
	       "user.max_net_namespaces=15000");
	f.max_namespaces[6] = 4000;
	expect(&f, "network-namespace", ENOSPC, "user.max_net_namespaces (4000)",
	       "user.max_net_namespaces=8000");
	expect(&f, "user-namespace", EUSERS, "nested as deep", "outer");
}

static void docker_default_filter_is_named_with_its_option(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	f.container = CORRAL_HOST_DOCKER;
	f.seccomp_filtered = true;
	(void)strncpy(f.apparmor_profile, "docker-default", sizeof(f.apparmor_profile) - 1);
	expect(&f, "user-namespace", EPERM, "seccomp filter of the Docker container",
	       "docker run --security-opt seccomp=unconfined");
	expect(&f, "clone3", ENOSYS, "seccomp filter of the Docker container", "--privileged");
	expect(&f, "keyring", EPERM, "seccomp filter", "seccomp=unconfined");
	expect(&f, "mount", EACCES, "AppArmor profile 'docker-default'", "apparmor=unconfined");
}

static void every_place_has_a_remedy_of_its_own(void **state)
{
	static const struct {
		enum corral_host_container container;
		const char *remedy;
	} rows[] = {
		{ CORRAL_HOST_PODMAN, "unmask=ALL" },
		{ CORRAL_HOST_KUBERNETES, "procMount: Unmasked" },
		{ CORRAL_HOST_LXC, "security.nesting=true" },
		{ CORRAL_HOST_NSPAWN, "--system-call-filter" },
		{ CORRAL_HOST_OTHER_CONTAINER, "without a seccomp filter" },
		{ CORRAL_HOST_BARE, "outside of the program that installed the filter" },
	};
	struct corral_host_facts f = ordinary();

	(void)state;
	f.seccomp_filtered = true;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		f.container = rows[i].container;
		expect(&f, "mount", EPERM, "seccomp filter", rows[i].remedy);
	}
	f.in_service = true;
	expect(&f, "openat2", ENOSYS, "seccomp filter around this service", "RestrictSUIDSGID=no");
}

static void absent_call_below_a_filter_is_the_kernels_age_when_that_explains_it(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	f.seccomp_filtered = true;
	f.kernel_major = 5;
	f.kernel_minor = 10;
	expect(&f, "mount-setattr", ENOSYS, "needs Linux 5.12, this is 5.10", "Linux 5.12");
	expect(&f, "openat2", ENOSYS, "seccomp filter", "outside");
}

static void masked_proc_is_named_before_the_filter(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	f.container = CORRAL_HOST_DOCKER;
	f.seccomp_filtered = true;
	(void)strncpy(f.proc_submount, "/proc/kcore", sizeof(f.proc_submount) - 1);
	expect(&f, "mount-proc", EPERM, "masked (/proc/kcore)", "systempaths=unconfined");
	f.container = CORRAL_HOST_BARE;
	expect(&f, "mount-proc", EPERM, "masked", "sudo umount /proc/kcore");
	expect(&f, "mount", EPERM, "seccomp", "outside");
}

static void chroot_is_named(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	f.chrooted = true;
	expect(&f, "user-namespace", EPERM, "chroot", "systemd-nspawn -D");
	expect(&f, "pivot-root", EINVAL, "chroot", "systemd-nspawn -D");
	expect(&f, "mount-namespace", ENOMEM, "", "");
}

static void initial_ramfs_is_named(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	f.root_is_initramfs = true;
	expect(&f, "pivot-root", EINVAL, "initial ramfs", "switch_root");
}

static void each_want_of_newuidmap_is_told_apart(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	expect(&f, "newuidmap", EPERM, "", "");
	f.newuidmap_can = false;
	expect(&f, "newuidmap", EPERM, "neither set-user-ID", "chmod u+s /usr/bin/newuidmap");
	f.no_new_privs = true;
	expect(&f, "newuidmap", EPERM, "no_new_privs", "NoNewPrivileges=no");
	f.subgid_count = 0;
	expect(&f, "newuidmap", ENOENT, "ada has no range of ids in /etc/subgid",
	       "usermod --add-subuids 231072-296607 --add-subgids 231072-296607 ada");
	f.subuid_count = 0;
	expect(&f, "newuidmap", ENOENT, "/etc/subuid", "usermod");
	f.user[0] = '\0';
	expect(&f, "newuidmap", ENOENT, "this user", "echo 1000:231072:65536");
	f.has_newuidmap = false;
	expect(&f, "newuidmap", ENOENT, "not installed", "apt-get install uidmap");
}

static void kernels_without_a_feature_are_named(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	expect(&f, "overlay", ENODEV, "overlay file system", "sudo modprobe overlay");
	expect(&f, "keyring", ENOSYS, "CONFIG_KEYS", "CONFIG_KEYS=y");
	expect(&f, "landlock", EOPNOTSUPP, "not enabled at boot", "lsm=");
	expect(&f, "landlock", ENOSYS, "CONFIG_SECURITY_LANDLOCK", "CONFIG_SECURITY_LANDLOCK=y");
	f.built_namespaces &= ~1u;
	expect(&f, "user-namespace", EINVAL, "CONFIG_USER_NS", "CONFIG_USER_NS=y");
	f.kernel_major = 5;
	f.kernel_minor = 10;
	expect(&f, "overlay", EPERM, "needs Linux 5.11", "Linux 5.11");
}

static void other_causes_are_named(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	expect(&f, "clone-into-cgroup", EACCES, "not delegated", "Delegate=yes");
	expect(&f, "clone-into-cgroup", EBUSY, "cgroups(7)", "Delegate=yes");
	expect(&f, "user-notification", EBUSY, "supervisor", "outside");
	expect(&f, "pivot-root", EPERM, "CAP_SYS_ADMIN", "root");
	f.memfd_noexec = 2;
	expect(&f, "memfd-exec", EACCES, "vm.memfd_noexec is 2",
	       "sudo sysctl -w vm.memfd_noexec=1");
	f.selinux_enforcing = true;
	expect(&f, "user-namespace", EACCES, "SELinux", "audit2allow");
	f.has_proc = false;
	expect(&f, "id-map", ENOENT, "no /proc", "mount -t proc proc /proc");
}

static void tun_that_is_not_there_is_loaded_and_another_users_is_opened(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	expect(&f, "network-tun", ENOENT, "there is no /dev/net/tun", "modprobe tun");
	expect(&f, "network-tun", EACCES, "not this user's to open", "chmod 666 /dev/net/tun");
}

static void unknown_cause_and_unknown_step_give_empty_texts(void **state)
{
	struct corral_host_facts f = ordinary();

	(void)state;
	expect(&f, "overlay", EIO, "", "");
	expect(&f, "a step of tomorrow", EIO, "", "");
}

static void text_never_leaves_its_buffer(void **state)
{
	struct corral_host_facts f = ordinary();
	char why[8] = "xxxxxxx", remedy[8] = "xxxxxxx";

	(void)state;
	f.userns_clone = 0;
	corral_host_reason(&f, "user-namespace", EPERM, why, sizeof(why), remedy, sizeof(remedy));
	assert_string_equal(why, "kernel.");
	assert_string_equal(remedy, "sudo sy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ubuntu_apparmor_rule_is_named_wherever_it_shows),
		cmocka_unit_test(apparmor_profile_is_not_offered_for_a_path_it_cannot_name),
		cmocka_unit_test(program_with_a_profile_of_its_own_is_not_told_of_the_rule),
		cmocka_unit_test(debian_sysctl_is_named),
		cmocka_unit_test(namespace_limits_are_told_apart),
		cmocka_unit_test(docker_default_filter_is_named_with_its_option),
		cmocka_unit_test(every_place_has_a_remedy_of_its_own),
		cmocka_unit_test(
		        absent_call_below_a_filter_is_the_kernels_age_when_that_explains_it),
		cmocka_unit_test(masked_proc_is_named_before_the_filter),
		cmocka_unit_test(chroot_is_named),
		cmocka_unit_test(initial_ramfs_is_named),
		cmocka_unit_test(each_want_of_newuidmap_is_told_apart),
		cmocka_unit_test(kernels_without_a_feature_are_named),
		cmocka_unit_test(other_causes_are_named),
		cmocka_unit_test(tun_that_is_not_there_is_loaded_and_another_users_is_opened),
		cmocka_unit_test(unknown_cause_and_unknown_step_give_empty_texts),
		cmocka_unit_test(text_never_leaves_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
