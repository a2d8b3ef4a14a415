/*
 * The profile by libseccomp, with its binary tree. libseccomp has no word for "else" (a rule
 * without args erases those with args), and none for "unknown number", so it is asked for the rules
 * alone, with a default action that no profile can have; each return of that action then becomes a
 * jump to a tail of ours, which knows the else-cases. The tail tells libseccomp's program apart
 * from a sum of our own mistakes only together with the evaluator.
 */
#include "policy/seccomp_profile.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"

/* Beyond ERRNO_MAX, so no profile can say it. */
#define SENTINEL SCMP_ACT_TRACE(0x7fff)

/* libseccomp 2.5.4 has an overflow on filters far beyond the kernel's size (GHSA-2hqh). */
#define RULES_MAX 8192u

/*
 * libseccomp multiplies a call's overlapping rules with each other for every argument they compare:
 * eight rules of six arguments keep it busy for minutes. The sum of (rules to the power of
 * arguments) of all calls; this much takes it less than a tenth of a second.
 */
#define PRODUCT_MAX 192u

/* Below this its binary tree gains nothing, and an empty one was a bug (libseccomp#370). */
#define TREE_MIN 16u

static void ctx_done(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

static const enum scmp_compare compare[] = {
	[CORRAL_SECCOMP_NE] = SCMP_CMP_NE,
	[CORRAL_SECCOMP_LT] = SCMP_CMP_LT,
	[CORRAL_SECCOMP_LE] = SCMP_CMP_LE,
	[CORRAL_SECCOMP_EQ] = SCMP_CMP_EQ,
	[CORRAL_SECCOMP_GE] = SCMP_CMP_GE,
	[CORRAL_SECCOMP_GT] = SCMP_CMP_GT,
	[CORRAL_SECCOMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
};

static int add_entry(scmp_filter_ctx ctx, int nr, const struct corral_seccomp_entry *entry)
{
	struct scmp_arg_cmp cmp[CORRAL_SECCOMP_ARGS];

	for (size_t i = 0; i < entry->n_args; i++)
		cmp[i] = (struct scmp_arg_cmp) { .arg = entry->args[i].index,
			                         .op = compare[entry->args[i].op],
			                         .datum_a = entry->args[i].value,
			                         .datum_b = entry->args[i].value_two };
	return seccomp_rule_add_exact_array(ctx, entry->action, nr, (unsigned int)entry->n_args,
	                                    cmp);
}

static int check_product(const struct corral_seccomp_rules *rules, struct corral_error *err)
{
	uint64_t sum = 0;

	for (size_t nr = 0; nr < CORRAL_SYSCALLS_MAX; nr++) {
		const struct corral_seccomp_call *call = &rules->calls[nr];
		unsigned int args = 0;
		uint64_t product = 1;

		for (size_t i = 0; i < call->n_conditional; i++)
			for (size_t k = 0; k < call->conditional[i]->n_args; k++)
				args |= 1u << call->conditional[i]->args[k].index;
		for (; args; args &= args - 1)
			product *= call->n_conditional; /* at most 64 to the power of 6 */
		sum += call->n_conditional ? product : 0;
		if (sum > PRODUCT_MAX)
			return corral_error_set(err, E2BIG, "too many overlapping comparisons");
	}
	return 0;
}

static int add_rules(scmp_filter_ctx ctx, const struct corral_seccomp_rules *rules,
                     struct corral_error *err)
{
	size_t total = 0;
	int r = check_product(rules, err);

	if (r < 0)
		return r;
	for (int nr = 0; nr < (int)CORRAL_SYSCALLS_MAX; nr++) {
		const struct corral_seccomp_call *call = &rules->calls[nr];

		total += call->n_conditional + 1;
		if (total > RULES_MAX + CORRAL_SYSCALLS_MAX)
			return corral_error_set(err, E2BIG, "more than %u rules", RULES_MAX);
		for (size_t i = 0; i < call->n_conditional; i++) {
			r = add_entry(ctx, nr, call->conditional[i]);
			if (r < 0 && r != -EEXIST)
				return corral_error_sys(err, -r, "rule for call %d", nr);
		}
		if (call->n_conditional == 0 && call->listed) {
			r = seccomp_rule_add_exact_array(ctx, call->otherwise, nr, 0, NULL);
			if (r < 0)
				return corral_error_sys(err, -r, "rule for call %d", nr);
		}
	}
	return 0;
}

/* libseccomp writes to descriptors only (2.6 can write to memory; Debian 12 has 2.5.4). */
static int export(scmp_filter_ctx ctx, struct corral_buf *program, struct corral_error *err)
{
	corral_autofd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return corral_error_sys(err, errno, "memfd_create");
	r = seccomp_export_bpf(ctx, fd);
	if (r < 0)
		return corral_error_sys(err, -r, "libseccomp: export");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return corral_error_sys(err, errno, "rewind");
	r = corral_buf_read_fd(program, fd, CORRAL_SECCOMP_INSNS_MAX * sizeof(struct sock_filter));
	if (r == -EFBIG)
		return corral_error_set(err, E2BIG, "more than %u instructions",
		                        CORRAL_SECCOMP_INSNS_MAX);
	if (r < 0)
		return corral_error_sys(err, -r, "read the program");
	return 0;
}

/* ---- the tail ---- */

struct tail {
	struct sock_filter insns[CORRAL_SECCOMP_INSNS_MAX];
	size_t n;
	bool full;
};

static void put(struct tail *t, struct sock_filter insn)
{
	if (t->n == CORRAL_COUNT(t->insns))
		t->full = true;
	else
		t->insns[t->n++] = insn;
}

static void put_range(struct tail *t, uint32_t from, uint32_t to, uint32_t action)
{
	put(t, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, from, 0, 2));
	put(t, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, to, 1, 0));
	put(t, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* What the sentinel stands for: by number, ranges of equal answers, else the default action. */
static void write_tail(struct tail *t, const struct corral_seccomp_profile *p,
                       const struct corral_seccomp_rules *rules)
{
	uint32_t nr = 0, next;

	put(t, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                    offsetof(struct seccomp_data, nr)));
	if (CORRAL_NATIVE_HAS_X32)
		put_range(t, CORRAL_X32_BIT, UINT32_MAX, SECCOMP_RET_KILL_PROCESS);
	put_range(t, CORRAL_SYSCALLS_MAX, UINT32_MAX, rules->beyond);
	while (nr < CORRAL_SYSCALLS_MAX) {
		uint32_t action = rules->calls[nr].otherwise;

		for (next = nr + 1; next < CORRAL_SYSCALLS_MAX; next++)
			if (rules->calls[next].otherwise != action)
				break;
		/* Calls without conditions were libseccomp's and never get here. */
		if (action != p->default_action && action != SECCOMP_RET_ALLOW)
			put_range(t, nr, next - 1, action);
		if (action == SECCOMP_RET_ALLOW && action != p->default_action)
			for (uint32_t one = nr; one < next; one++)
				if (rules->calls[one].n_conditional)
					put_range(t, one, one, action);
		nr = next;
	}
	put(t, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, p->default_action));
}

/* head: arch; then libseccomp's program with its sentinels bent to the tail; then the tail. */
static int assemble(const struct corral_buf *program, const struct tail *t,
                    struct corral_seccomp_program *ret, struct corral_error *err)
{
	const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CORRAL_NATIVE_ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	size_t n_middle = program->len / sizeof(struct sock_filter);
	size_t n = CORRAL_COUNT(head) + n_middle + t->n;
	struct sock_filter *out;

	if (t->full || n > CORRAL_SECCOMP_INSNS_MAX)
		return corral_error_set(err, E2BIG, "more than %u instructions",
		                        CORRAL_SECCOMP_INSNS_MAX);
	out = calloc(n, sizeof(*out));
	if (!out)
		return corral_error_set(err, ENOMEM, "out of memory");
	memcpy(out, head, sizeof(head));
	if (n_middle)
		memcpy(out + CORRAL_COUNT(head), program->data, n_middle * sizeof(*out));
	memcpy(out + CORRAL_COUNT(head) + n_middle, t->insns, t->n * sizeof(*out));
	for (size_t i = 0; i < n_middle; i++) {
		struct sock_filter *insn = &out[CORRAL_COUNT(head) + i];

		if (insn->code == (BPF_RET | BPF_K) && insn->k == SENTINEL)
			*insn = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA,
			                                     (uint32_t)(n_middle - i - 1));
	}
	ret->insns = out;
	ret->n = n;
	return 0;
}

int corral_seccomp_build(const struct corral_seccomp_profile *p,
                         const struct corral_seccomp_rules *rules,
                         struct corral_seccomp_program *ret, struct corral_error *err)
{
	corral_auto(ctx_done) scmp_filter_ctx ctx = seccomp_init(SENTINEL);
	corral_autobuf struct corral_buf program = CORRAL_BUF_INIT;
	corral_autofree struct tail *tail = calloc(1, sizeof(*tail));
	unsigned int n_listed = 0;
	int r;

	if (!ctx || !tail)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t nr = 0; nr < CORRAL_SYSCALLS_MAX; nr++)
		n_listed += rules->calls[nr].listed || rules->calls[nr].n_conditional;
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0 && n_listed >= TREE_MIN)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r < 0)
		return corral_error_sys(err, -r, "libseccomp: attributes");
	r = add_rules(ctx, rules, err);
	if (r < 0)
		return corral_error_wrap(err, r, "libseccomp");
	r = export(ctx, &program, err);
	if (r < 0)
		return r;
	write_tail(tail, p, rules);
	return assemble(&program, tail, ret, err);
}
