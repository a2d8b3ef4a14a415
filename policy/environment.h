/*
 * The guest's environment: what the policy gives to everybody, and what was asked for. Nothing of
 * the host's own environment is in it.
 */
#ifndef CORRAL_POLICY_ENVIRONMENT_H
#define CORRAL_POLICY_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/base/error.h"

struct corral_policy;
struct corral_config;

/* Fills p->env from c->env and, unless c->clear_env, the defaults for p's user, work_dir and
 * hostname. */
int corral_environment_compose(const struct corral_config *c, struct corral_policy *p,
                               struct corral_error *err);

/*
 * What every sandbox of a runtime has beneath the runtime's own, native or a container (upstream
 * contract, 5.2): NULL-terminated, static. own_account: the runtime brings a user of its own, who
 * does not install into the system's Python.
 */
char *const *corral_environment_usual(bool own_account);

#endif
