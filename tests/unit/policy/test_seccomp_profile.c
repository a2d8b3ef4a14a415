/* Profiles as people bring them: what is taken, what is refused and with which words. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/capability.h>

#include "tests/unit/policy/seccomp_support.h"

static const char *const moby_path = CORRAL_SOURCE_DIR "/tests/unit/policy/data/moby_style.json";

static void load(const char *json, uint64_t caps, struct corral_seccomp *ret)
{
	struct corral_error err = { 0 };

	if (corral_seccomp_load(json, strlen(json), "t.json", caps, NULL, ret, &err) < 0)
		fail_msg("%s", err.text);
}

/* ---- a realistic profile ---- */

static void moby_style_profile_means_what_docker_means(void **state)
{
	corral_autobuf struct corral_buf text = read_file(moby_path);
	struct corral_seccomp s = { 0 };

	(void)state;
	load(text.data, 0, &s);
	assert_int_equal(ask(&s, "read", 0, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "fchmodat2", 0, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "mseal", 0, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "ptrace", 0, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "vhangup", 0, 0, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "bpf", 0, 0, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "socket", 2, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "socket", 38, 0, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "socket", 39, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "socket", 40, 0, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "socket", 41, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "clone", 17, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "clone", 0x10000011, 0, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "clone3", 0, 0, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(ask(&s, "personality", 0xffffffff, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "personality", 0xffffffffffffffff, 0, 0, 0), ERRNO(EPERM));
	corral_seccomp_done(&s);
}

static void kept_capabilities_open_and_close_entries(void **state)
{
	corral_autobuf struct corral_buf text = read_file(moby_path);
	struct corral_seccomp s = { 0 };

	(void)state;
	load(text.data, 1ull << CAP_SYS_ADMIN, &s);
	assert_int_equal(ask(&s, "mount", 0, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "clone", 0x10000011, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "clone3", 0, 0, 0, 0), ALLOW);
	corral_seccomp_done(&s);
}

static void includes_arches_follow_this_machine(void **state)
{
	static const char *const form = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
	                                "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\","
	                                "\"%s\":{\"arches\":[\"%s\"]}}]}";
	static const struct {
		const char *key, *arch;
		uint32_t decision;
	} rows[] = {
		{ "includes", CORRAL_NATIVE_GO_NAME, ALLOW },
		{ "includes", "mips", ERRNO(EPERM) },
		{ "excludes", CORRAL_NATIVE_GO_NAME, ERRNO(EPERM) },
		{ "excludes", "mips", ALLOW },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_seccomp s = { 0 };
		char json[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(json, sizeof(json), form, rows[i].key, rows[i].arch);
#pragma GCC diagnostic pop
		load(json, 0, &s);
		assert_int_equal(ask(&s, "read", 0, 0, 0, 0), rows[i].decision);
		corral_seccomp_done(&s);
	}
}

/* ---- meaning ---- */

#define PROFILE(defaults, entries) "{\"defaultAction\":" defaults ",\"syscalls\":[" entries "]}"
#define ENTRY(names, rest)         "{\"names\":[" names "]," rest "}"
#define ALLOWED                    "\"action\":\"SCMP_ACT_ALLOW\""
#define REFUSED                    "\"action\":\"SCMP_ACT_ERRNO\""
#define ARG(index, op, value, two)                                            \
	"{\"index\":" #index ",\"op\":\"SCMP_CMP_" #op "\",\"value\":" #value \
	",\"valueTwo\":" #two "}"

static void conditions_decide_before_entries_without_args(void **state)
{
	struct corral_seccomp s = { 0 };

	(void)state;
	load(PROFILE("\"SCMP_ACT_ERRNO\"",
	             ENTRY("\"ioctl\"", ALLOWED) "," ENTRY(
	                     "\"ioctl\"",
	                     REFUSED ",\"args\":[" ARG(1, MASKED_EQ, 4294967295, 21522) "]")),
	     0, &s);
	assert_int_equal(ask(&s, "ioctl", 0, 1, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "ioctl", 0, 21522, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "ioctl", 0, 21522 | 1ull << 40, 0, 0), ERRNO(EPERM));
	corral_seccomp_done(&s);
}

static void the_severest_of_the_matching_conditions_decides(void **state)
{
	struct corral_seccomp s = { 0 };

	(void)state;
	load(PROFILE("\"SCMP_ACT_ERRNO\"",
	             ENTRY("\"prctl\"", ALLOWED ",\"args\":[" ARG(0, GE, 10, 0) "]") "," ENTRY(
	                     "\"prctl\"",
	                     "\"action\":\"SCMP_ACT_KILL_PROCESS\",\"args\":[" ARG(0, EQ, 20,
	                                                                           0) "]")),
	     0, &s);
	assert_int_equal(ask(&s, "prctl", 9, 0, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "prctl", 10, 0, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "prctl", 20, 0, 0, 0), KILL);
	corral_seccomp_done(&s);
}

static void args_of_one_entry_must_all_match(void **state)
{
	struct corral_seccomp s = { 0 };

	(void)state;
	load(PROFILE("\"SCMP_ACT_ERRNO\"",
	             ENTRY("\"socket\"",
	                   ALLOWED ",\"args\":[" ARG(0, EQ, 16, 0) "," ARG(2, EQ, 0, 0) "]")),
	     0, &s);
	assert_int_equal(ask(&s, "socket", 16, 3, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "socket", 16, 3, 6, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "socket", 2, 3, 0, 0), ERRNO(EPERM));
	corral_seccomp_done(&s);
}

static void comparisons_are_of_64_bits(void **state)
{
	static const struct {
		const char *op;
		uint64_t actual[5]; /* against 0x100000005 */
		bool matches[5];
	} rows[] = {
#define AROUND { 5, 0x100000004, 0x100000005, 0x100000006, 0x200000000 }
		{ "NE", AROUND, { true, true, false, true, true } },
		{ "EQ", AROUND, { false, false, true, false, false } },
		{ "LT", AROUND, { true, true, false, false, false } },
		{ "LE", AROUND, { true, true, true, false, false } },
		{ "GE", AROUND, { false, false, true, true, true } },
		{ "GT", AROUND, { false, false, false, true, true } },
#undef AROUND
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		struct corral_seccomp s = { 0 };
		size_t n_tree = 0, n_built = 0;
		char json[300];

		(void)snprintf(json, sizeof(json),
		               "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":["
		               "\"prctl\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
		               "\"value\":4294967301,\"op\":\"SCMP_CMP_%s\"}]}]}",
		               rows[i].op);
		check_both_compilers(json, strlen(json), &n_tree, &n_built);
		load(json, 0, &s);
		for (size_t k = 0; k < 5; k++)
			assert_int_equal(ask(&s, "prctl", rows[i].actual[k], 0, 0, 0),
			                 rows[i].matches[k] ? ALLOW : ERRNO(EPERM));
		corral_seccomp_done(&s);
	}
}

static void unknown_numbers_are_enosys_unless_the_default_lets_through(void **state)
{
	struct seccomp_data data = { .nr = 1000, .arch = CORRAL_NATIVE_ARCH };
	struct corral_seccomp s = { 0 };

	(void)state;
	load(PROFILE("\"SCMP_ACT_KILL\"", ENTRY("\"read\"", ALLOWED)), 0, &s);
	assert_int_equal(corral_bpf_eval(s.insns, s.n_insns, &data), ERRNO(ENOSYS));
	assert_int_equal(ask(&s, "write", 0, 0, 0, 0), SECCOMP_RET_KILL_THREAD);
	corral_seccomp_done(&s);
	load(PROFILE("\"SCMP_ACT_ALLOW\"", ENTRY("\"read\"", REFUSED)), 0, &s);
	assert_int_equal(corral_bpf_eval(s.insns, s.n_insns, &data), ALLOW);
	assert_int_equal(ask(&s, "read", 0, 0, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "write", 0, 0, 0, 0), ALLOW);
	corral_seccomp_done(&s);
}

static void foreign_calls_are_killed_whatever_the_profile_allows(void **state)
{
	static const uint32_t arches[] = { AUDIT_ARCH_I386, AUDIT_ARCH_ARM, 0, 0xffffffff };
	struct seccomp_data data = { .nr = 0 };
	struct corral_seccomp s = { 0 };

	(void)state;
	load("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", 0, &s);
	for (size_t i = 0; i < CORRAL_COUNT(arches); i++) {
		data.arch = arches[i];
		assert_int_equal(corral_bpf_eval(s.insns, s.n_insns, &data), KILL);
	}
#if CORRAL_NATIVE_HAS_X32
	data.arch = CORRAL_NATIVE_ARCH;
	data.nr = 0x40000000;
	assert_int_equal(corral_bpf_eval(s.insns, s.n_insns, &data), KILL);
	data.nr = -1;
	assert_int_equal(corral_bpf_eval(s.insns, s.n_insns, &data), KILL);
#endif
	corral_seccomp_done(&s);
}

static void errno_may_be_named_as_podman_does(void **state)
{
	struct corral_seccomp s = { 0 };

	(void)state;
	load("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"defaultErrno\":"
	     "\"ENOSYS\",\"syscalls\":[{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_ERRNO\","
	     "\"errno\":\"EPERM\"}]}",
	     0, &s);
	assert_int_equal(ask(&s, "bpf", 0, 0, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "read", 0, 0, 0, 0), ERRNO(ENOSYS));
	corral_seccomp_done(&s);
}

static void digest_and_name_are_of_the_text_and_the_file(void **state)
{
	struct corral_seccomp s = { 0 };

	(void)state;
	load("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", 0, &s);
	assert_string_equal(s.name, "t.json");
	assert_string_equal(s.digest,
	                    "1e91071efd3cec07b4e3e6cb9e0405055162ec9674f62869fe7f1564d5dce24f");
	assert_false(s.builtin);
	corral_seccomp_done(&s);
	assert_null(s.insns);
}

/* ---- refusals ---- */

static const struct {
	const char *json, *text;
} malformed[] = {
	{ "", "t.json: line 1, column 0: " },
	{ "[]", "t.json: not a JSON object" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\"", "t.json: line 1, column " },
	{ "{}", "t.json: defaultAction: missing" },
	{ "{\"defaultAction\":1}", "t.json: defaultAction: not text" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALOW\"}",
	  "t.json: defaultAction: unknown action 'SCMP_ACT_ALOW'" },
	{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}",
	  "t.json: defaultAction: 'SCMP_ACT_NOTIFY' needs a listener" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}",
	  "t.json: defaultErrnoRet: action SCMP_ACT_ALLOW has no number" },
	{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4096}",
	  "t.json: defaultErrnoRet: 4096 is out of range" },
	{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":-1}",
	  "t.json: defaultErrnoRet: -1 is out of range" },
	{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"EPREM\"}",
	  "t.json: defaultErrno: no error 'EPREM'" },
	{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"EPERM\",\"defaultErrnoRet\":"
	  "38}",
	  "t.json: defaultErrno: EPERM is 1 and not 38" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultAction\":\"SCMP_ACT_ERRNO\"}",
	  "duplicate" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"sycalls\":[]}",
	  "t.json: unknown key 'sycalls'" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}",
	  "t.json: unknown key 'listenerPath'" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]}",
	  "t.json: flags[0]: 'SECCOMP_FILTER_FLAG_SPEC_ALLOW' is not supported" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_S390X\"]}",
	  "t.json: architectures: this machine's (" CORRAL_NATIVE_SCMP ") is not there" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_Z80\"]}",
	  "t.json: architectures[0]: unknown architecture 'SCMP_ARCH_Z80'" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{\"architecture\":1}]}",
	  "t.json: archMap[0].architecture: not text" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{\"arch\":1}]}",
	  "t.json: archMap[0]: unknown key 'arch'" },
	{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":{}}",
	  "t.json: syscalls: not an array" },
	{ PROFILE("\"SCMP_ACT_ALLOW\"", "7"), "t.json: syscalls[0]: not an object" },
	{ PROFILE("\"SCMP_ACT_ALLOW\"", "{" REFUSED "}"), "t.json: syscalls[0].names: missing" },
	{ PROFILE("\"SCMP_ACT_ALLOW\"", "{\"names\":\"read\"," REFUSED "}"),
	  "t.json: syscalls[0].names: not an array" },
	{ PROFILE("\"SCMP_ACT_ALLOW\"", ENTRY("\"read\",3", REFUSED)),
	  "t.json: syscalls[0].names[1]: not text" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED) "," ENTRY("\"read\",\"opne\"", ALLOWED)),
	  "t.json: syscalls[1].names[1]: no syscall 'opne'" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"opne\"", ALLOWED ",\"includes\":{\"caps\":[\"SYS_ADMIN\"]}")),
	  "t.json: syscalls[0].names[0]: no syscall 'opne'" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"", "{\"names\":[\"read\"]}"),
	  "t.json: syscalls[0].action: missing" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"", ENTRY("\"read\"", ALLOWED ",\"errnoRet\":1")),
	  "t.json: syscalls[0].errnoRet: action SCMP_ACT_ALLOW has no number" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"", ENTRY("\"read\"", ALLOWED ",\"arg\":[]")),
	  "t.json: syscalls[0]: unknown key 'arg'" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"", ENTRY("\"read\"", ALLOWED ",\"args\":{}")),
	  "t.json: syscalls[0].args: not an array" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED ",\"args\":[" ARG(6, EQ, 1, 0) "]")),
	  "t.json: syscalls[0].args[0].index: 6 is out of range (0 to 5)" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED ",\"args\":[" ARG(0, EQ, -1, 0) "]")),
	  "t.json: syscalls[0].args[0].value: -1 is out of range" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED ",\"args\":[" ARG(0, EQ, "1", 0) "]")),
	  "t.json: syscalls[0].args[0].value: not a whole number" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED ",\"args\":[" ARG(0, EQUAL, 1, 0) "]")),
	  "t.json: syscalls[0].args[0].op: unknown comparison 'SCMP_CMP_EQUAL'" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED ",\"args\":[" ARG(0, MASKED_EQ, 1, 2) "]")),
	  "t.json: syscalls[0].args[0].valueTwo: has bits outside of the mask" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED ",\"args\":[" ARG(0, EQ, 1, 2) "]")),
	  "t.json: syscalls[0].args[0].valueTwo: not 0, and SCMP_CMP_EQ has one value" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"",
	                ALLOWED ",\"args\":[" ARG(0, GE, 1, 0) "," ARG(0, LE, 5, 0) "]")),
	  "t.json: syscalls[0].args[1].index: 0 is compared twice" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED ",\"includes\":{\"caps\":[\"CAP_NONE\"]}")),
	  "t.json: syscalls[0].includes.caps[0]: no capability 'CAP_NONE'" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED ",\"excludes\":{\"minKernel\":\"new\"}")),
	  "t.json: syscalls[0].excludes.minKernel: 'new' is not a version" },
	{ PROFILE("\"SCMP_ACT_ERRNO\"",
	          ENTRY("\"read\"", ALLOWED ",\"includes\":{\"minkernel\":\"4.8\"}")),
	  "t.json: syscalls[0].includes: unknown key 'minkernel'" },
};

static void malformed_profiles_are_einval_with_the_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(malformed); i++) {
		struct corral_error err = { 0 };
		struct corral_seccomp s = { 0 };
		int r = corral_seccomp_load(malformed[i].json, strlen(malformed[i].json), "t.json",
		                            0, NULL, &s, &err);

		if (r != -EINVAL || err.code != EINVAL)
			fail_msg("%d for %s", r, malformed[i].json);
		if (!strstr(err.text, malformed[i].text))
			fail_msg("'%s' and not '%s'", err.text, malformed[i].text);
		assert_null(s.insns);
	}
}

static void text_with_a_nul_in_it_is_einval(void **state)
{
	static const char json[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}\0{}";
	struct corral_seccomp s = { 0 };

	(void)state;
	assert_int_equal(corral_seccomp_load(json, sizeof(json) - 1, "t", 0, NULL, &s, NULL),
	                 -EINVAL);
}

/* Many entries of 64-bit comparisons: more instructions than the kernel takes. */
static void a_profile_that_does_not_fit_is_e2big(void **state)
{
	corral_autobuf struct corral_buf json = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };
	struct corral_seccomp s = { 0 };

	(void)state;
	corral_buf_str(&json, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[");
	for (int i = 0; i < 60; i++)
		corral_buf_fmt(
		        &json,
		        "%s{\"names\":[\"read\",\"write\",\"openat\",\"close\",\"mmap\","
		        "\"ioctl\",\"prctl\",\"futex\",\"sendto\",\"recvfrom\",\"clone\","
		        "\"fcntl\",\"dup3\",\"bind\",\"brk\",\"kill\"],\"action\":"
		        "\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":%d,\"value\":%d,\"op\":"
		        "\"SCMP_CMP_GT\"},{\"index\":3,\"value\":%d,\"op\":\"SCMP_CMP_LE\"}]}",
		        i ? "," : "", i % 3, i * 1000, i * 77);
	corral_buf_str(&json, "]}");
	assert_int_equal(corral_seccomp_load(json.data, json.len, "big.json", 0, NULL, &s, &err),
	                 -E2BIG);
	assert_non_null(strstr(err.text, "big.json: more than 4096 instructions"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moby_style_profile_means_what_docker_means),
		cmocka_unit_test(kept_capabilities_open_and_close_entries),
		cmocka_unit_test(includes_arches_follow_this_machine),
		cmocka_unit_test(conditions_decide_before_entries_without_args),
		cmocka_unit_test(the_severest_of_the_matching_conditions_decides),
		cmocka_unit_test(args_of_one_entry_must_all_match),
		cmocka_unit_test(comparisons_are_of_64_bits),
		cmocka_unit_test(unknown_numbers_are_enosys_unless_the_default_lets_through),
		cmocka_unit_test(foreign_calls_are_killed_whatever_the_profile_allows),
		cmocka_unit_test(errno_may_be_named_as_podman_does),
		cmocka_unit_test(digest_and_name_are_of_the_text_and_the_file),
		cmocka_unit_test(malformed_profiles_are_einval_with_the_place),
		cmocka_unit_test(text_with_a_nul_in_it_is_einval),
		cmocka_unit_test(a_profile_that_does_not_fit_is_e2big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
