/*
 * A profile's entries turned round: for each call number, which entries speak of it. Both compilers
 * start here; the evaluator does not, so that a mistake made here is one it sees.
 */
#include "policy/seccomp_profile.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel/base/cleanup.h"

static int add_conditional(struct corral_seccomp_call *call,
                           const struct corral_seccomp_entry *entry, const char *name,
                           struct corral_error *err)
{
	size_t at = call->n_conditional;

	if (at == CORRAL_SECCOMP_CONDITIONAL_MAX)
		return corral_error_set(err, EINVAL, "%s: more than %u entries with args", name,
		                        CORRAL_SECCOMP_CONDITIONAL_MAX);
	if (!call->conditional)
		call->conditional =
		        calloc(CORRAL_SECCOMP_CONDITIONAL_MAX, sizeof(*call->conditional));
	if (!call->conditional)
		return corral_error_set(err, ENOMEM, "out of memory");
	/* A name twice in one entry is one rule. */
	if (at && call->conditional[at - 1] == entry)
		return 0;
	while (at > 0 && corral_seccomp_severer(entry->action, call->conditional[at - 1]->action)) {
		call->conditional[at] = call->conditional[at - 1];
		at--;
	}
	call->conditional[at] = entry;
	call->n_conditional++;
	return 0;
}

int corral_seccomp_rules_new(const struct corral_seccomp_profile *p,
                             struct corral_seccomp_rules **ret, struct corral_error *err)
{
	corral_autorules struct corral_seccomp_rules *rules = calloc(1, sizeof(*rules));
	int r;

	if (!rules)
		return corral_error_set(err, ENOMEM, "out of memory");
	rules->beyond = corral_seccomp_unknown_action(p);
	for (uint32_t nr = 0; nr < CORRAL_SYSCALLS_MAX; nr++) {
		char name[64];

		rules->calls[nr].known = corral_syscall_name(nr, name, sizeof(name));
		rules->calls[nr].otherwise =
		        rules->calls[nr].known ? p->default_action : rules->beyond;
	}
	for (size_t i = 0; i < p->n_entries; i++) {
		const struct corral_seccomp_entry *entry = &p->entries[i];

		for (size_t k = 0; k < entry->n_names; k++) {
			struct corral_seccomp_call *call;

			if (entry->numbers[k] < 0)
				continue;
			call = &rules->calls[entry->numbers[k]];
			if (entry->n_args) {
				r = add_conditional(call, entry, entry->names[k], err);
				if (r < 0)
					return r;
			} else if (!call->listed ||
			           corral_seccomp_severer(entry->action, call->otherwise)) {
				call->otherwise = entry->action;
				call->listed = true;
			}
		}
	}
	*ret = corral_take_ptr(&rules);
	return 0;
}

void corral_seccomp_rules_free(struct corral_seccomp_rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < CORRAL_SYSCALLS_MAX; i++)
		free(r->calls[i].conditional);
	free(r);
}
