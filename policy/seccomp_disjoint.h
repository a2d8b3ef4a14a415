/*
 * What a profile says of one call, as entries of which at most one matches: then it does not count
 * in which order, and with which precedence, somebody else's compiler takes them. Internal to
 * policy/.
 */
#ifndef CORRAL_POLICY_SECCOMP_DISJOINT_H
#define CORRAL_POLICY_SECCOMP_DISJOINT_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "policy/seccomp_profile.h"

#define CORRAL_SECCOMP_DISJOINT_MAX 512u /* entries for one call */
#define CORRAL_SECCOMP_DISJOINT_BUDGET \
	(1u << 17) /* cuts for one profile: some tenths of a second */

struct corral_seccomp_piece {
	struct corral_seccomp_arg args[CORRAL_SECCOMP_ARGS]; /* one for each index at most */
	size_t n_args;
	uint32_t action;
};

struct corral_seccomp_pieces {
	struct corral_seccomp_piece *list; /* owned */
	size_t n;
};

/*
 * The pieces of a call whose action is not default_action; no two match the same arguments. Their
 * comparisons are MASKED_EQ; of the last argument that an entry compares, EQ and NE of 64 bits as
 * well. Where a refusal's errno would cost more entries than it is worth, the default's errno takes
 * its place, if the default is a refusal of the same kind (SECCOMP_RET_ERRNO); nothing else is
 * approximated. -EOPNOTSUPP: more than CORRAL_SECCOMP_DISJOINT_MAX pieces, or the budget is used
 * up, which is in and out. name is for the message.
 */
int corral_seccomp_disjoint(const struct corral_seccomp_call *call, const char *name,
                            uint32_t default_action, size_t *budget,
                            struct corral_seccomp_pieces *ret, struct corral_error *err);
void corral_seccomp_pieces_done(struct corral_seccomp_pieces *p);

#endif
