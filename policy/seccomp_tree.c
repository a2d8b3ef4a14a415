/*
 * The same rules, laid out by ourselves: the arch check, then a tree over *ranges* of numbers with
 * equal answers, weighted by their width. While it installs a filter the kernel runs it once for
 * every call number (its cache of constant answers, since 5.11), so what counts is the mean way to
 * an answer and not the length; and neighbouring numbers mostly have the same answer, which
 * libseccomp's tree has no use for.
 *
 * Code is written from its end to its start, so that each jump knows where it goes. An instruction
 * is named by its place counted from the end. Jumps reach 255 instructions; what is further away
 * gets a step in between.
 */
#include "policy/seccomp_profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

#define REACH 250u /* of a jump's 255: two steps in between may still be added */

/* A call with conditions is asked at run time as well, when no cache helps: worth a shorter way. */
#define WEIGHT_CONDITIONAL 4u

struct gen {
	struct sock_filter code[CORRAL_SECCOMP_INSNS_MAX]; /* back to front */
	size_t n;
	bool full;
};

static size_t emit(struct gen *g, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (g->n == CORRAL_COUNT(g->code)) {
		g->full = true;
		return g->n - 1;
	}
	g->code[g->n] = (struct sock_filter) { code, jt, jf, k };
	return g->n++;
}

static bool is_ret(const struct gen *g, size_t at)
{
	return g->code[at].code == (BPF_RET | BPF_K);
}

/* An instruction that returns action: one within reach, or a new one. */
static size_t gen_ret(struct gen *g, uint32_t action)
{
	for (size_t at = g->n; at > 0 && g->n - at < REACH; at--)
		if (is_ret(g, at - 1) && g->code[at - 1].k == action)
			return at - 1;
	return emit(g, BPF_RET | BPF_K, 0, 0, action);
}

/* The target itself, or a stand-in for it within reach of a jump. */
static size_t near(struct gen *g, size_t target)
{
	if (g->n - target <= REACH)
		return target;
	if (is_ret(g, target))
		return gen_ret(g, g->code[target].k);
	return emit(g, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(g->n - target - 1));
}

static size_t gen_jump(struct gen *g, uint16_t op, uint32_t k, size_t on_true, size_t on_false)
{
	if (on_true == on_false)
		return on_true;
	on_true = near(g, on_true);
	on_false = near(g, on_false);
	return emit(g, BPF_JMP | BPF_K | op, (uint8_t)(g->n - on_true - 1),
	            (uint8_t)(g->n - on_false - 1), k);
}

/* An instruction that falls through to next. */
static size_t gen_then(struct gen *g, uint16_t code, uint32_t k, size_t next)
{
	if (next + 1 != g->n) {
		if (is_ret(g, next))
			emit(g, BPF_RET | BPF_K, 0, 0, g->code[next].k);
		else
			emit(g, BPF_JMP | BPF_JA, 0, 0, (uint32_t)(g->n - next - 1));
	}
	return emit(g, code, 0, 0, k);
}

static size_t gen_load(struct gen *g, size_t offset, size_t next)
{
	return gen_then(g, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, next);
}

/* Where to go instead when the accumulator holds the word at offset already. */
static size_t behind_load(const struct gen *g, size_t target, size_t offset)
{
	const struct sock_filter *insn = &g->code[target];

	return insn->code == (BPF_LD | BPF_W | BPF_ABS) && insn->k == offset ? target - 1 : target;
}

/* ---- one comparison of a 64-bit argument, which the program sees as two words ---- */

static size_t gen_masked_word(struct gen *g, size_t offset, uint32_t mask, uint32_t value,
                              size_t on_true, size_t on_false)
{
	bool one_bit = value == mask && (mask & (mask - 1)) == 0;
	size_t next;

	if (mask == 0)
		return value == 0 ? on_true : on_false;
	if (on_true == on_false)
		return on_true;
	if (mask != UINT32_MAX && value != 0 && !one_bit) {
		next = gen_jump(g, BPF_JEQ, value, on_true, on_false);
		next = gen_then(g, BPF_ALU | BPF_AND | BPF_K, mask, next);
		return gen_load(g, offset, next);
	}
	/* Nothing changes the word here: the next rule need not load it again. */
	on_true = behind_load(g, on_true, offset);
	on_false = behind_load(g, on_false, offset);
	if (mask == UINT32_MAX)
		next = gen_jump(g, BPF_JEQ, value, on_true, on_false);
	else if (value == 0)
		next = gen_jump(g, BPF_JSET, mask, on_false, on_true);
	else
		next = gen_jump(g, BPF_JSET, mask, on_true, on_false);
	return gen_load(g, offset, next);
}

/* low_op: BPF_JGT for >, BPF_JGE for >=. */
static size_t gen_greater(struct gen *g, size_t lo, size_t hi, uint64_t value, uint16_t low_op,
                          size_t on_true, size_t on_false)
{
	size_t low, equal;

	low = gen_load(g, lo, gen_jump(g, low_op, (uint32_t)value, on_true, on_false));
	equal = gen_jump(g, BPF_JEQ, (uint32_t)(value >> 32), low, on_false);
	return gen_load(g, hi, gen_jump(g, BPF_JGT, (uint32_t)(value >> 32), on_true, equal));
}

static size_t gen_compare(struct gen *g, const struct corral_seccomp_arg *arg, size_t on_true,
                          size_t on_false)
{
	size_t lo = offsetof(struct seccomp_data, args) + 8 * (size_t)arg->index, hi = lo + 4;
	uint64_t mask = UINT64_MAX, value = arg->value;

	switch (arg->op) {
	case CORRAL_SECCOMP_GT:
		return gen_greater(g, lo, hi, value, BPF_JGT, on_true, on_false);
	case CORRAL_SECCOMP_GE:
		return gen_greater(g, lo, hi, value, BPF_JGE, on_true, on_false);
	case CORRAL_SECCOMP_LE:
		return gen_greater(g, lo, hi, value, BPF_JGT, on_false, on_true);
	case CORRAL_SECCOMP_LT:
		return gen_greater(g, lo, hi, value, BPF_JGE, on_false, on_true);
	case CORRAL_SECCOMP_NE: {
		size_t swap = on_true;

		on_true = on_false;
		on_false = swap;
		break;
	}
	case CORRAL_SECCOMP_MASKED_EQ:
		mask = arg->value;
		value = arg->value_two;
		break;
	case CORRAL_SECCOMP_EQ:
		break;
	}
	on_true = gen_masked_word(g, lo, (uint32_t)mask, (uint32_t)value, on_true, on_false);
	return gen_masked_word(g, hi, (uint32_t)(mask >> 32), (uint32_t)(value >> 32), on_true,
	                       on_false);
}

static size_t gen_call(struct gen *g, const struct corral_seccomp_call *call)
{
	size_t next = gen_ret(g, call->otherwise);

	for (size_t i = call->n_conditional; i > 0; i--) {
		const struct corral_seccomp_entry *entry = call->conditional[i - 1];
		size_t match = gen_ret(g, entry->action);

		for (size_t k = entry->n_args; k > 0; k--)
			match = gen_compare(g, &entry->args[k - 1], match, next);
		next = match;
	}
	return next;
}

/* ---- the tree over ranges ---- */

struct range {
	uint32_t from;
	uint32_t weight;
	const struct corral_seccomp_call *call; /* NULL: action alone */
	uint32_t action;
};

struct ranges {
	struct range list[CORRAL_SYSCALLS_MAX + 2];
	size_t n;
};

static bool same_answer(const struct range *a, const struct range *b)
{
	if (!a->call || !b->call)
		return a->call == b->call && a->action == b->action;
	return a->call->n_conditional == b->call->n_conditional &&
	       a->call->otherwise == b->call->otherwise &&
	       memcmp(a->call->conditional, b->call->conditional,
	              a->call->n_conditional * sizeof(*a->call->conditional)) == 0;
}

static void add_range(struct ranges *r, struct range range)
{
	if (r->n && same_answer(&r->list[r->n - 1], &range))
		r->list[r->n - 1].weight += range.weight;
	else
		r->list[r->n++] = range;
}

static void collect(const struct corral_seccomp_rules *rules, struct ranges *r)
{
	for (uint32_t nr = 0; nr < CORRAL_SYSCALLS_MAX; nr++) {
		const struct corral_seccomp_call *call = &rules->calls[nr];

		add_range(r, (struct range) {
		                     .from = nr,
		                     .weight = call->n_conditional ? WEIGHT_CONDITIONAL
		                               : call->known       ? 1
		                                                   : 0,
		                     .call = call->n_conditional ? call : NULL,
		                     .action = call->otherwise,
		             });
	}
	add_range(r, (struct range) { .from = CORRAL_SYSCALLS_MAX, .action = rules->beyond });
	if (CORRAL_NATIVE_HAS_X32)
		add_range(r, (struct range) { .from = CORRAL_X32_BIT,
		                              .action = SECCOMP_RET_KILL_PROCESS });
}

/* Where the weights on both sides are most alike; left has at least one range, right too. */
static size_t split(const struct range *list, size_t n)
{
	uint64_t total = 0, left = 0, best_difference = UINT64_MAX;
	size_t best = 1;

	for (size_t i = 0; i < n; i++)
		total += list[i].weight;
	for (size_t i = 1; i < n; i++) {
		uint64_t right, difference;

		left += list[i - 1].weight;
		right = total - left;
		difference = left > right ? left - right : right - left;
		if (difference < best_difference) {
			best_difference = difference;
			best = i;
		}
	}
	return best;
}

/* The depth is at most the number of ranges, and that at most CORRAL_SYSCALLS_MAX + 2. */
static size_t gen_tree(struct gen *g, const struct range *list, size_t n)
{
	size_t middle, right, left;

	if (n == 1)
		return list->call ? gen_call(g, list->call) : gen_ret(g, list->action);
	middle = split(list, n);
	right = gen_tree(g, list + middle, n - middle);
	left = gen_tree(g, list, middle);
	return gen_jump(g, BPF_JGE, list[middle].from, right, left);
}

/*
 * Turns the code round and leaves out what nothing leads to (loads that were jumped behind). Jumps
 * go forward only, so one pass finds what is reached; distances can only shrink.
 */
static size_t write_reachable(const struct gen *g, struct sock_filter *out)
{
	bool reached[CORRAL_SECCOMP_INSNS_MAX + 1] = { false };
	uint16_t place[CORRAL_SECCOMP_INSNS_MAX + 1] = { 0 };
	size_t n = 0;

	reached[0] = true;
	for (size_t i = 0; i < g->n; i++) {
		const struct sock_filter *insn = &g->code[g->n - 1 - i];

		place[i] = (uint16_t)n;
		if (!reached[i])
			continue;
		out[n++] = *insn;
		if (insn->code == (BPF_JMP | BPF_JA)) {
			reached[i + 1 + insn->k] = true;
		} else if (BPF_CLASS(insn->code) == BPF_JMP) {
			reached[i + 1 + insn->jt] = true;
			reached[i + 1 + insn->jf] = true;
		} else if (BPF_CLASS(insn->code) != BPF_RET) {
			reached[i + 1] = true;
		}
	}
	for (size_t i = 0; i < g->n; i++) {
		const struct sock_filter *insn = &g->code[g->n - 1 - i];
		struct sock_filter *to = &out[place[i]];

		if (!reached[i] || BPF_CLASS(insn->code) != BPF_JMP)
			continue;
		if (insn->code == (BPF_JMP | BPF_JA)) {
			to->k = (uint32_t)(place[i + 1 + insn->k] - place[i] - 1);
		} else {
			to->jt = (uint8_t)(place[i + 1 + insn->jt] - place[i] - 1);
			to->jf = (uint8_t)(place[i + 1 + insn->jf] - place[i] - 1);
		}
	}
	return n;
}

int corral_seccomp_tree(const struct corral_seccomp_rules *rules,
                        struct corral_seccomp_program *ret, struct corral_error *err)
{
	corral_autofree struct gen *g = calloc(1, sizeof(*g));
	corral_autofree struct ranges *ranges = calloc(1, sizeof(*ranges));
	struct sock_filter *out;
	size_t start;

	if (!g || !ranges)
		return corral_error_set(err, ENOMEM, "out of memory");
	collect(rules, ranges);
	start = gen_tree(g, ranges->list, ranges->n);
	start = gen_load(g, offsetof(struct seccomp_data, nr), start);
	start = gen_jump(g, BPF_JEQ, CORRAL_NATIVE_ARCH, start,
	                 gen_ret(g, SECCOMP_RET_KILL_PROCESS));
	(void)gen_load(g, offsetof(struct seccomp_data, arch), start);
	if (g->full)
		return corral_error_set(err, E2BIG, "more than %u instructions",
		                        CORRAL_SECCOMP_INSNS_MAX);
	out = calloc(g->n, sizeof(*out));
	if (!out)
		return corral_error_set(err, ENOMEM, "out of memory");
	ret->n = write_reachable(g, out);
	ret->insns = out;
	return 0;
}
