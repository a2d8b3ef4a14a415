/*
 * The evaluator: a profile's own answer to a call, found by reading its entries one after the other
 * (nothing compiled, nothing shared with the two compilers but the parsed text), and the comparison
 * of a program with it. libseccomp has merged 64-bit comparisons wrongly more than once
 * (GHSA-4q85-33p6-j5g6), so no byte of a program is believed because of who wrote it.
 *
 * Which calls are tried: every number from 0 to 1023, boundaries above, the x32 bit, other
 * architectures; and for each argument an entry compares, the values at which a comparison of
 * 64 bits made of two words of 32 can go wrong, in combination with those of the call's other
 * arguments.
 */
#include "policy/seccomp_profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/bpf.h"
#include "kernel/base/cleanup.h"

#define SAMPLES_MAX 512u /* values of one argument */

/*
 * Above this many combinations of one sweep they are walked in steps; once a profile has used up
 * the larger sum (no sane one does), in long ones, so that checking it ends within a second.
 */
#define COMBINATIONS_MAX  (1u << 13)
#define COMBINATIONS_SUM  (1u << 18)
#define COMBINATIONS_POOR (1u << 6)

/* ---- the interpretation ---- */

static bool arg_matches(const struct corral_seccomp_arg *arg, uint64_t actual)
{
	switch (arg->op) {
	case CORRAL_SECCOMP_NE:
		return actual != arg->value;
	case CORRAL_SECCOMP_LT:
		return actual < arg->value;
	case CORRAL_SECCOMP_LE:
		return actual <= arg->value;
	case CORRAL_SECCOMP_EQ:
		return actual == arg->value;
	case CORRAL_SECCOMP_GE:
		return actual >= arg->value;
	case CORRAL_SECCOMP_GT:
		return actual > arg->value;
	case CORRAL_SECCOMP_MASKED_EQ:
		return (actual & arg->value) == arg->value_two;
	}
	return false;
}

static bool entry_matches(const struct corral_seccomp_entry *entry, const struct seccomp_data *data)
{
	for (size_t i = 0; i < entry->n_args; i++)
		if (!arg_matches(&entry->args[i], data->args[entry->args[i].index]))
			return false;
	return true;
}

static bool entry_names(const struct corral_seccomp_entry *entry, const char *name)
{
	for (size_t i = 0; i < entry->n_names; i++)
		if (entry->names[i][0] == name[0] && strcmp(entry->names[i], name) == 0)
			return true;
	return false;
}

/* The entries that speak of one call, so that a sweep over its arguments need not search. */
struct view {
	uint32_t nr;
	bool known;
	const struct corral_seccomp_entry *entries[CORRAL_SECCOMP_ENTRIES_MAX];
	size_t n;
};

static void view_init(struct view *v, const struct corral_seccomp_profile *p, uint32_t nr)
{
	char name[64];

	v->nr = nr;
	v->n = 0;
	v->known = corral_syscall_name(nr, name, sizeof(name));
	for (size_t i = 0; v->known && i < p->n_entries; i++)
		if (entry_names(&p->entries[i], name))
			v->entries[v->n++] = &p->entries[i];
}

static uint32_t view_decide(const struct view *v, const struct corral_seccomp_profile *p,
                            const struct seccomp_data *data)
{
	const struct corral_seccomp_entry *best = NULL;

	if (!v->known)
		return corral_seccomp_unknown_action(p);
	for (size_t i = 0; i < v->n; i++) {
		const struct corral_seccomp_entry *e = v->entries[i];

		if (!entry_matches(e, data))
			continue;
		if (!best || (e->n_args && !best->n_args) ||
		    (!e->n_args == !best->n_args &&
		     corral_seccomp_severer(e->action, best->action)))
			best = e;
	}
	return best ? best->action : p->default_action;
}

static bool is_foreign(const struct seccomp_data *data)
{
	if (data->arch != CORRAL_NATIVE_ARCH)
		return true;
	return CORRAL_NATIVE_HAS_X32 && (uint32_t)data->nr >= CORRAL_X32_BIT;
}

uint32_t corral_seccomp_profile_decide(const struct corral_seccomp_profile *p,
                                       const struct seccomp_data *data)
{
	struct view v;

	if (is_foreign(data))
		return SECCOMP_RET_KILL_PROCESS;
	view_init(&v, p, (uint32_t)data->nr);
	return view_decide(&v, p, data);
}

/* ---- which values of an argument are tried ---- */

struct samples {
	uint64_t value[SAMPLES_MAX];
	size_t n, n_core; /* the core comes first; what follows is tried with others' cores only */
	bool asked;       /* some entry compares this argument */
};

static void add_sample(struct samples *s, uint64_t value)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->value[i] == value)
			return;
	if (s->n < SAMPLES_MAX)
		s->value[s->n++] = value;
}

static void add_boundaries(struct samples *s)
{
	static const uint64_t always[] = { 0,
		                           1,
		                           0x7fffffffull,
		                           0x80000000ull,
		                           0xffffffffull,
		                           0x100000000ull,
		                           0x100000001ull,
		                           0x7fffffffffffffffull,
		                           0x8000000000000000ull,
		                           0xffffffff00000000ull,
		                           UINT64_MAX };

	for (size_t i = 0; i < CORRAL_COUNT(always); i++)
		add_sample(s, always[i]);
}

/* Both words around the value's own, each with each: where a two-word comparison can slip. */
static void add_around(struct samples *s, uint64_t value)
{
	uint32_t lo = (uint32_t)value, hi = (uint32_t)(value >> 32);
	const uint32_t los[] = { lo, lo - 1, lo + 1, 0, UINT32_MAX };
	const uint32_t his[] = { hi, hi - 1, hi + 1, 0, UINT32_MAX };

	for (size_t h = 0; h < CORRAL_COUNT(his); h++)
		for (size_t l = 0; l < CORRAL_COUNT(los); l++)
			add_sample(s, (uint64_t)his[h] << 32 | los[l]);
	add_sample(s, value - 1);
	add_sample(s, value + 1);
}

/* Each bit, alone and wrong in the value: a mask with one too many or too few shows here only. */
static void add_bits(struct samples *s, uint64_t value)
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		add_sample(s, 1ull << bit);
		add_sample(s, value ^ 1ull << bit);
	}
}

/* The value with noise outside of the mask, and the subsets of a small mask. */
static void add_masked(struct samples *s, uint64_t mask, uint64_t value)
{
	uint64_t subset = 0;

	add_sample(s, value);
	add_sample(s, value | ~mask);
	add_sample(s, value | (~mask & 0xffffffff00000000ull));
	add_sample(s, value | (~mask & 0xffffffffull));
	add_sample(s, mask);
	add_sample(s, ~mask);
	if (__builtin_popcountll(mask) > 4)
		return;
	do {
		add_sample(s, subset);
		add_sample(s, subset | ~mask);
		subset = (subset - mask) & mask;
	} while (subset);
}

static void collect_samples(const struct view *v, struct samples s[CORRAL_SECCOMP_ARGS])
{
	for (size_t i = 0; i < CORRAL_SECCOMP_ARGS; i++)
		s[i].n = s[i].asked = 0;
	for (size_t i = 0; i < v->n; i++) {
		for (size_t k = 0; k < v->entries[i]->n_args; k++) {
			const struct corral_seccomp_arg *arg = &v->entries[i]->args[k];
			struct samples *one = &s[arg->index];

			one->asked = true;
			if (arg->op == CORRAL_SECCOMP_MASKED_EQ)
				add_masked(one, arg->value, arg->value_two);
			else
				add_around(one, arg->value);
		}
	}
	for (size_t i = 0; i < CORRAL_SECCOMP_ARGS; i++) {
		if (s[i].asked)
			add_boundaries(&s[i]);
		else
			add_sample(&s[i], 0);
		s[i].n_core = s[i].n;
	}
	for (size_t i = 0; i < v->n; i++) {
		for (size_t k = 0; k < v->entries[i]->n_args; k++) {
			const struct corral_seccomp_arg *arg = &v->entries[i]->args[k];

			if (arg->op == CORRAL_SECCOMP_MASKED_EQ)
				add_bits(&s[arg->index], arg->value_two);
		}
	}
}

/* ---- the comparison ---- */

struct comparison {
	const struct corral_seccomp_profile *p;
	const struct corral_seccomp_subject *subject;
	uint64_t *spent; /* combinations tried so far */
	struct corral_error *err;
};

static void action_text(uint32_t action, char *text, size_t size)
{
	static const struct {
		uint32_t action;
		const char *name;
	} names[] = {
		{ SECCOMP_RET_KILL_PROCESS, "kill process" },
		{ SECCOMP_RET_KILL_THREAD, "kill" },
		{ SECCOMP_RET_TRAP, "trap" },
		{ SECCOMP_RET_ERRNO, "errno" },
		{ SECCOMP_RET_TRACE, "trace" },
		{ SECCOMP_RET_LOG, "log" },
		{ SECCOMP_RET_ALLOW, "allow" },
	};

	for (size_t i = 0; i < CORRAL_COUNT(names); i++) {
		if ((action & SECCOMP_RET_ACTION_FULL) == names[i].action) {
			(void)snprintf(text, size, action & SECCOMP_RET_DATA ? "%s %u" : "%s",
			               names[i].name, action & SECCOMP_RET_DATA);
			return;
		}
	}
	(void)snprintf(text, size, "0x%08x", action);
}

static int differs(const struct comparison *c, const struct seccomp_data *data, uint32_t program,
                   uint32_t profile)
{
	char name[64], is[32], should[32];

	if (!corral_syscall_name((uint32_t)data->nr, name, sizeof(name)))
		(void)snprintf(name, sizeof(name), "call");
	action_text(program, is, sizeof(is));
	action_text(profile, should, sizeof(should));
	return corral_error_set(c->err, EBADMSG,
	                        "%s (%u, arch 0x%08x, args %#llx %#llx %#llx %#llx %#llx %#llx): "
	                        "the program says %s, the profile %s",
	                        name, (unsigned int)data->nr, data->arch,
	                        (unsigned long long)data->args[0],
	                        (unsigned long long)data->args[1],
	                        (unsigned long long)data->args[2],
	                        (unsigned long long)data->args[3],
	                        (unsigned long long)data->args[4],
	                        (unsigned long long)data->args[5], is, should);
}

static int compare_one(const struct comparison *c, const struct view *v,
                       const struct seccomp_data *data)
{
	uint32_t subject = c->subject->answer(c->subject->context, data);
	uint32_t profile = is_foreign(data) ? SECCOMP_RET_KILL_PROCESS : view_decide(v, c->p, data);

	return c->subject->same(subject, profile) ? 0 : differs(c, data, subject, profile);
}

/*
 * Every combination of the cores, or, where special is an argument, of its other samples with the
 * cores of the rest. Arguments nobody asks for are 0, then all ones.
 */
static int compare_combinations(const struct comparison *c, const struct view *v,
                                const struct samples s[CORRAL_SECCOMP_ARGS], size_t special)
{
	size_t from[CORRAL_SECCOMP_ARGS] = { 0 }, count[CORRAL_SECCOMP_ARGS];
	uint64_t max = *c->spent < COMBINATIONS_SUM ? COMBINATIONS_MAX : COMBINATIONS_POOR;
	uint64_t total = 1, step = 1;

	for (size_t i = 0; i < CORRAL_SECCOMP_ARGS; i++) {
		count[i] = s[i].n_core;
		if (i == special) {
			from[i] = s[i].n_core;
			count[i] = s[i].n - s[i].n_core;
		}
		total = total > UINT64_MAX / SAMPLES_MAX ? UINT64_MAX : total * count[i];
	}
	if (total > max)
		step = (total / max) | 1;
	*c->spent += total / step;
	for (uint64_t at = 0; at<total; at = total - at> step ? at + step : total) {
		for (uint64_t noise = 0; noise < 2; noise++) {
			struct seccomp_data data = { .nr = (int)v->nr, .arch = CORRAL_NATIVE_ARCH };
			uint64_t rest = at;
			int r;

			for (size_t i = 0; i < CORRAL_SECCOMP_ARGS; i++) {
				data.args[i] = s[i].asked ? s[i].value[from[i] + rest % count[i]]
				                          : 0 - noise;
				rest /= count[i];
			}
			r = compare_one(c, v, &data);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int compare_args(const struct comparison *c, const struct view *v,
                        const struct samples s[CORRAL_SECCOMP_ARGS])
{
	int r = compare_combinations(c, v, s, CORRAL_SECCOMP_ARGS);

	for (size_t i = 0; r == 0 && i < CORRAL_SECCOMP_ARGS; i++)
		if (s[i].n > s[i].n_core)
			r = compare_combinations(c, v, s, i);
	return r;
}

static int compare_foreign(const struct comparison *c, const struct view *v)
{
	static const uint32_t arches[] = {
		AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0,
		UINT32_MAX
	};
	int r;

	for (size_t i = 0; i < CORRAL_COUNT(arches); i++) {
		struct seccomp_data data = { .nr = (int)v->nr, .arch = arches[i] };

		if (arches[i] == CORRAL_NATIVE_ARCH)
			continue;
		r = compare_one(c, v, &data);
		if (r < 0)
			return r;
	}
	if (v->nr < CORRAL_X32_BIT) {
		struct seccomp_data data = { .nr = (int)(v->nr | CORRAL_X32_BIT),
			                     .arch = CORRAL_NATIVE_ARCH };
		struct view x32 = { .nr = v->nr | CORRAL_X32_BIT };

		return compare_one(c, &x32, &data);
	}
	return 0;
}

/* A program the kernel would refuse is no answer to anything. */
static int check_shape(const struct corral_seccomp_program *c, struct corral_error *err)
{
	if (c->n == 0 || c->n > CORRAL_SECCOMP_INSNS_MAX)
		return corral_error_set(err, EBADMSG, "a program of %zu instructions", c->n);
	for (size_t i = 0; i < c->n; i++) {
		const struct sock_filter *f = &c->insns[i];
		uint64_t furthest = f->jt > f->jf ? f->jt : f->jf;

		if (BPF_CLASS(f->code) != BPF_JMP)
			continue;
		if (f->code == (BPF_JMP | BPF_JA))
			furthest = f->k;
		if (i + 1 + furthest >= c->n)
			return corral_error_set(err, EBADMSG,
			                        "instruction %zu jumps out of the program", i);
	}
	if (BPF_CLASS(c->insns[c->n - 1].code) != BPF_RET)
		return corral_error_set(err, EBADMSG, "the last instruction is no return");
	return 0;
}

static uint32_t program_answer(const void *context, const struct seccomp_data *data)
{
	const struct corral_seccomp_program *program = context;

	return corral_bpf_eval(program->insns, program->n, data);
}

static bool exactly_same(uint32_t program, uint32_t profile)
{
	return program == profile;
}

int corral_seccomp_profile_verify(const struct corral_seccomp_profile *p,
                                  const struct sock_filter *insns, size_t n_insns,
                                  struct corral_error *err)
{
	const struct corral_seccomp_program program = {
		.insns = (struct sock_filter *)(uintptr_t)insns, /* only read */
		.n = n_insns,
	};
	const struct corral_seccomp_subject subject = { program_answer, exactly_same, &program };
	int r = check_shape(&program, err);

	return r < 0 ? r : corral_seccomp_profile_compare(p, &subject, err);
}

int corral_seccomp_profile_compare(const struct corral_seccomp_profile *p,
                                   const struct corral_seccomp_subject *subject,
                                   struct corral_error *err)
{
	static const uint32_t beyond[] = { 1024,       1025,       2047,       4096,
		                           65535,      65536,      0x3ffffffe, 0x3fffffff,
		                           0x40000000, 0x40000001, 0x7fffffff, 0x80000000,
		                           0xfffffffe, 0xffffffff };
	uint64_t spent = 0;
	const struct comparison c = { p, subject, &spent, err };
	corral_autofree struct samples *samples = calloc(CORRAL_SECCOMP_ARGS, sizeof(*samples));
	corral_autofree struct view *v = calloc(1, sizeof(*v));
	int r;

	if (!samples || !v)
		return corral_error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < CORRAL_SYSCALLS_MAX + CORRAL_COUNT(beyond); i++) {
		view_init(v, p,
		          i < CORRAL_SYSCALLS_MAX ? (uint32_t)i : beyond[i - CORRAL_SYSCALLS_MAX]);
		collect_samples(v, samples);
		r = compare_args(&c, v, samples);
		if (r < 0)
			return r;
		r = compare_foreign(&c, v);
		if (r < 0)
			return r;
	}
	return 0;
}
