/* Refused calls in words, as receipts show them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/policy/seccomp_support.h"

static const struct {
	const char *call;
	uint64_t args[4];
	const char *text, *rule;
} rows[] = {
	{ "bpf", { 0 }, "bpf", "kernel-surface" },
	{ "io_uring_setup", { 0 }, "io_uring_setup", "kernel-surface" },
	{ "keyctl", { 0 }, "keyctl", "keyrings" },
	{ "mount", { 0 }, "mount", "mounts" },
	{ "open_by_handle_at", { 0 }, "open_by_handle_at", "file-handles" },
	{ "ptrace", { 0 }, "ptrace", "other-processes" },
	{ "chroot", { 0 }, "chroot", "change-root" },
	{ "reboot", { 0 }, "reboot", "host-control" },
	{ "clone3", { 0 }, "clone3", "pointer-argument" },
	{ "vhangup", { 0 }, "vhangup", "not-listed" },
	{ "clone", { 0x10000011 }, "clone(CLONE_NEWUSER)", "namespaces" },
	{ "clone", { 0x60000091 }, "clone(CLONE_NEWPID|CLONE_NEWNET)", "namespaces" },
	{ "unshare",
	  { 0x10020080 },
	  "unshare(CLONE_NEWTIME|CLONE_NEWNS|CLONE_NEWUSER)",
	  "namespaces" },
	{ "unshare", { 0 }, "unshare", "namespaces" },
	{ "setns", { 3, 0x40000000 }, "setns(CLONE_NEWNET)", "namespaces" },
	{ "socket", { 38, 5 }, "socket(AF_ALG)", "socket-family" },
	{ "socket", { 1ull << 32 | 38, 5 }, "socket(AF_ALG)", "socket-family" },
	{ "socket", { 40, 1 }, "socket(AF_VSOCK)", "socket-family" },
	{ "socket", { 99, 1 }, "socket(0x63)", "socket-family" },
	{ "socket", { 16, 3, 6 }, "socket(AF_NETLINK, NETLINK_XFRM)", "socket-family" },
	{ "socket", { 16, 3, 77 }, "socket(AF_NETLINK)", "socket-family" },
	{ "socketpair", { 38, 5 }, "socketpair(AF_ALG)", "socket-family" },
	{ "ioctl", { 0, 0x5412 }, "ioctl(TIOCSTI)", "terminal" },
	{ "ioctl", { 0, 0xffffffff0000541c }, "ioctl(TIOCLINUX)", "terminal" },
	{ "ioctl", { 0, 0x401c5820 }, "ioctl(FS_IOC_FSSETXATTR)", "disk-quota" },
	{ "ioctl", { 0, 0x1234 }, "ioctl(0x1234)", "not-listed" },
	{ "personality", { 0x40000 }, "personality(0x40000)", "personality" },
	{ "seccomp", { 1, 8 }, "seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER)", "seccomp-listener" },
	{ "prlimit64", { 1, 7, 1 }, "prlimit64", "resource-limits" },
	{ "fchmod", { 3, 04755 }, "fchmod(mode 4755)", "set-id" },
	{ "fchmodat", { 3, 0, 02755 }, "fchmodat(mode 2755)", "set-id" },
	{ "openat", { 3, 0, O_CREAT, 04755 }, "openat(mode 4755)", "set-id" },
};

static void each_refusal_names_its_call_and_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct seccomp_data data = { .nr = corral_syscall_number(rows[i].call),
			                     .arch = CORRAL_NATIVE_ARCH };
		struct corral_denial_text text;

		memcpy(data.args, rows[i].args, sizeof(rows[i].args));
		corral_seccomp_explain(&data, &text);
		assert_string_equal(text.call, rows[i].text);
		assert_string_equal(text.rule, rows[i].rule);
		assert_true(strlen(text.remedy) > 0);
	}
}

static void every_call_the_builtin_refuses_has_a_rule_and_a_remedy(void **state)
{
	struct corral_seccomp s = { 0 };

	(void)state;
	assert_int_equal(corral_seccomp_default(0, NULL, &s, NULL), 0);
	for (uint32_t nr = 0; nr < CORRAL_SYSCALLS_MAX; nr++) {
		struct seccomp_data data = { .nr = (int)nr, .arch = CORRAL_NATIVE_ARCH };
		struct corral_denial_text text = { .call = "" };

		if (corral_bpf_eval(s.insns, s.n_insns, &data) == ALLOW)
			continue;
		corral_seccomp_explain(&data, &text);
		assert_true(text.call[0] != '\0');
		assert_non_null(text.rule);
		assert_non_null(text.remedy);
	}
	corral_seccomp_done(&s);
}

static void unknown_and_foreign_calls_are_told_as_such(void **state)
{
	struct seccomp_data data = { .nr = 900, .arch = CORRAL_NATIVE_ARCH };
	struct corral_denial_text text;

	(void)state;
	corral_seccomp_explain(&data, &text);
	assert_string_equal(text.call, "call 900");
	assert_string_equal(text.rule, "unknown-call");
	data = (struct seccomp_data) { .nr = 5, .arch = AUDIT_ARCH_I386 };
	corral_seccomp_explain(&data, &text);
	assert_string_equal(text.call, "i386 open");
	assert_string_equal(text.rule, "foreign-architecture");
	data = (struct seccomp_data) { .nr = 5, .arch = 0x1234 };
	corral_seccomp_explain(&data, &text);
	assert_string_equal(text.call, "foreign call 5");
#if CORRAL_NATIVE_HAS_X32
	data = (struct seccomp_data) { .nr = 0x40000002, .arch = CORRAL_NATIVE_ARCH };
	corral_seccomp_explain(&data, &text);
	assert_string_equal(text.call, "x32 open");
	assert_string_equal(text.rule, "foreign-architecture");
#endif
}

static void all_flags_at_once_fit(void **state)
{
	struct seccomp_data data = { .nr = corral_syscall_number("unshare"),
		                     .arch = CORRAL_NATIVE_ARCH,
		                     .args = { UINT64_MAX } };
	struct corral_denial_text text;

	(void)state;
	corral_seccomp_explain(&data, &text);
	assert_non_null(memchr(text.call, '\0', sizeof(text.call)));
	assert_int_equal(strncmp(text.call, "unshare(CLONE_NEWTIME|CLONE_NEWNS|", 34), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_refusal_names_its_call_and_rule),
		cmocka_unit_test(every_call_the_builtin_refuses_has_a_rule_and_a_remedy),
		cmocka_unit_test(unknown_and_foreign_calls_are_told_as_such),
		cmocka_unit_test(all_flags_at_once_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
