/*
 * Theory of operation. A call's entries with args are held in a set of 64 bits, most severe first.
 * One argument after the other, the values it can have are cut into boxes (some bits fixed, the
 * rest free) until each entry's condition on it holds for all of a box or for none; an entry that
 * fails leaves the set. What is left to know of a box is then the entries still in the set and the
 * action that counts if none of them matches: its verdict. Boxes of equal verdict are joined where
 * they differ in one bit. When the set is empty, the path to it is a piece.
 *
 * Cutting is halving at one bit, so the boxes are disjoint by construction; which bit only decides
 * how many there are. The complement of one value of 32 bits takes 32 boxes, and no cover by masks
 * is smaller: each box can hold but one of the value's 32 neighbours.
 *
 * The order of the arguments also decides how many, so each order is tried.
 */
#include "policy/seccomp_disjoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

#define LEAVES_MAX  512u       /* boxes of one argument */
#define WORK_MAX    (1u << 13) /* cuts for one order of the arguments */
#define ORDERED_MAX 4u         /* arguments whose orders are all tried: 24 */

/* More pieces than this, and a call's refusals all get the default's errno. */
#define EXACT_MAX 96u

/*
 * The complement of what is allowed reaches up to the highest bit. Families of sockets and the like
 * are small numbers: for those the errno of "every other" is worth an entry each, for the rest not.
 */
#define NEAR_MAX 255u

/* What is still to be known; no entries: it is decided. */
struct verdict {
	uint64_t live;
	uint32_t otherwise;
	bool matched; /* otherwise is an entry's that has args and matches */
};

struct leaf {
	struct corral_seccomp_arg cond;
	struct verdict verdict;
};

struct box {
	uint64_t mask, value;
};

/* One attempt: an order of the arguments. */
struct attempt {
	const struct corral_seccomp_call *call;
	uint32_t actions[CORRAL_SECCOMP_CONDITIONAL_MAX]; /* of the entries */
	const struct corral_seccomp_arg *conds[CORRAL_SECCOMP_CONDITIONAL_MAX][CORRAL_SECCOMP_ARGS];
	unsigned int asks[CORRAL_SECCOMP_CONDITIONAL_MAX]; /* bits: arguments compared */
	uint32_t default_action;
	unsigned int last; /* the highest index that some entry compares */
	unsigned int order[CORRAL_SECCOMP_ARGS];
	size_t n_order;
	size_t work, *budget;
	struct corral_seccomp_piece path;
	struct corral_seccomp_pieces pieces;
};

enum truth { NEVER, ALWAYS, DEPENDS };

static enum truth truth_of_range(const struct corral_seccomp_arg *c, const struct box *b)
{
	uint64_t min = b->value, max = b->value | ~b->mask;
	bool below = c->op == CORRAL_SECCOMP_LT || c->op == CORRAL_SECCOMP_LE;
	/* Of "less than this or not", the highest value that is; none: nothing is. */
	bool none = !c->value && (c->op == CORRAL_SECCOMP_LT || c->op == CORRAL_SECCOMP_GE);
	uint64_t last =
	        c->op == CORRAL_SECCOMP_LT || c->op == CORRAL_SECCOMP_GE ? c->value - 1 : c->value;

	if (none || min > last)
		return below ? NEVER : ALWAYS;
	if (max <= last)
		return below ? ALWAYS : NEVER;
	return DEPENDS;
}

/* The bits a comparison for equality looks at, and what they must be. */
static struct box equality(const struct corral_seccomp_arg *c)
{
	if (c->op == CORRAL_SECCOMP_MASKED_EQ)
		return (struct box) { c->value, c->value_two };
	return (struct box) { UINT64_MAX, c->value };
}

static bool is_range(const struct corral_seccomp_arg *c)
{
	return c->op != CORRAL_SECCOMP_MASKED_EQ && c->op != CORRAL_SECCOMP_EQ &&
	       c->op != CORRAL_SECCOMP_NE;
}

static enum truth truth_of(const struct corral_seccomp_arg *c, const struct box *b)
{
	struct box e = equality(c);
	bool unequal = c->op == CORRAL_SECCOMP_NE;

	if (is_range(c))
		return truth_of_range(c, b);
	if ((e.value ^ b->value) & e.mask & b->mask)
		return unequal ? ALWAYS : NEVER;
	if (!(e.mask & ~b->mask))
		return unequal ? NEVER : ALWAYS;
	return DEPENDS;
}

/*
 * Leaves in v what matters. open: the arguments not looked at yet; met: the entries for which the
 * argument of the bit now holds.
 */
static void settle(const struct attempt *a, struct verdict *v, unsigned int open, uint64_t met,
                   unsigned int now)
{
	for (size_t i = 0; i < a->call->n_conditional; i++) {
		unsigned int left = a->asks[i] & (met >> i & 1 ? open & ~now : open);

		if (!(v->live >> i & 1) || left)
			continue;
		v->otherwise = a->actions[i];
		v->matched = true;
		v->live &= (1ull << i) - 1;
		break;
	}
	/* An entry that says the same as what would count without it. */
	for (size_t i = a->call->n_conditional; i-- > 0;) {
		if (!(v->live >> i & 1))
			continue;
		if (a->actions[i] != v->otherwise)
			break;
		v->live &= ~(1ull << i);
	}
}

/* The verdict of a box; the entries that make another cut necessary are in ret_open. */
static struct verdict look(const struct attempt *a, struct verdict v, unsigned int open,
                           unsigned int index, const struct box *b, uint64_t *ret_open)
{
	uint64_t met = 0, depends = 0;

	for (size_t i = 0; i < a->call->n_conditional; i++) {
		if (!(v.live >> i & 1) || !a->conds[i][index])
			continue;
		switch (truth_of(a->conds[i][index], b)) {
		case NEVER:
			v.live &= ~(1ull << i);
			break;
		case ALWAYS:
			met |= 1ull << i;
			break;
		case DEPENDS:
			depends |= 1ull << i;
			break;
		}
	}
	settle(a, &v, open, met, 1u << index);
	*ret_open = depends & v.live;
	return v;
}

/*
 * Where to halve. Ranges fall apart only from the top. Else the bit that most entries care for,
 * since the others are doubled by it; among those the one where they agree most, which leaves a
 * half that none of them speaks of.
 */
static unsigned int choose_bit(const struct attempt *a, unsigned int index, const struct box *b,
                               uint64_t open)
{
	unsigned int best = 63u - (unsigned int)__builtin_clzll(~b->mask), best_score = 0;
	unsigned int votes[2][64] = { 0 };

	for (size_t i = 0; i < a->call->n_conditional; i++) {
		struct box e;

		if (!(open >> i & 1))
			continue;
		if (is_range(a->conds[i][index]))
			return best;
		e = equality(a->conds[i][index]);
		for (uint64_t free = e.mask & ~b->mask; free; free &= free - 1) {
			unsigned int bit = (unsigned int)__builtin_ctzll(free);

			votes[e.value >> bit & 1][bit]++;
		}
	}
	for (unsigned int bit = 64; bit-- > 0;) {
		unsigned int no = votes[0][bit], yes = votes[1][bit];
		unsigned int score = (no + yes) * 128 + (no > yes ? no - yes : yes - no);

		if (score > best_score) {
			best_score = score;
			best = bit;
		}
	}
	return best;
}

struct leaves {
	struct leaf *list;
	size_t n;
};

static bool verdict_same(const struct verdict *a, const struct verdict *b)
{
	return a->live == b->live && a->otherwise == b->otherwise && a->matched == b->matched;
}

static int leaf_add(struct leaves *l, const struct leaf *leaf)
{
	if (l->n == LEAVES_MAX)
		return -EOPNOTSUPP;
	l->list[l->n++] = *leaf;
	return 0;
}

static int spend(struct attempt *a)
{
	if (a->work == WORK_MAX || !*a->budget)
		return -EOPNOTSUPP;
	a->work++;
	--*a->budget;
	return 0;
}

static int cut(struct attempt *a, struct verdict v, unsigned int open, unsigned int index,
               struct box b, struct leaves *l)
{
	struct leaf leaf = { .cond = { index, CORRAL_SECCOMP_MASKED_EQ, b.mask, b.value } };
	uint64_t depends, bit;
	int r;

	r = spend(a);
	if (r < 0)
		return r;
	leaf.verdict = look(a, v, open, index, &b, &depends);
	if (!depends)
		return leaf_add(l, &leaf);
	bit = 1ull << choose_bit(a, index, &b, depends);
	b.mask |= bit;
	r = cut(a, v, open, index, b, l);
	b.value |= bit;
	return r < 0 ? r : cut(a, v, open, index, b, l);
}

/* Two boxes of one verdict that differ in one bit are one box. True: something was joined. */
static bool join(struct leaves *l)
{
	bool joined = false;

	for (size_t i = 0; i < l->n; i++) {
		for (size_t k = i + 1; k < l->n; k++) {
			struct leaf *one = &l->list[i], *other = &l->list[k];
			uint64_t differs = one->cond.value_two ^ other->cond.value_two;

			if (one->cond.value != other->cond.value ||
			    __builtin_popcountll(differs) != 1 ||
			    !verdict_same(&one->verdict, &other->verdict))
				continue;
			one->cond.value &= ~differs;
			one->cond.value_two &= ~differs;
			*other = l->list[--l->n];
			joined = true;
			k = i; /* the one is larger now, and may fit what it did not before */
		}
	}
	return joined;
}

/*
 * When all there is to know of an argument is whether it is one value of 64 bits. Only of the last
 * argument: what follows a NE is reached in two ways, and libseccomp (2.5.4) makes a circle of its
 * tree when it joins another entry to that, and never ends. Guarded by
 * profiles_by_chance_mean_the_same_where_they_can_be_told.
 */
static bool single_value(const struct attempt *a, uint64_t live, unsigned int index,
                         uint64_t *ret_value)
{
	bool found = false;

	for (size_t i = 0; i < a->call->n_conditional; i++) {
		const struct corral_seccomp_arg *c = a->conds[i][index];
		struct box e;

		if (!(live >> i & 1) || !c)
			continue;
		e = equality(c);
		if (is_range(c) || e.mask != UINT64_MAX || (found && e.value != *ret_value))
			return false;
		*ret_value = e.value;
		found = true;
	}
	return found;
}

/* Any value but that one stands for all of them, since nobody asks for another. */
static int cut_in_two(struct attempt *a, const struct verdict *v, unsigned int open,
                      unsigned int index, uint64_t value, struct leaves *l)
{
	const struct box is = { UINT64_MAX, value }, is_not = { UINT64_MAX, ~value };
	struct leaf equal = { .cond = { index, CORRAL_SECCOMP_EQ, value, 0 } };
	struct leaf unequal = { .cond = { index, CORRAL_SECCOMP_NE, value, 0 } };
	uint64_t depends;
	int r = spend(a);

	if (r < 0)
		return r;
	equal.verdict = look(a, *v, open, index, &is, &depends);
	unequal.verdict = look(a, *v, open, index, &is_not, &depends);
	if (verdict_same(&equal.verdict, &unequal.verdict))
		equal.cond = (struct corral_seccomp_arg) { index, CORRAL_SECCOMP_MASKED_EQ, 0, 0 };
	else if (leaf_add(l, &unequal) < 0)
		return -EOPNOTSUPP;
	return leaf_add(l, &equal);
}

/* A refusal that may as well be the default's. */
static uint32_t coarsened(const struct attempt *a, uint32_t action)
{
	bool both = (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
	            (a->default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO;

	return both ? a->default_action : action;
}

/* All values of the box are beyond what anybody means to pass. */
static bool far_off(const struct corral_seccomp_arg *c)
{
	return c->op == CORRAL_SECCOMP_MASKED_EQ && c->value_two > NEAR_MAX;
}

static int piece_add(struct attempt *a, const struct verdict *v)
{
	struct corral_seccomp_piece *piece = &a->pieces.list[a->pieces.n];
	uint32_t action = v->otherwise;

	for (size_t i = 0; !v->matched && i < a->path.n_args; i++)
		if (far_off(&a->path.args[i]))
			action = coarsened(a, action);
	if (action == a->default_action)
		return 0;
	if (a->pieces.n == CORRAL_SECCOMP_DISJOINT_MAX)
		return -EOPNOTSUPP;
	*piece = a->path;
	piece->action = action;
	a->pieces.n++;
	return 0;
}

static int descend(struct attempt *a, struct verdict v, unsigned int open, size_t depth)
{
	const struct box all = { 0, 0 };
	corral_autofree struct leaf *list = NULL;
	struct leaves l = { 0 };
	unsigned int index;
	uint64_t value = 0;
	int r;

	if (!v.live)
		return piece_add(a, &v);
	index = a->order[depth]; /* an entry of the set still asks for some argument */
	list = l.list = malloc(LEAVES_MAX * sizeof(*list));
	if (!list)
		return -ENOMEM;
	if (index == a->last && single_value(a, v.live, index, &value))
		r = cut_in_two(a, &v, open, index, value, &l);
	else
		r = cut(a, v, open, index, all, &l);
	while (r == 0 && join(&l))
		;
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		const struct corral_seccomp_arg *c = &list[i].cond;
		/* A mask of no bits is no condition, and libseccomp drops the whole entry's. */
		size_t told = c->op == CORRAL_SECCOMP_MASKED_EQ && !c->value ? 0 : 1;

		a->path.args[a->path.n_args] = *c;
		a->path.n_args += told;
		r = descend(a, list[i].verdict, open & ~(1u << index), depth + 1);
		a->path.n_args -= told;
	}
	return r;
}

/* ---- the attempts ---- */

static void swap(unsigned int *a, unsigned int *b)
{
	unsigned int was = *a;

	*a = *b;
	*b = was;
}

/* The next permutation, by rank; false after the last. */
static bool next_order(unsigned int *order, size_t n)
{
	size_t i = n - 1, k = i;

	while (i > 0 && order[i - 1] > order[i])
		i--;
	if (i == 0)
		return false;
	while (order[k] < order[i - 1])
		k--;
	swap(&order[i - 1], &order[k]);
	for (size_t from = i, to = n - 1; from < to; from++, to--)
		swap(&order[from], &order[to]);
	return true;
}

static int attempt_run(struct attempt *a, uint32_t otherwise, unsigned int asked)
{
	struct verdict v = { .otherwise = otherwise };
	size_t n = a->call->n_conditional;

	a->pieces.n = a->work = 0;
	a->path.n_args = 0;
	v.live = n == 64 ? UINT64_MAX : (1ull << n) - 1;
	settle(a, &v, asked, 0, 0);
	return descend(a, v, asked, 0);
}

/* The shortest of all orders, into best; -EOPNOTSUPP when none fits. */
static int shortest(struct attempt *a, bool coarse, struct corral_seccomp_pieces *best)
{
	const struct corral_seccomp_call *call = a->call;
	uint32_t otherwise = call->otherwise;
	unsigned int asked = 0;
	bool found = false;
	int r;

	for (size_t i = 0; i < call->n_conditional; i++) {
		a->actions[i] = call->conditional[i]->action;
		if (coarse)
			a->actions[i] = coarsened(a, a->actions[i]);
		asked |= a->asks[i];
	}
	if (coarse)
		otherwise = coarsened(a, otherwise);
	a->n_order = 0;
	for (unsigned int index = 0; index < CORRAL_SECCOMP_ARGS; index++)
		if (asked & 1u << index)
			a->order[a->n_order++] = index;
	do {
		r = attempt_run(a, otherwise, asked);
		if (r < 0 && r != -EOPNOTSUPP)
			return r;
		if (r == 0 && (!found || a->pieces.n < best->n)) {
			struct corral_seccomp_pieces swapped = *best;

			*best = a->pieces;
			a->pieces = swapped;
			found = true;
		}
	} while (a->n_order > 1 && a->n_order <= ORDERED_MAX && next_order(a->order, a->n_order));
	return found ? 0 : -EOPNOTSUPP;
}

static void attempt_init(struct attempt *a, const struct corral_seccomp_call *call,
                         uint32_t default_action)
{
	a->call = call;
	a->default_action = default_action;
	for (size_t i = 0; i < call->n_conditional; i++) {
		const struct corral_seccomp_entry *e = call->conditional[i];

		for (size_t k = 0; k < e->n_args; k++) {
			a->conds[i][e->args[k].index] = &e->args[k];
			a->asks[i] |= 1u << e->args[k].index;
			if (e->args[k].index > a->last)
				a->last = e->args[k].index;
		}
	}
}

int corral_seccomp_disjoint(const struct corral_seccomp_call *call, const char *name,
                            uint32_t default_action, size_t *budget,
                            struct corral_seccomp_pieces *ret, struct corral_error *err)
{
	corral_autofree struct attempt *a = calloc(1, sizeof(*a));
	struct corral_seccomp_pieces best = { 0 };
	int r = -ENOMEM;

	if (a)
		a->pieces.list = malloc(CORRAL_SECCOMP_DISJOINT_MAX * sizeof(*best.list));
	best.list = malloc(CORRAL_SECCOMP_DISJOINT_MAX * sizeof(*best.list));
	if (a && a->pieces.list && best.list) {
		a->budget = budget;
		attempt_init(a, call, default_action);
		r = shortest(a, false, &best);
		if (r == -EOPNOTSUPP || (r == 0 && best.n > EXACT_MAX))
			r = shortest(a, true, &best);
	}
	if (a)
		corral_seccomp_pieces_done(&a->pieces);
	if (r < 0) {
		corral_seccomp_pieces_done(&best);
		return r == -ENOMEM ? corral_error_set(err, ENOMEM, "out of memory")
		                    : corral_error_set(err, EOPNOTSUPP,
		                                       "%s: its conditions need more than %u "
		                                       "entries for an OCI runtime",
		                                       name, CORRAL_SECCOMP_DISJOINT_MAX);
	}
	*ret = best;
	return 0;
}

void corral_seccomp_pieces_done(struct corral_seccomp_pieces *p)
{
	free(p->list);
	p->list = NULL;
	p->n = 0;
}
