/*
 * Any profile, cut into pieces for an OCI runtime: at most one of them matches any arguments, and
 * it says what the profile says (an errno may have become the default's). Bytes that are no JSON
 * make a small profile of their own.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdlib.h>

#include "policy/seccomp_disjoint.h"
#include "policy/seccomp_oci.h"
#include "policy/seccomp_profile.h"
#include "tests/fuzz/seccomp_bytes.h"

#define SIZE_MAX_HERE 8192u /* larger ones take long, and show nothing else */

struct subject {
	const struct corral_seccomp_rules *rules;
	uint32_t default_action;
	struct corral_seccomp_pieces pieces[CORRAL_SYSCALLS_MAX];
};

static int matches(const struct corral_seccomp_piece *piece, const struct seccomp_data *data)
{
	for (size_t i = 0; i < piece->n_args; i++) {
		const struct corral_seccomp_arg *arg = &piece->args[i];
		uint64_t actual = data->args[arg->index];

		if (arg->op == CORRAL_SECCOMP_EQ && actual != arg->value)
			return 0;
		if (arg->op == CORRAL_SECCOMP_NE && actual == arg->value)
			return 0;
		if (arg->op == CORRAL_SECCOMP_MASKED_EQ && (actual & arg->value) != arg->value_two)
			return 0;
		if (arg->op != CORRAL_SECCOMP_EQ && arg->op != CORRAL_SECCOMP_NE &&
		    arg->op != CORRAL_SECCOMP_MASKED_EQ)
			abort();
	}
	return 1;
}

static uint32_t answer(const void *context, const struct seccomp_data *data)
{
	const struct subject *s = context;
	uint32_t nr = (uint32_t)data->nr, action = s->default_action;
	const struct corral_seccomp_pieces *pieces;
	unsigned int n = 0;

	if (data->arch != CORRAL_NATIVE_ARCH || (CORRAL_NATIVE_HAS_X32 && nr >= CORRAL_X32_BIT))
		return SECCOMP_RET_KILL_PROCESS;
	if (nr >= CORRAL_SYSCALLS_MAX)
		return s->rules->beyond;
	if (!s->rules->calls[nr].known || !s->rules->calls[nr].n_conditional)
		return s->rules->calls[nr].otherwise;
	pieces = &s->pieces[nr];
	for (size_t i = 0; i < pieces->n; i++) {
		if (!matches(&pieces->list[i], data))
			continue;
		action = pieces->list[i].action;
		if (n++ || action == s->default_action)
			abort();
	}
	return action;
}

static bool same(uint32_t subject, uint32_t profile)
{
	return subject == profile || ((subject & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
	                              (profile & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO);
}

static void check(const struct corral_seccomp_profile *p, const struct corral_seccomp_rules *rules)
{
	const struct corral_seccomp_subject subject = { answer, same, NULL };
	struct corral_seccomp_subject mine = subject;
	struct subject *s = calloc(1, sizeof(*s));
	size_t budget = CORRAL_SECCOMP_DISJOINT_BUDGET;
	struct corral_error err = { 0 };
	int r = s ? 0 : -ENOMEM;

	for (size_t nr = 0; r == 0 && nr < CORRAL_SYSCALLS_MAX; nr++) {
		s->rules = rules;
		s->default_action = p->default_action;
		if (rules->calls[nr].known && rules->calls[nr].n_conditional)
			r = corral_seccomp_disjoint(&rules->calls[nr], "call", p->default_action,
			                            &budget, &s->pieces[nr], &err);
	}
	if (r < 0 && r != -EOPNOTSUPP && r != -ENOMEM)
		abort();
	mine.context = s;
	if (r == 0 && corral_seccomp_profile_compare(p, &mine, &err) == -EBADMSG)
		abort();
	for (size_t nr = 0; s && nr < CORRAL_SYSCALLS_MAX; nr++)
		corral_seccomp_pieces_done(&s->pieces[nr]);
	free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct corral_seccomp_context context = corral_seccomp_context_here(1ull << 21);
	corral_autobuf struct corral_buf json = CORRAL_BUF_INIT, oci = CORRAL_BUF_INIT;
	corral_autoprofile struct corral_seccomp_profile *p = NULL;
	corral_autorules struct corral_seccomp_rules *rules = NULL;
	struct corral_error err = { 0 };
	int r;

	if (size > SIZE_MAX_HERE)
		return 0;
	if (size && data[0] == '{')
		corral_buf_add(&json, data, size);
	else
		seccomp_bytes_profile(data, size, &json);
	if (json.failed)
		return 0;
	r = corral_seccomp_to_oci(json.data, json.len, context.caps, &oci, &err);
	if (r < 0 && (!err.text[0] || err.code != -r || oci.len))
		abort();
	if (corral_seccomp_profile_parse(json.data, json.len, &context, &p, NULL) < 0 ||
	    corral_seccomp_rules_new(p, &rules, NULL) < 0)
		return 0;
	check(p, rules);
	return 0;
}
