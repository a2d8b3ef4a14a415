/*
 * The weaker tier, CORRAL_TIER_CONFINED: what contains a command where the host refuses namespaces.
 * When it is offered, what it cannot do, and the policy as it is there. Its plan is in
 * kernel/plan_confined.c, its fence in kernel/init/confined.c.
 *
 * In force: Landlock (only listed files, no TCP, no signals to the outside), seccomp, no_new_privs,
 * capabilities, rlimits, and a control group where there is one. What it does not give: a root,
 * /proc, /tmp or ids of its own. The guest is the caller's own user to the rest of the host: it
 * sees that processes and files exist (stat(2)), and with a writable directory it may change modes,
 * owners and times of other files of this user, though neither their names nor their contents, for
 * Landlock does not know these calls.
 */
#ifndef CORRAL_KERNEL_CONFINED_H
#define CORRAL_KERNEL_CONFINED_H

#include "kernel/host.h"
#include "kernel/plan_build.h"
#include "policy/policy.h"

struct corral_sandbox;

/* Limits that take a file system of their own. */
#define CORRAL_CONFINED_NO_LIMITS (CORRAL_LIMIT_DISK | CORRAL_LIMIT_DISK_INODES)

/*
 * After a failure r of making namespaces, id maps or mounts: notes in s that the host refused, and
 * names --allow-weaker in err unless the caller has consented already. Returns r; does nothing for
 * other codes.
 */
int corral_confined_offer(struct corral_sandbox *s, int r, struct corral_error *err);
/* The same for a step of the plan, if it is one of these: a bad path of the caller's is not. */
int corral_confined_offer_step(struct corral_sandbox *s, const struct corral_plan *plan,
                               uint32_t step, int r, struct corral_error *err);

/*
 * p as it is in this tier: it starts in the workspace where that is on the host, or in "/", and the
 * environment names no place that is not there. -EOPNOTSUPP with the option's name for what takes
 * namespaces. Borrows all else from p; done() in every case.
 */
int corral_confined_policy_init(struct corral_policy *ret, const struct corral_policy *p,
                                const struct corral_host *host, struct corral_error *err);
void corral_confined_policy_done(struct corral_policy *less);

#endif
