/* The built-in profile's decisions, the evaluator that guards them, and the cache. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/capability.h>
#include <sys/stat.h>
#include <dirent.h>
#include <unistd.h>

#include "policy/seccomp_builtin.h"
#include "tests/unit/policy/seccomp_support.h"

#define HIGH (1ull << 32) /* a bit that the kernel does not look at in an int */

static int open_default(void **state)
{
	struct corral_seccomp *s = calloc(1, sizeof(*s));

	*state = s;
	return s ? corral_seccomp_default(0, NULL, s, NULL) : -1;
}

static int close_default(void **state)
{
	corral_seccomp_done(*state);
	free(*state);
	return 0;
}

/* ---- decisions ---- */

static const struct row {
	const char *call;
	uint64_t args[4];
	uint32_t decision;
} rows[] = {
	{ "read", { 0 }, ALLOW },
	{ "openat", { 0 }, ALLOW },
	{ "execveat", { 0 }, ALLOW },
	{ "statx", { 0 }, ALLOW },
	{ "rseq", { 0 }, ALLOW },
	{ "close_range", { 0 }, ALLOW },
	{ "landlock_restrict_self", { 0 }, ALLOW },
	{ "futex_waitv", { 0 }, ALLOW },
	{ "memfd_secret", { 0 }, ALLOW },
	{ "pidfd_open", { 0 }, ALLOW },
	{ "setgroups", { 0 }, ALLOW },
	{ "mseal", { 0 }, ALLOW },
	{ "fsync", { 0 }, ALLOW },
	/* the kernel's surface */
	{ "bpf", { 0 }, ERRNO(EPERM) },
	{ "perf_event_open", { 0 }, ERRNO(EPERM) },
	{ "io_uring_setup", { 0 }, ERRNO(EPERM) },
	{ "io_uring_enter", { 0 }, ERRNO(EPERM) },
	{ "io_uring_register", { 0 }, ERRNO(EPERM) },
	{ "userfaultfd", { 0 }, ERRNO(EPERM) },
	{ "add_key", { 0 }, ERRNO(EPERM) },
	{ "request_key", { 0 }, ERRNO(EPERM) },
	{ "keyctl", { 0 }, ERRNO(EPERM) },
	{ "fanotify_init", { 0 }, ERRNO(EPERM) },
	{ "lookup_dcookie", { 0 }, ERRNO(EPERM) },
	/* mounts, old and new */
	{ "mount", { 0 }, ERRNO(EPERM) },
	{ "umount2", { 0 }, ERRNO(EPERM) },
	{ "pivot_root", { 0 }, ERRNO(EPERM) },
	{ "fsopen", { 0 }, ERRNO(EPERM) },
	{ "fsconfig", { 0 }, ERRNO(EPERM) },
	{ "fsmount", { 0 }, ERRNO(EPERM) },
	{ "fspick", { 0 }, ERRNO(EPERM) },
	{ "move_mount", { 0 }, ERRNO(EPERM) },
	{ "open_tree", { 0 }, ERRNO(EPERM) },
	{ "open_tree_attr", { 0 }, ERRNO(EPERM) },
	{ "mount_setattr", { 0 }, ERRNO(EPERM) },
	{ "open_by_handle_at", { 0 }, ERRNO(EPERM) },
	{ "name_to_handle_at", { 0 }, ERRNO(EPERM) },
	/* other processes, the host */
	{ "ptrace", { 0 }, ERRNO(EPERM) },
	{ "process_vm_readv", { 0 }, ERRNO(EPERM) },
	{ "process_vm_writev", { 0 }, ERRNO(EPERM) },
	{ "process_madvise", { 0 }, ERRNO(EPERM) },
	{ "kcmp", { 0 }, ERRNO(EPERM) },
	{ "pidfd_getfd", { 0 }, ERRNO(EPERM) },
	{ "move_pages", { 0 }, ERRNO(EPERM) },
	{ "migrate_pages", { 0 }, ERRNO(EPERM) },
	{ "kexec_load", { 0 }, ERRNO(EPERM) },
	{ "finit_module", { 0 }, ERRNO(EPERM) },
	{ "reboot", { 0 }, ERRNO(EPERM) },
	{ "swapon", { 0 }, ERRNO(EPERM) },
	{ "acct", { 0 }, ERRNO(EPERM) },
	{ "quotactl", { 0 }, ERRNO(EPERM) },
	{ "quotactl_fd", { 0 }, ERRNO(EPERM) },
	{ "file_setattr", { 0 }, ERRNO(EPERM) },
	{ "settimeofday", { 0 }, ERRNO(EPERM) },
	{ "clock_settime", { 0 }, ERRNO(EPERM) },
	{ "syslog", { 0 }, ERRNO(EPERM) },
	{ "chroot", { 0 }, ERRNO(EPERM) },
	{ "sync", { 0 }, ERRNO(0) },
	{ "syncfs", { 3 }, ERRNO(0) },
	/* namespaces */
	{ "unshare", { 0 }, ERRNO(EPERM) },
	{ "setns", { 0 }, ERRNO(EPERM) },
	{ "clone3", { 0 }, ERRNO(ENOSYS) },
	{ "openat2", { 0 }, ERRNO(ENOSYS) },
	{ "clone", { 17 }, ALLOW },
	{ "clone", { 0x3d0f00 }, ALLOW },          /* what pthread_create() gives */
	{ "clone", { 0x80 | 0x40 }, ALLOW },       /* an exit signal */
	{ "clone", { 0x00020011 }, ERRNO(EPERM) }, /* NEWNS */
	{ "clone", { 0x02000011 }, ERRNO(EPERM) }, /* NEWCGROUP */
	{ "clone", { 0x04000011 }, ERRNO(EPERM) }, /* NEWUTS */
	{ "clone", { 0x08000011 }, ERRNO(EPERM) }, /* NEWIPC */
	{ "clone", { 0x10000011 }, ERRNO(EPERM) }, /* NEWUSER */
	{ "clone", { 0x20000011 }, ERRNO(EPERM) }, /* NEWPID */
	{ "clone", { 0x40000011 }, ERRNO(EPERM) }, /* NEWNET */
	{ "clone", { HIGH | 0x10000011 }, ERRNO(EPERM) },
	/* socket families */
	{ "socket", { 1, 1 }, ALLOW },
	{ "socket", { 2, 1 }, ALLOW },
	{ "socket", { 10, 2 }, ALLOW },
	{ "socket", { HIGH | 2, 1 }, ALLOW },
	{ "socket", { 16, 3, 0 }, ALLOW },
	{ "socket", { 16, 3, 4 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 16, 3, 6 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 16, 3, 12 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { HIGH | 16, 3, HIGH | 6 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 0 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 15, 3, 2 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 17, 3 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 29, 3 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 30, 3 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 33, 3 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 38, 5 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { HIGH | 38, 5 }, ERRNO(EAFNOSUPPORT) },
	{ "socket", { 40, 1 }, ERRNO(EAFNOSUPPORT) },
	{ "socketpair", { 1, 1 }, ALLOW },
	{ "socketpair", { 38, 5 }, ERRNO(EAFNOSUPPORT) },
	/* terminals: CVE-2019-10063 was a comparison of 64 bits where the kernel has 32 */
	{ "ioctl", { 0, 0x5401 }, ALLOW },
	{ "ioctl", { 0, 0x5412 }, ERRNO(EPERM) },
	{ "ioctl", { 0, HIGH | 0x5412 }, ERRNO(EPERM) },
	{ "ioctl", { 0, 0xffffffff00005412 }, ERRNO(EPERM) },
	{ "ioctl", { 0, 0x541c }, ERRNO(EPERM) },
	{ "ioctl", { 0, HIGH | 0x541c }, ERRNO(EPERM) },
	{ "ioctl", { 0, 0x541d }, ERRNO(EPERM) },
	{ "ioctl", { 0, 0x401c5820 }, ERRNO(EPERM) },
	{ "ioctl", { 0, HIGH | 0x401c5820 }, ERRNO(EPERM) },
	/* set-id files */
	{ "fchmod", { 3, 0755 }, ALLOW },
	{ "fchmod", { 3, 01777 }, ALLOW },
	{ "fchmod", { 3, 02600 }, ERRNO(EPERM) }, /* an ACL could add the group execution later */
	{ "fchmod", { 3, 02755 }, ERRNO(EPERM) },
	{ "fchmod", { 3, 04600 }, ERRNO(EPERM) },
	{ "fchmod", { 3, HIGH | 06777 }, ERRNO(EPERM) },
	{ "fchmodat", { 3, 0, 0644 }, ALLOW },
	{ "fchmodat", { 3, 0, 04755 }, ERRNO(EPERM) },
	{ "fchmodat2", { 3, 0, 04755 }, ERRNO(EPERM) },
	{ "fchmodat2", { 3, 0, 02010 }, ERRNO(EPERM) },
	{ "fcntl", { 3, 1024, 1 }, ERRNO(EPERM) },
	{ "fcntl", { 3, 1040, 1 }, ERRNO(EPERM) },
	{ "fcntl", { 3, 1026 }, ALLOW },
	{ "ioctl", { 1, 0x540A }, ERRNO(EPERM) },
	{ "ioctl", { 1, 0x540C }, ERRNO(EPERM) },
	{ "ioctl", { 1, 0x5423 }, ERRNO(EPERM) },
	{ "ioctl", { 1, 0x5413 }, ALLOW },
	{ "setsockopt", { 3, 1, 26 }, ERRNO(EPERM) },
	{ "setsockopt", { 3, 1, 50 }, ERRNO(EPERM) },
	{ "setsockopt", { 3, 6, 26 }, ALLOW },
	{ "setsockopt", { 3, 1, 2 }, ALLOW },
	{ "prctl", { 62, 1 }, ERRNO(EPERM) },
	{ "prctl", { 38, 1 }, ALLOW },
	{ "io_setup", { 1000 }, ERRNO(ENOSYS) },
	{ "mknodat", { 3, 0, 0100644 }, ALLOW },
	{ "mknodat", { 3, 0, 0104755 }, ERRNO(EPERM) },
	{ "openat", { 3, 0, O_RDONLY, 07777 }, ALLOW },
	{ "openat", { 3, 0, O_WRONLY | O_CREAT, 0644 }, ALLOW },
	{ "openat", { 3, 0, O_WRONLY | O_CREAT, 04755 }, ERRNO(EPERM) },
	{ "openat", { 3, 0, O_WRONLY | O_CREAT, 02755 }, ERRNO(EPERM) },
	{ "openat", { 3, 0, O_WRONLY | O_TMPFILE, 04755 }, ERRNO(EPERM) },
	{ "openat", { 3, 0, HIGH | O_WRONLY | O_TMPFILE, 02755 }, ERRNO(EPERM) },
#if defined(__x86_64__)
	{ "open", { 0, O_RDONLY, 07777 }, ALLOW },
	{ "open", { 0, O_CREAT, 0644 }, ALLOW },
	{ "open", { 0, O_CREAT, 04755 }, ERRNO(EPERM) },
	{ "open", { 0, O_TMPFILE | O_RDWR, 02755 }, ERRNO(EPERM) },
	{ "creat", { 0, 0644 }, ALLOW },
	{ "creat", { 0, 04755 }, ERRNO(EPERM) },
	{ "chmod", { 0, 0755 }, ALLOW },
	{ "chmod", { 0, 04755 }, ERRNO(EPERM) },
	{ "mknod", { 0, 0104755 }, ERRNO(EPERM) },
	{ "iopl", { 3 }, ERRNO(EPERM) },
	{ "ioperm", { 0 }, ERRNO(EPERM) },
	{ "modify_ldt", { 0 }, ERRNO(EPERM) },
	{ "arch_prctl", { 0x1002 }, ALLOW },
	{ "ustat", { 0 }, ERRNO(EPERM) },
	{ "sysfs", { 0 }, ERRNO(EPERM) },
	{ "uselib", { 0 }, ERRNO(ENOSYS) },
	{ "_sysctl", { 0 }, ERRNO(ENOSYS) },
#endif
	/* the rest */
	{ "personality", { 0 }, ALLOW },
	{ "personality", { 8 }, ALLOW },
	{ "personality", { 0x20000 }, ALLOW },
	{ "personality", { 0x20008 }, ALLOW },
	{ "personality", { 0xffffffff }, ALLOW },
	{ "personality", { 0x40000 }, ERRNO(EPERM) },  /* ADDR_NO_RANDOMIZE */
	{ "personality", { 0x400000 }, ERRNO(EPERM) }, /* READ_IMPLIES_EXEC */
	{ "setrlimit", { 7, 1 }, ALLOW },
	{ "setrlimit", { 4, 1 }, ERRNO(0) }, /* RLIMIT_CORE */
	{ "setrlimit", { HIGH | 4, 1 }, ERRNO(0) },
	{ "prlimit64", { 0, 7, 1 }, ALLOW },
	{ "prlimit64", { 1, 7, 1 }, ERRNO(EPERM) },
	{ "prlimit64", { 0, 4, 0, 1 }, ALLOW },
	{ "prlimit64", { 0, 4, 1 }, ERRNO(0) },
	{ "seccomp", { 1, 0 }, ALLOW },
	{ "seccomp", { 1, 1 }, ALLOW },
	{ "seccomp", { 1, 8 }, ERRNO(EPERM) },
	{ "seccomp", { 1, 9 }, ERRNO(EPERM) },
};

static void builtin_profile_decides_as_the_table_says(void **state)
{
	for (size_t i = 0; i < CORRAL_COUNT(rows); i++) {
		const struct row *row = &rows[i];
		uint32_t decision = ask(*state, row->call, row->args[0], row->args[1], row->args[2],
		                        row->args[3]);

		if (decision != row->decision)
			fail_msg("%s(%#llx, %#llx, %#llx, %#llx): %#x and not %#x", row->call,
			         (unsigned long long)row->args[0], (unsigned long long)row->args[1],
			         (unsigned long long)row->args[2], (unsigned long long)row->args[3],
			         decision, row->decision);
	}
}

static void builtin_costs_no_memory_and_has_its_digest(void **state)
{
	struct corral_seccomp *s = *state;
	uint8_t digest[32];
	char hex[65];

	corral_seccomp_sha256(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len, digest);
	corral_seccomp_hex(digest, hex);
	assert_true(s->builtin);
	assert_ptr_equal(s->insns, corral_seccomp_builtin);
	assert_string_equal(s->digest, hex);
	assert_string_equal(s->name, "default");
}

static void builtin_program_is_true_to_its_profile(void **state)
{
	struct corral_seccomp *s = *state;
	struct corral_error err = { 0 };

	if (corral_seccomp_verify(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len, 0,
	                          s->insns, s->n_insns, &err) < 0)
		fail_msg("%s", err.text);
}

static void capabilities_open_the_calls_that_need_them(void **state)
{
	static const struct {
		unsigned int cap;
		const char *call;
	} given[] = {
		{ CAP_SYS_CHROOT, "chroot" },           { CAP_SYS_PTRACE, "ptrace" },
		{ CAP_SYS_PTRACE, "process_vm_readv" }, { CAP_SYS_PTRACE, "kcmp" },
		{ CAP_SYS_NICE, "move_pages" },
	};

	(void)state;
	for (size_t i = 0; i < CORRAL_COUNT(given); i++) {
		struct corral_seccomp s = { 0 };

		assert_int_equal(corral_seccomp_default(1ull << given[i].cap, NULL, &s, NULL), 0);
		assert_false(s.builtin);
		assert_int_equal(ask(&s, given[i].call, 0, 0, 0, 0), ALLOW);
		assert_int_equal(ask(&s, "mount", 0, 0, 0, 0), ERRNO(EPERM));
		assert_int_equal(ask(&s, "socket", 17, 3, 0, 0), ERRNO(EAFNOSUPPORT));
		corral_seccomp_done(&s);
	}
}

static void capabilities_no_entry_asks_for_keep_the_builtin(void **state)
{
	struct corral_seccomp s = { 0 };

	(void)state;
	assert_int_equal(corral_seccomp_default(1ull << CAP_NET_RAW | 1ull << CAP_SYS_ADMIN, NULL,
	                                        &s, NULL),
	                 0);
	assert_true(s.builtin);
	corral_seccomp_done(&s);
}

static void what_unpacks_images_has_a_profile_of_its_own(void **state)
{
	struct corral_seccomp s = { 0 };
	struct corral_error err = { 0 };

	(void)state;
	corral_seccomp_unpacking(&s);
	if (corral_seccomp_check_needs(&s, &err) < 0 ||
	    corral_seccomp_verify(corral_seccomp_unpack_json, corral_seccomp_unpack_json_len, 0,
	                          s.insns, s.n_insns, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(ask(&s, "fchmod", 3, 04755, 0, 0), ALLOW);
	assert_int_equal(ask(&s, "mknodat", 3, 0, S_IFIFO | 0644, 0), ALLOW);
	assert_int_equal(ask(&s, "mknodat", 3, 0, S_IFCHR | 0644, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "mknodat", 3, 0, S_IFBLK | 0644, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "socket", 1, 1, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "clone", 0x10000000, 0, 0, 0), ERRNO(EPERM));
	assert_int_equal(ask(&s, "ioctl", 0, 0x5412, 0, 0), ERRNO(EPERM));
	corral_seccomp_done(&s);
}

/* ---- the golden table ---- */

static void decision_text(uint32_t decision, char *text, size_t size)
{
	if (decision == ALLOW)
		(void)snprintf(text, size, "allow");
	else if (decision == KILL)
		(void)snprintf(text, size, "kill");
	else
		(void)snprintf(text, size, "errno %u", decision & SECCOMP_RET_DATA);
}

/* With CORRAL_GOLDEN_WRITE=1 the table is written instead, for a person to read the difference. */
static void every_number_decides_as_in_the_golden_table(void **state)
{
	static const char *const path = CORRAL_SOURCE_DIR "/tests/golden/seccomp-default.txt";
	corral_autobuf struct corral_buf now = CORRAL_BUF_INIT, golden = CORRAL_BUF_INIT;
	const struct corral_seccomp *s = *state;

	if (strcmp(CORRAL_NATIVE_NAME, "x86_64") != 0)
		skip();
	for (uint32_t nr = 0; nr < CORRAL_SYSCALLS_MAX; nr++) {
		struct seccomp_data data = { .nr = (int)nr, .arch = CORRAL_NATIVE_ARCH };
		char name[64], text[32];

		if (!corral_syscall_name(nr, name, sizeof(name)))
			(void)snprintf(name, sizeof(name), "-");
		decision_text(corral_bpf_eval(s->insns, s->n_insns, &data), text, sizeof(text));
		corral_buf_fmt(&now, "%u %s %s\n", nr, name, text);
	}
	if (getenv("CORRAL_GOLDEN_WRITE")) {
		corral_autofd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		assert_int_equal(write(fd, now.data, now.len), (ssize_t)now.len);
		return;
	}
	golden = read_file(path);
	assert_string_equal(now.data, golden.data);
}

/* ---- the evaluator ---- */

static int verify_default(const struct sock_filter *insns, size_t n, struct corral_error *err)
{
	return corral_seccomp_verify(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len,
	                             0, insns, n, err);
}

/* Each constant and each jump of the program, wrong by one bit or one step. */
static void a_corrupted_program_is_noticed(void **state)
{
	const struct corral_seccomp *s = *state;
	size_t n = s->n_insns, tried = 0, missed = 0;
	corral_autofree struct sock_filter *copy = calloc(n, sizeof(*copy));
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	const struct corral_seccomp_context context = { 0 };

	assert_non_null(copy);
	assert_int_equal(corral_seccomp_profile_parse(corral_seccomp_builtin_json,
	                                              corral_seccomp_builtin_json_len, &context, &p,
	                                              NULL),
	                 0);
	for (size_t i = 0; i < n; i++) {
		for (int what = 0; what < 5; what++) {
			struct corral_error err = { 0 };

			memcpy(copy, s->insns, n * sizeof(*copy));
			if (what < 3 && BPF_CLASS(copy[i].code) == BPF_LD)
				copy[i].k ^= 4u; /* the other word */
			else if (what == 0)
				copy[i].k ^= 1u;
			else if (what == 1)
				copy[i].k ^= 0x10000u;
			else if (what == 2)
				copy[i].k ^= 0x80000000u;
			else if (BPF_CLASS(copy[i].code) != BPF_JMP)
				continue;
			else if (what == 3)
				copy[i].jt++;
			else
				copy[i].jf++;
			tried++;
			if (corral_seccomp_profile_verify(p, copy, n, &err) == 0)
				missed++;
			else
				assert_int_equal(err.code, EBADMSG);
		}
	}
	print_message("%zu of %zu changes made no difference\n", missed, tried);
	assert_true(tried > 500);
	assert_true(missed * 50 < tried);
}

static void a_difference_is_told_with_the_call_and_both_answers(void **state)
{
	const struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(verify_default(all, 1, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "arch 0x"));
	assert_non_null(strstr(err.text, "the program says allow, the profile kill process"));
}

static void a_program_that_jumps_out_or_has_no_end_is_refused(void **state)
{
	const struct sock_filter out[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 9, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_filter endless[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0) };
	struct corral_error err = { 0 };

	(void)state;
	assert_int_equal(verify_default(out, 2, &err), -EBADMSG);
	assert_string_equal(err.text, "instruction 0 jumps out of the program");
	assert_int_equal(verify_default(endless, 1, &err), -EBADMSG);
	assert_string_equal(err.text, "the last instruction is no return");
	assert_int_equal(verify_default(endless, 0, &err), -EBADMSG);
}

/* A comparison merged wrongly: only the low word of "greater than" looked at. */
static void a_64_bit_comparison_cut_to_its_low_word_is_noticed(void **state)
{
	static const char json[] =
	        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"prctl\"],"
	        "\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":1,\"value\":4294967299,"
	        "\"op\":\"SCMP_CMP_GT\"}]}]}";
	const uint32_t hi = offsetof(struct seccomp_data, args) + 12;
	struct corral_error err = { 0 };
	struct corral_seccomp s = { 0 };
	size_t changed = 0;

	(void)state;
	assert_int_equal(corral_seccomp_load(json, sizeof(json) - 1, "t", 0, NULL, &s, NULL), 0);
	for (size_t i = 0; i + 1 < s.n_insns; i++) {
		if (s.insns[i].code == (BPF_LD | BPF_W | BPF_ABS) && s.insns[i].k == hi) {
			/* As if the high words were always equal. */
			s.insns[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 1);
			changed++;
		}
	}
	assert_true(changed > 0);
	assert_int_equal(corral_seccomp_verify(json, sizeof(json) - 1, 0, s.insns, s.n_insns, &err),
	                 -EBADMSG);
	assert_non_null(strstr(err.text, "prctl"));
	corral_seccomp_done(&s);
}

static void both_compilers_are_true_to_the_builtin_profile(void **state)
{
	size_t tree = 0, built = 0;

	(void)state;
	check_both_compilers(corral_seccomp_builtin_json, corral_seccomp_builtin_json_len, &tree,
	                     &built);
	assert_true(tree < built);
}

/* ---- the cache ---- */

static const char small[] = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":["
                            "\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]}";

struct cache {
	char dir[64];
	char file[160]; /* the one entry */
};

static int load_small(const char *dir, uint64_t caps, struct corral_seccomp *s)
{
	return corral_seccomp_load(small, sizeof(small) - 1, "t", caps, dir, s, NULL);
}

static size_t entries(const char *dir, char *last, size_t size)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		if (last)
			(void)snprintf(last, size, "%.60s/%.80s", dir, e->d_name);
	}
	(void)closedir(d);
	return n;
}

static void empty_dir(const char *dir)
{
	char file[160];

	while (entries(dir, file, sizeof(file)))
		if (unlink(file) < 0 && rmdir(file) < 0)
			fail_msg("cannot remove %s", file);
}

static int cache_setup(void **state)
{
	struct cache *c = calloc(1, sizeof(*c));
	struct corral_seccomp s = { 0 };

	*state = c;
	(void)snprintf(c->dir, sizeof(c->dir), "/tmp/corral-test-XXXXXX");
	if (!mkdtemp(c->dir) || load_small(c->dir, 0, &s) < 0)
		return -1;
	corral_seccomp_done(&s);
	return entries(c->dir, c->file, sizeof(c->file)) == 1 ? 0 : -1;
}

static int cache_teardown(void **state)
{
	struct cache *c = *state;

	(void)chmod(c->dir, 0700);
	empty_dir(c->dir);
	(void)rmdir(c->dir);
	free(c);
	return 0;
}

/*
 * Puts a valid entry in place whose program allows everything: a reader that takes the file shows
 * it by what read() and write() then get. True when it was taken.
 */
static bool entry_is_used(struct cache *c)
{
	struct corral_seccomp s = { 0 };
	bool used;

	assert_int_equal(load_small(c->dir, 0, &s), 0);
	assert_int_equal(ask(&s, "read", 0, 0, 0, 0), ALLOW);
	used = ask(&s, "write", 0, 0, 0, 0) == ALLOW;
	if (!used)
		assert_int_equal(ask(&s, "write", 0, 0, 0, 0), ERRNO(EPERM));
	corral_seccomp_done(&s);
	return used;
}

static void plant_entry(struct cache *c)
{
	const struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	const char *name = strrchr(c->file, '/') + 1;
	uint8_t key[32];

	for (size_t i = 0; i < sizeof(key); i++) {
		unsigned int byte = 0;

		assert_int_equal(sscanf(name + 2 * i, "%2x", &byte), 1);
		key[i] = (uint8_t)byte;
	}
	assert_int_equal(corral_seccomp_cache_store(c->dir, key, all, 1), 0);
}

static void patch_entry(struct cache *c, off_t at, uint8_t flip)
{
	corral_autofd int fd = open(c->file, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= flip;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void a_whole_entry_of_ones_own_is_used(void **state)
{
	struct cache *c = *state;

	plant_entry(c);
	assert_true(entry_is_used(c));
	assert_int_equal(entries(c->dir, NULL, 0), 1);
}

static void an_entry_others_can_write_is_not_used(void **state)
{
	struct cache *c = *state;

	plant_entry(c);
	assert_int_equal(chmod(c->file, 0620), 0);
	assert_false(entry_is_used(c));
	plant_entry(c);
	assert_int_equal(chmod(c->file, 0602), 0);
	assert_false(entry_is_used(c));
}

static void a_directory_others_can_write_is_not_used(void **state)
{
	struct cache *c = *state;

	plant_entry(c);
	assert_int_equal(chmod(c->dir, 0770), 0);
	assert_false(entry_is_used(c));
	assert_int_equal(chmod(c->dir, 0707), 0);
	assert_false(entry_is_used(c));
	assert_int_equal(chmod(c->dir, 0700), 0);
	assert_true(entry_is_used(c));
}

static void another_users_entry_is_not_used(void **state)
{
	struct cache *c = *state;

	plant_entry(c);
	if (chown(c->file, 12345, 12345) < 0) {
		print_message("skipped: only root can give a file away\n");
		skip();
	}
	assert_false(entry_is_used(c));
}

static void a_flipped_byte_anywhere_is_noticed(void **state)
{
	struct cache *c = *state;
	struct stat st;

	plant_entry(c);
	assert_int_equal(stat(c->file, &st), 0);
	for (off_t at = 0; at < st.st_size; at++) {
		plant_entry(c);
		patch_entry(c, at, 0x40);
		if (entry_is_used(c))
			fail_msg("byte %lld", (long long)at);
	}
}

static void a_cut_or_longer_entry_is_not_used(void **state)
{
	struct cache *c = *state;
	struct stat st;

	plant_entry(c);
	assert_int_equal(stat(c->file, &st), 0);
	for (off_t size = 0; size <= st.st_size + 8; size++) {
		if (size == st.st_size)
			continue;
		plant_entry(c);
		assert_int_equal(truncate(c->file, size), 0);
		assert_false(entry_is_used(c));
	}
}

static void a_symlink_in_place_of_an_entry_is_not_followed(void **state)
{
	struct cache *c = *state;
	char away[200];

	plant_entry(c);
	(void)snprintf(away, sizeof(away), "%s.away", c->file);
	assert_int_equal(rename(c->file, away), 0);
	assert_int_equal(symlink(away, c->file), 0);
	assert_false(entry_is_used(c));
}

static void a_symlink_in_place_of_the_directory_is_not_followed(void **state)
{
	struct cache *c = *state;
	struct corral_seccomp s = { 0 };
	char link[80];

	plant_entry(c);
	(void)snprintf(link, sizeof(link), "%s.link", c->dir);
	assert_int_equal(symlink(c->dir, link), 0);
	assert_int_equal(load_small(link, 0, &s), 0);
	(void)unlink(link);
	assert_int_equal(ask(&s, "write", 0, 0, 0, 0), ERRNO(EPERM));
	corral_seccomp_done(&s);
}

static void a_fifo_in_place_of_an_entry_holds_nobody_up(void **state)
{
	struct cache *c = *state;

	assert_int_equal(unlink(c->file), 0);
	assert_int_equal(mkfifo(c->file, 0600), 0);
	assert_false(entry_is_used(c));
}

static void an_entry_of_another_profile_under_this_name_is_not_used(void **state)
{
	struct cache *c = *state;
	char other[160] = "";
	uint8_t key[32] = { 1 };
	const struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };

	assert_int_equal(unlink(c->file), 0);
	assert_int_equal(corral_seccomp_cache_store(c->dir, key, all, 1), 0);
	assert_int_equal(entries(c->dir, other, sizeof(other)), 1);
	assert_int_equal(rename(other, c->file), 0);
	assert_false(entry_is_used(c));
}

static void other_capabilities_and_another_text_are_other_entries(void **state)
{
	struct cache *c = *state;
	struct corral_seccomp s = { 0 };
	static const char other[] = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}";

	plant_entry(c);
	assert_int_equal(load_small(c->dir, 1ull << CAP_CHOWN, &s), 0);
	assert_int_equal(ask(&s, "write", 0, 0, 0, 0), ERRNO(EPERM));
	corral_seccomp_done(&s);
	assert_int_equal(corral_seccomp_load(other, sizeof(other) - 1, "t", 0, c->dir, &s, NULL),
	                 0);
	corral_seccomp_done(&s);
	assert_int_equal(entries(c->dir, NULL, 0), 3);
}

static void a_missing_directory_means_no_cache_and_no_error(void **state)
{
	struct corral_seccomp s = { 0 };

	(void)state;
	assert_int_equal(load_small("/nonexistent/cache", 0, &s), 0);
	corral_seccomp_done(&s);
}

int main(void)
{
#define WITH_DEFAULT(test) cmocka_unit_test_setup_teardown(test, open_default, close_default)
#define WITH_CACHE(test)   cmocka_unit_test_setup_teardown(test, cache_setup, cache_teardown)
	const struct CMUnitTest tests[] = {
		WITH_DEFAULT(builtin_profile_decides_as_the_table_says),
		WITH_DEFAULT(builtin_costs_no_memory_and_has_its_digest),
		WITH_DEFAULT(builtin_program_is_true_to_its_profile),
		cmocka_unit_test(capabilities_open_the_calls_that_need_them),
		cmocka_unit_test(capabilities_no_entry_asks_for_keep_the_builtin),
		cmocka_unit_test(what_unpacks_images_has_a_profile_of_its_own),
		WITH_DEFAULT(every_number_decides_as_in_the_golden_table),
		WITH_DEFAULT(a_corrupted_program_is_noticed),
		cmocka_unit_test(a_difference_is_told_with_the_call_and_both_answers),
		cmocka_unit_test(a_program_that_jumps_out_or_has_no_end_is_refused),
		cmocka_unit_test(a_64_bit_comparison_cut_to_its_low_word_is_noticed),
		cmocka_unit_test(both_compilers_are_true_to_the_builtin_profile),
		WITH_CACHE(a_whole_entry_of_ones_own_is_used),
		WITH_CACHE(an_entry_others_can_write_is_not_used),
		WITH_CACHE(a_directory_others_can_write_is_not_used),
		WITH_CACHE(another_users_entry_is_not_used),
		WITH_CACHE(a_flipped_byte_anywhere_is_noticed),
		WITH_CACHE(a_cut_or_longer_entry_is_not_used),
		WITH_CACHE(a_symlink_in_place_of_an_entry_is_not_followed),
		WITH_CACHE(a_symlink_in_place_of_the_directory_is_not_followed),
		WITH_CACHE(a_fifo_in_place_of_an_entry_holds_nobody_up),
		WITH_CACHE(an_entry_of_another_profile_under_this_name_is_not_used),
		WITH_CACHE(other_capabilities_and_another_text_are_other_entries),
		cmocka_unit_test(a_missing_directory_means_no_cache_and_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
