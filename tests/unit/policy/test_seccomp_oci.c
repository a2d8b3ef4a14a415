/*
 * A profile written for an OCI runtime means there what it means here: it is loaded as runc does,
 * by libseccomp with the entries as they stand, and every decision of that program is held against
 * the profile it came from.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/mman.h>

#include "policy/seccomp_builtin.h"
#include "policy/seccomp_oci.h"
#include "tests/fuzz/seccomp_bytes.h"
#include "tests/unit/policy/seccomp_support.h"

#define CAP(name) (1ull << CAP_##name)

/* Of the built-in profile: each compiles at each exec. */
#define BUILTIN_ENTRIES_MAX 300u

#define BY_CHANCE_MAX (24u << 10)

/* ---- what a runtime does ---- */

/* jansson reads 63 bits, runtimes read 64: longer numbers become texts. */
static json_t *oci_read(const struct corral_buf *oci)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	json_error_t where;
	json_t *root;

	for (size_t at = 0; at < oci->len;) {
		size_t digits = strspn(oci->data + at, "0123456789");

		if (digits >= 19)
			corral_buf_str(&text, "\"");
		corral_buf_add(&text, oci->data + at, digits ? digits : 1);
		if (digits >= 19)
			corral_buf_str(&text, "\"");
		at += digits ? digits : 1;
	}
	root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		fail_msg("%s in %s", where.text, oci->data);
	return root;
}

static uint64_t number_of(const json_t *value)
{
	if (json_is_string(value))
		return strtoull(json_string_value(value), NULL, 10);
	assert_true(json_is_integer(value));
	return (uint64_t)json_integer_value(value);
}

static uint32_t action_of(const json_t *entry, const char *key, const char *number)
{
	static const struct {
		const char *name;
		uint32_t action;
	} rows[] = {
		{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD },
		{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS },
		{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP },
		{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0) },
		{ "SCMP_ACT_TRACE", SCMP_ACT_TRACE(0) },
		{ "SCMP_ACT_LOG", SCMP_ACT_LOG },
		{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW },
	};
	const char *name = json_string_value(json_object_get(entry, key));
	json_t *data = json_object_get(entry, number);

	for (size_t i = 0; i < CORRAL_COUNT(rows); i++)
		if (name && !strcmp(rows[i].name, name))
			return rows[i].action | (data ? (uint32_t)number_of(data) : 0);
	fail_msg("action %s", name ? name : "missing");
	return 0;
}

static unsigned int args_of(const json_t *list, struct scmp_arg_cmp args[6])
{
	unsigned int n = (unsigned int)json_array_size(list), used = 0;

	assert_true(n <= 6);
	for (unsigned int i = 0; i < n; i++) {
		const json_t *arg = json_array_get(list, i);
		const char *op = json_string_value(json_object_get(arg, "op"));

		args[i].arg = (unsigned int)number_of(json_object_get(arg, "index"));
		args[i].datum_a = number_of(json_object_get(arg, "value"));
		args[i].datum_b = number_of(json_object_get(arg, "valueTwo"));
		args[i].op = !strcmp(op, "SCMP_CMP_MASKED_EQ") ? SCMP_CMP_MASKED_EQ
		             : !strcmp(op, "SCMP_CMP_EQ")      ? SCMP_CMP_EQ
		                                               : SCMP_CMP_NE;
		if (args[i].op == SCMP_CMP_NE)
			assert_string_equal(op, "SCMP_CMP_NE");
		if (used & 1u << args[i].arg)
			fail_msg("argument %u is compared twice, which runc takes for OR",
			         args[i].arg);
		/* libseccomp would drop the comparison, and maybe all others of the call. */
		assert_false(args[i].op == SCMP_CMP_MASKED_EQ && !args[i].datum_a);
		used |= 1u << args[i].arg;
	}
	return n;
}

static void rules_add(scmp_filter_ctx ctx, const json_t *entry, uint32_t default_action)
{
	struct scmp_arg_cmp args[6];
	unsigned int n = args_of(json_object_get(entry, "args"), args);
	uint32_t action = action_of(entry, "action", "errnoRet");
	json_t *names = json_object_get(entry, "names"), *name;
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)entry, key,
	                    value) if (!strstr(" names action errnoRet args ", key))
	        fail_msg("key '%s'", key);
	assert_int_not_equal(action, default_action);
	assert_true(json_array_size(names) > 0);
	json_array_foreach(names, i, name)
	{
		int nr = corral_syscall_number(json_string_value(name));
		int r = seccomp_rule_add_array(ctx, action, nr, n, args);

		if (r < 0)
			fail_msg("%s: %s", json_string_value(name), strerrordesc_np(-r));
	}
}

static struct corral_seccomp_program exported(scmp_filter_ctx ctx)
{
	corral_autofd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct corral_buf text = CORRAL_BUF_INIT;
	struct corral_seccomp_program p = { 0 };

	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(corral_buf_read_fd(&text, fd, 1u << 20), 0);
	p.n = text.len / sizeof(*p.insns);
	p.insns = (struct sock_filter *)(void *)corral_buf_take(&text);
	assert_true(p.n <= CORRAL_SECCOMP_INSNS_MAX);
	return p;
}

/* runc asks for a tree over the numbers once there are more entries than 32. */
static struct corral_seccomp_program compile_as_runc(const struct corral_buf *oci, bool tree)
{
	json_t *root = oci_read(oci), *list = json_object_get(root, "syscalls"), *entry;
	uint32_t default_action = action_of(root, "defaultAction", "defaultErrnoRet");
	scmp_filter_ctx ctx = seccomp_init(default_action);
	struct corral_seccomp_program p;
	size_t i;

	assert_non_null(ctx);
	assert_int_equal(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0), 0);
	if (tree)
		assert_int_equal(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2), 0);
	for (i = 0; (entry = json_array_get(list, i)); i++)
		rules_add(ctx, entry, default_action);
	p = exported(ctx);
	seccomp_release(ctx);
	json_decref(root);
	return p;
}

/* ---- the comparison ---- */

static bool is_errno(uint32_t action)
{
	return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;
}

static bool lets_through(uint32_t action)
{
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

/* A runtime's program, with what no profile of OCI can say put aside. */
static uint32_t runtime_answer(const void *context, const struct seccomp_data *data)
{
	const struct corral_seccomp_program *p = context;
	uint32_t action = corral_bpf_eval(p->insns, p->n, data);
	bool x32 = CORRAL_NATIVE_HAS_X32 && (uint32_t)data->nr >= CORRAL_X32_BIT;
	char name[64];

	/* -1 is no x32 call to libseccomp; the kernel has none of that number (ENOSYS). */
	if ((uint32_t)data->nr == UINT32_MAX && data->arch == CORRAL_NATIVE_ARCH)
		return CORRAL_NATIVE_HAS_X32 ? SECCOMP_RET_KILL_PROCESS : ERRNO(ENOSYS);
	/* Foreign calls kill the thread there, and the process here. */
	if (data->arch != CORRAL_NATIVE_ARCH || x32)
		return action == SECCOMP_RET_KILL_THREAD ? SECCOMP_RET_KILL_PROCESS : action;
	/* Unknown numbers: any refusal will do. */
	if (!corral_syscall_name((uint32_t)data->nr, name, sizeof(name)) && !lets_through(action))
		return ERRNO(ENOSYS);
	return action;
}

static bool same_but_errno(uint32_t subject, uint32_t profile)
{
	return subject == profile || (is_errno(subject) && is_errno(profile));
}

static void check_against(const char *json, size_t len, uint64_t caps, const struct corral_buf *oci,
                          bool tree)
{
	const struct corral_seccomp_context context = corral_seccomp_context_here(caps);
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	corral_autoprogram struct corral_seccomp_program program = compile_as_runc(oci, tree);
	const struct corral_seccomp_subject subject = { runtime_answer, same_but_errno, &program };
	struct corral_error err = { 0 };
	int r = corral_seccomp_profile_parse(json, len, &context, &p, &err);

	r = r ? r : corral_seccomp_profile_compare(p, &subject, &err);
	if (r < 0)
		fail_msg("%s\nin %.*s\nas %s", err.text, (int)len, json, oci->data);
}

static struct corral_buf converted(const char *json, size_t len, uint64_t caps)
{
	struct corral_buf oci = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };

	if (corral_seccomp_to_oci(json, len, caps, &oci, &err) < 0)
		fail_msg("%s", err.text);
	return oci;
}

static void check_same(const char *json, size_t len, uint64_t caps)
{
	corral_autobuf struct corral_buf oci = converted(json, len, caps);

	check_against(json, len, caps, &oci, false);
	check_against(json, len, caps, &oci, true);
}

/* ---- profiles ---- */

static void the_builtin_profile_means_the_same_to_an_oci_runtime(void **state)
{
	(void)state;
	check_same(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len, 0);
	check_same(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len,
	           CAP(SYS_PTRACE) | CAP(SYS_CHROOT) | CAP(SYS_NICE));
}

static void an_entry_for_all_of_a_call_makes_libseccomp_drop_its_others(void **state)
{
	corral_autoprogram struct corral_seccomp_program program = { 0 };
	struct seccomp_data tiocsti = { .arch = CORRAL_NATIVE_ARCH, .args = { 0, 0x5412 } };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(1));

	(void)state;
	/* The reason for all this. */
	tiocsti.nr = corral_syscall_number("ioctl");
	assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, tiocsti.nr, 0), 0);
	assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_ERRNO(2), tiocsti.nr, 1,
	                                  SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, 0x5412)),
	                 0);
	program = exported(ctx);
	seccomp_release(ctx);
	assert_int_equal(corral_bpf_eval(program.insns, program.n, &tiocsti), ALLOW);
}

static void a_profile_of_moby_means_the_same(void **state)
{
	corral_autobuf struct corral_buf text =
	        read_file(CORRAL_SOURCE_DIR "/tests/unit/policy/data/moby_style.json");

	(void)state;
	check_same(text.data, text.len, 0);
	check_same(text.data, text.len, CAP(SYS_ADMIN));
}

static void errnos_that_programs_act_upon_stay(void **state)
{
	static const struct {
		const char *call;
		uint64_t args[4];
		uint32_t decision;
	} rows[] = {
		{ "socketpair", { 1 }, ALLOW },
		{ "socketpair", { 2 }, ERRNO(EAFNOSUPPORT) },
		{ "socket", { 38 }, ERRNO(EAFNOSUPPORT) },
		{ "socket", { 38 | 1ull << 40 }, ERRNO(EAFNOSUPPORT) },
		{ "socket", { 1 | 1ull << 40 }, ALLOW },
		{ "socket", { 16, 3, 0 }, ALLOW },
		{ "socket", { 16, 3, 9 }, ERRNO(EAFNOSUPPORT) }, /* audit */
		{ "socket", { 4096 }, ERRNO(EPERM) },            /* not worth an entry */
		{ "clone3", { 0 }, ERRNO(ENOSYS) },
		{ "openat2", { 0 }, ERRNO(ENOSYS) },
		{ "sync", { 0 }, ERRNO(0) },
		{ "setrlimit", { 4 }, ERRNO(0) },
		{ "setrlimit", { 7 }, ALLOW },
		{ "prlimit64", { 0, 4, 0 }, ALLOW },
		{ "prlimit64", { 0, 4, 1ull << 32 }, ERRNO(0) },
		{ "prlimit64", { 1, 4, 0 }, ERRNO(EPERM) },
		{ "prlimit64", { 1, 4, 1 }, ERRNO(0) },
		{ "ioctl", { 0, 0x5412 }, ERRNO(EPERM) },
		{ "ioctl", { 0, 0x5412 | 1ull << 63 }, ERRNO(EPERM) },
		{ "ioctl", { 0, 0x5413 }, ALLOW },
		{ "openat", { 0, 0, 64, 04755 }, ERRNO(EPERM) },
		{ "openat", { 0, 0, 0, 04755 }, ALLOW },
	};
	corral_autobuf struct corral_buf oci =
	        converted(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len, 0);
	corral_autoprogram struct corral_seccomp_program program = compile_as_runc(&oci, true);

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		const struct corral_seccomp s = { .insns = program.insns,
			                          .n_insns = (uint16_t)program.n };
		uint32_t is = ask(&s, rows[i].call, rows[i].args[0], rows[i].args[1],
		                  rows[i].args[2], rows[i].args[3]);

		if (is != rows[i].decision)
			fail_msg("rows[%zu] %s: 0x%08x and not 0x%08x", i, rows[i].call, is,
			         rows[i].decision);
	}
}

static void the_builtin_profile_stays_short(void **state)
{
	corral_autobuf struct corral_buf oci =
	        converted(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len, 0);
	json_t *root = oci_read(&oci);
	size_t n = json_array_size(json_object_get(root, "syscalls"));

	(void)state;
	assert_null(strstr(oci.data, "comment"));
	(void)state;
	if (n < 50 || n > BUILTIN_ENTRIES_MAX)
		fail_msg("%zu entries", n);
	json_decref(root);
}

#define PROFILE(defaults, entries) \
	"{\"defaultAction\":\"SCMP_ACT_" defaults "\",\"syscalls\":[" entries "]}"
#define RULE(name, action, args) \
	"{\"names\":[\"" name "\"],\"action\":\"SCMP_ACT_" action ",\"args\":[" args "]}"
#define ARG(index, op, value, two)                                            \
	"{\"index\":" #index ",\"op\":\"SCMP_CMP_" #op "\",\"value\":" #value \
	",\"valueTwo\":" #two "}"

static const char *const odd[] = {
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
	"{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[]}",
	/* everything allowed but */
	PROFILE("ALLOW", RULE("ioctl", "KILL_PROCESS\"", ARG(1, MASKED_EQ, 4294967295, 21522))),
	PROFILE("ALLOW",
	        RULE("ioctl", "ERRNO\",\"errnoRet\":5",
	             "") "," RULE("ioctl", "ALLOW\"", ARG(1, EQ, 5, 0)) "," RULE("ioctl", "LOG\"",
	                                                                         ARG(2, NE, 7, 0))),
	/* a refusal that is not the default's kind stays what it is, near and far */
	PROFILE("ERRNO", RULE("socket", "KILL_PROCESS\"",
	                      "") "," RULE("socket", "ALLOW\"", ARG(0, MASKED_EQ, 4294967295, 1))),
	PROFILE("KILL", RULE("socket", "ERRNO\",\"errnoRet\":97",
	                     "") "," RULE("socket", "ALLOW\"", ARG(0, MASKED_EQ, 4294967295, 1))),
	/* comparisons of 64 bits */
	PROFILE("ERRNO", RULE("prctl", "ALLOW\"",
	                      ARG(0, LT, 4294967301, 0)) "," RULE("prctl", "TRAP\"",
	                                                          ARG(0, GE, 4294967295, 0))),
	PROFILE("ERRNO", RULE("prctl", "ALLOW\"", ARG(0, LE, 9223372036854775807, 0)) "," RULE(
	                         "prctl", "KILL\"", ARG(0, GT, 255, 0) "," ARG(1, NE, 3, 0))),
	PROFILE("ERRNO", RULE("prctl", "ALLOW\"", ARG(0, LT, 0, 0)) "," RULE("prctl", "LOG\"",
	                                                                     ARG(1, GE, 0, 0))),
	PROFILE("ERRNO", RULE("prctl", "ALLOW\"", ARG(0, NE, 1, 0)) "," RULE("prctl", "TRAP\"",
	                                                                     ARG(0, NE, 2, 0))),
	/* no bits: always */
	PROFILE("ERRNO",
	        RULE("prctl", "ALLOW\"",
	             ARG(0, MASKED_EQ, 0, 0)) "," RULE("prctl", "KILL\"", ARG(1, MASKED_EQ, 3, 1))),
	/* three that overlap, of three actions, over three arguments */
	PROFILE("ERRNO",
	        RULE("openat", "ALLOW\"",
	             "") "," RULE("openat", "TRAP\"",
	                          ARG(2, MASKED_EQ, 64,
	                              64)) "," RULE("openat", "KILL\"",
	                                            ARG(3, MASKED_EQ, 2048,
	                                                2048)) "," RULE("openat",
	                                                                "TRACE\",\"errnoRet\":9",
	                                                                ARG(0, EQ, 7, 0))),
	/* six arguments */
	PROFILE("ERRNO",
	        RULE("mmap", "ALLOW\"",
	             "") "," RULE("mmap", "KILL\"",
	                          ARG(0, MASKED_EQ, 1, 1) "," ARG(1, EQ, 2, 0) "," ARG(
	                                  2, MASKED_EQ, 8,
	                                  8) "," ARG(3, MASKED_EQ, 4,
	                                             0) "," ARG(4, EQ, 5, 0) "," ARG(5, NE, 6, 0))),
	/* the same name twice; a call of another architecture; nothing but what is the default */
	PROFILE("ERRNO",
	        "{\"names\":[\"ioctl\",\"ioctl\",\"fcntl64\"],\"action\":\"SCMP_ACT_ALLOW\","
	        "\"args\":[" ARG(1, EQ, 5, 0) "]}"),
	PROFILE("ERRNO", RULE("ioctl", "ERRNO\"", ARG(1, EQ, 5, 0))),
};

static void odd_profiles_mean_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(odd); i++)
		check_same(odd[i], strlen(odd[i]), 0);
}

/* The same bytes each time. */
static void bytes_next(uint32_t *seed, uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*seed = *seed * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(*seed >> 24);
	}
}

/* Some arguments of each call, out of the values that the profiles are made of. */
static void check_by_chance(const struct corral_buf *json, const struct corral_buf *oci,
                            uint32_t *seed)
{
	static const char *const calls[] = { "ioctl", "socket", "prctl", "openat" };
	const struct corral_seccomp_context context = corral_seccomp_context_here(0);
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	corral_autoprogram struct corral_seccomp_program program = compile_as_runc(oci, *seed & 1);

	assert_int_equal(corral_seccomp_profile_parse(json->data, json->len, &context, &p, NULL),
	                 0);
	for (size_t n = 0; n < 400; n++) {
		struct seccomp_data data = { .arch = CORRAL_NATIVE_ARCH };
		uint8_t bytes[24];
		struct seccomp_bytes b = { bytes, sizeof(bytes) };
		uint32_t is, should;

		bytes_next(seed, bytes, sizeof(bytes));
		data.nr = corral_syscall_number(calls[n % CORRAL_COUNT(calls)]);
		for (size_t i = 0; i < CORRAL_SECCOMP_ARGS; i++)
			data.args[i] = seccomp_bytes_value(&b) + seccomp_byte(&b) % 3 - 1;
		is = corral_bpf_eval(program.insns, program.n, &data);
		should = corral_seccomp_profile_decide(p, &data);
		if (!same_but_errno(is, should))
			fail_msg("%s: 0x%08x and not 0x%08x\nin %s\nas %s",
			         calls[n % CORRAL_COUNT(calls)], is, should, json->data, oci->data);
	}
}

/* Profiles whose entries overlap in ways that nobody would write. */
static void profiles_by_chance_mean_the_same_where_they_can_be_told(void **state)
{
	int told = 0, times = corral_test_times(40);
	uint32_t seed = 20260101;

	(void)state;
	for (int n = 0; n < times; n++) {
		corral_autobuf struct corral_buf json = CORRAL_BUF_INIT, oci = CORRAL_BUF_INIT;
		uint8_t bytes[36];

		bytes_next(&seed, bytes, sizeof(bytes));
		seccomp_bytes_profile(bytes, sizeof(bytes), &json);
		/* libseccomp's time grows with the square of a program. */
		if (corral_seccomp_to_oci(json.data, json.len, 0, &oci, NULL) < 0 ||
		    oci.len > BY_CHANCE_MAX)
			continue;
		told++;
		check_by_chance(&json, &oci, &seed);
	}
	assert_true(told > times / 4);
}

/* ---- refusals ---- */

static void what_would_need_too_many_entries_is_refused_by_name(void **state)
{
	corral_autobuf struct corral_buf json = CORRAL_BUF_INIT, oci = CORRAL_BUF_INIT;
	struct corral_error err = { 0 };

	(void)state;
	/* Twenty values of 63 bits, and anything else is refused with a signal. */
	corral_buf_str(&json, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":["
	                      "\"ioctl\"],\"action\":\"SCMP_ACT_TRAP\"}");
	for (uint64_t i = 1; i <= 20; i++)
		corral_buf_fmt(&json,
		               ",{\"names\":[\"ioctl\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{"
		               "\"index\":1,\"value\":%llu,\"op\":\"SCMP_CMP_EQ\"}]}",
		               (unsigned long long)(i * 0x9e3779b97f4a7c15u >> 1));
	corral_buf_str(&json, "]}");
	assert_int_equal(corral_seccomp_to_oci(json.data, json.len, 0, &oci, &err), -EOPNOTSUPP);
	assert_string_equal(err.text, "ioctl: its conditions need more than 512 entries for an OCI "
	                              "runtime");
	assert_int_equal(oci.len, 0);
}

static void a_profile_that_is_none_is_refused_with_the_place(void **state)
{
	corral_autobuf struct corral_buf oci = CORRAL_BUF_INIT;
	const char *json = PROFILE("ERRNO", RULE("opne", "ALLOW\"", ""));
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(corral_seccomp_to_oci(json, strlen(json), 0, &oci, &err), -EINVAL);
	assert_string_equal(err.text, "syscalls[0].names[0]: no syscall 'opne'");
	assert_int_equal(oci.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_builtin_profile_means_the_same_to_an_oci_runtime),
		cmocka_unit_test(an_entry_for_all_of_a_call_makes_libseccomp_drop_its_others),
		cmocka_unit_test(a_profile_of_moby_means_the_same),
		cmocka_unit_test(errnos_that_programs_act_upon_stay),
		cmocka_unit_test(the_builtin_profile_stays_short),
		cmocka_unit_test(odd_profiles_mean_the_same),
		cmocka_unit_test(profiles_by_chance_mean_the_same_where_they_can_be_told),
		cmocka_unit_test(what_would_need_too_many_entries_is_refused_by_name),
		cmocka_unit_test(a_profile_that_is_none_is_refused_with_the_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
