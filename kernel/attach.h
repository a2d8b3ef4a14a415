/*
 * The workspace of a sandbox that was made before anybody said which: attached from outside, to the
 * mount namespace that the guest has not yet run anything in.
 */
#ifndef CORRAL_KERNEL_ATTACH_H
#define CORRAL_KERNEL_ATTACH_H

#include <stdbool.h>

#include "kernel/base/error.h"

struct corral_launcher;
struct corral_policy;
struct corral_sandbox;

/* Only root's mounts belong to the caller's own user namespace: an ordinary user's sandbox is made
 * with its workspace, or not at all. */
bool corral_attach_possible(const struct corral_launcher *l);

/* Of a sandbox in which no command has run. -errno leaves it as it was. */
int corral_attach_workspace(struct corral_sandbox *s, const struct corral_policy *p,
                            struct corral_error *err);

#endif
