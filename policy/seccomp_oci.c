/*
 * The text is put together by hand: values have 64 bits, and jansson's numbers 63. Names come from
 * the table of system calls, so nothing needs to be escaped.
 */
#include "policy/seccomp_oci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "policy/seccomp_disjoint.h"
#include "policy/seccomp_profile.h"
#include "policy/syscalls.h"

/* What conditions may become: a program has CORRAL_SECCOMP_INSNS_MAX, and all else needs some. */
#define INSNS_MAX (CORRAL_SECCOMP_INSNS_MAX - 800u)

struct calls {
	struct corral_seccomp_pieces pieces[CORRAL_SYSCALLS_MAX];
	bool told[CORRAL_SYSCALLS_MAX]; /* nothing more to say of this call */
	size_t n_insns;                 /* about */
};

static void calls_free(struct calls **c)
{
	for (size_t nr = 0; *c && nr < CORRAL_SYSCALLS_MAX; nr++)
		corral_seccomp_pieces_done(&(*c)->pieces[nr]);
	free(*c);
	*c = NULL;
}

static const char *action_name(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_KILL_PROCESS:
		return "SCMP_ACT_KILL_PROCESS";
	case SECCOMP_RET_TRAP:
		return "SCMP_ACT_TRAP";
	case SECCOMP_RET_ERRNO:
		return "SCMP_ACT_ERRNO";
	case SECCOMP_RET_TRACE:
		return "SCMP_ACT_TRACE";
	case SECCOMP_RET_LOG:
		return "SCMP_ACT_LOG";
	case SECCOMP_RET_ALLOW:
		return "SCMP_ACT_ALLOW";
	default: /* the word for it that old runtimes know as well */
		return "SCMP_ACT_KILL";
	}
}

static bool takes_number(uint32_t action)
{
	return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ||
	       (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
}

static void action_text(struct corral_buf *b, uint32_t action)
{
	corral_buf_fmt(b, "\"action\":\"%s\"", action_name(action));
	if (takes_number(action))
		corral_buf_fmt(b, ",\"errnoRet\":%u", action & SECCOMP_RET_DATA);
}

static void name_text(struct corral_buf *b, uint32_t nr, bool first)
{
	char name[64];

	if (corral_syscall_name(nr, name, sizeof(name)))
		corral_buf_fmt(b, "%s\"%s\"", first ? "" : ",", name);
}

/* ---- calls without conditions: one entry for each action ---- */

static void plain_text(struct corral_buf *b, const struct corral_seccomp_rules *rules,
                       struct calls *c)
{
	for (uint32_t nr = 0; nr < CORRAL_SYSCALLS_MAX; nr++) {
		uint32_t action = rules->calls[nr].otherwise;

		if (c->told[nr])
			continue;
		corral_buf_str(b, "{\"names\":[");
		name_text(b, nr, true);
		for (uint32_t k = nr + 1; k < CORRAL_SYSCALLS_MAX; k++) {
			if (c->told[k] || rules->calls[k].otherwise != action)
				continue;
			name_text(b, k, false);
			c->told[k] = true;
		}
		corral_buf_str(b, "],");
		action_text(b, action);
		corral_buf_str(b, "},\n");
	}
}

/* ---- calls with conditions ---- */

static const char *op_name(enum corral_seccomp_op op)
{
	if (op == CORRAL_SECCOMP_EQ)
		return "SCMP_CMP_EQ";
	return op == CORRAL_SECCOMP_NE ? "SCMP_CMP_NE" : "SCMP_CMP_MASKED_EQ";
}

static void piece_text(struct corral_buf *b, const struct corral_seccomp_piece *piece)
{
	action_text(b, piece->action);
	for (size_t i = 0; i < piece->n_args; i++) {
		const struct corral_seccomp_arg *arg = &piece->args[i];

		corral_buf_fmt(b, "%s{\"index\":%u,\"value\":%llu,\"valueTwo\":%llu,\"op\":\"%s\"}",
		               i ? "," : ",\"args\":[", arg->index, (unsigned long long)arg->value,
		               (unsigned long long)arg->value_two, op_name(arg->op));
	}
	corral_buf_str(b, piece->n_args ? "]},\n" : "},\n");
}

static bool piece_same(const struct corral_seccomp_piece *a, const struct corral_seccomp_piece *b)
{
	if (a->n_args != b->n_args || a->action != b->action)
		return false;
	for (size_t i = 0; i < a->n_args; i++) {
		const struct corral_seccomp_arg *one = &a->args[i], *other = &b->args[i];

		if (one->index != other->index || one->op != other->op ||
		    one->value != other->value || one->value_two != other->value_two)
			return false;
	}
	return true;
}

static bool pieces_same(const struct corral_seccomp_pieces *a,
                        const struct corral_seccomp_pieces *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!piece_same(&a->list[i], &b->list[i]))
			return false;
	return true;
}

/* Calls of which the same is said (chmod, fchmod, ...) share their entries. */
static void pieces_text(struct corral_buf *b, const struct calls *c)
{
	for (uint32_t nr = 0; nr < CORRAL_SYSCALLS_MAX; nr++) {
		corral_autobuf struct corral_buf names = CORRAL_BUF_INIT;
		const struct corral_seccomp_pieces *mine = &c->pieces[nr];
		bool said = false;

		for (uint32_t k = 0; mine->n && k < nr && !said; k++)
			said = pieces_same(&c->pieces[k], mine);
		if (said || !mine->n)
			continue;
		for (uint32_t k = nr; k < CORRAL_SYSCALLS_MAX; k++)
			if (pieces_same(&c->pieces[k], mine))
				name_text(&names, k, k == nr);
		b->failed |= names.failed;
		for (size_t i = 0; i < mine->n && names.data; i++) {
			corral_buf_fmt(b, "{\"names\":[%s],", names.data);
			piece_text(b, &mine->list[i]);
		}
	}
}

/*
 * About what libseccomp makes of them: load, mask and jump for each word compared, of which entries
 * that begin alike share the upper one.
 */
static size_t insns_of(const struct corral_seccomp_pieces *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->list[i].n_args; k++) {
			const struct corral_seccomp_arg *arg = &p->list[i].args[k];
			bool upper = arg->op != CORRAL_SECCOMP_MASKED_EQ || arg->value >> 32;

			n += k || upper ? 6 : 3;
		}
	return n;
}

static int calls_fill(struct calls *c, const struct corral_seccomp_rules *rules,
                      uint32_t default_action, struct corral_error *err)
{
	size_t budget = CORRAL_SECCOMP_DISJOINT_BUDGET;
	char name[64];
	int r;

	for (uint32_t nr = 0; nr < CORRAL_SYSCALLS_MAX; nr++) {
		const struct corral_seccomp_call *call = &rules->calls[nr];

		/* libseccomp takes no rule that says what counts without it. */
		c->told[nr] =
		        !call->known || call->n_conditional || call->otherwise == default_action;
		if (!call->known || !call->n_conditional)
			continue;
		(void)corral_syscall_name(nr, name, sizeof(name));
		r = corral_seccomp_disjoint(call, name, default_action, &budget, &c->pieces[nr],
		                            err);
		if (r < 0)
			return r;
		c->n_insns += insns_of(&c->pieces[nr]);
		if (c->n_insns > INSNS_MAX)
			return corral_error_set(err, EOPNOTSUPP,
			                        "%s: with its conditions, an OCI runtime's program "
			                        "has more than %u instructions",
			                        name, CORRAL_SECCOMP_INSNS_MAX);
	}
	return 0;
}

static void profile_text(struct corral_buf *b, const struct corral_seccomp_profile *p,
                         const struct corral_seccomp_rules *rules, struct calls *c)
{
	corral_buf_fmt(b, "{\"defaultAction\":\"%s\",", action_name(p->default_action));
	if (takes_number(p->default_action))
		corral_buf_fmt(b, "\"defaultErrnoRet\":%u,", p->default_action & SECCOMP_RET_DATA);
	/* No sub-architectures: their calls are killed, as by a program of ours. */
	corral_buf_str(b, "\"archMap\":[{\"architecture\":\"" CORRAL_NATIVE_SCMP "\","
	                  "\"subArchitectures\":[]}],\n\"syscalls\":[\n");
	plain_text(b, rules, c);
	pieces_text(b, c);
	if (b->len >= 2 && b->data[b->len - 2] == ',') /* behind the last entry */
		b->data[b->len - 2] = ' ';
	corral_buf_str(b, "]}\n");
}

int corral_seccomp_to_oci(const char *json, size_t len, uint64_t caps, struct corral_buf *ret,
                          struct corral_error *err)
{
	const struct corral_seccomp_context context = corral_seccomp_context_here(caps);
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	corral_autorules struct corral_seccomp_rules *rules = NULL;
	corral_auto(calls_free) struct calls *c = calloc(1, sizeof(*c));
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = corral_seccomp_profile_parse(json, len, &context, &p, err);
	if (r == 0)
		r = corral_seccomp_rules_new(p, &rules, err);
	if (r == 0)
		r = calls_fill(c, rules, p->default_action, err);
	if (r < 0)
		return r;
	profile_text(&text, p, rules, c);
	corral_buf_add(ret, text.data, text.len);
	return text.failed || ret->failed ? corral_error_set(err, ENOMEM, "out of memory") : 0;
}
