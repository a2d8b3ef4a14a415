/*
 * The guest's environment: what the policy gives to everybody, and what was asked for. Nothing of
 * the host's own environment is in it.
 */
#ifndef CORRAL_POLICY_ENVIRONMENT_H
#define CORRAL_POLICY_ENVIRONMENT_H

#include <stddef.h>

#include "kernel/base/error.h"

struct corral_policy;
struct corral_config;

/* Fills p->env from c->env and, unless c->clear_env, the defaults for p's user, work_dir and
 * hostname. */
int corral_environment_compose(const struct corral_config *c, struct corral_policy *p,
                               struct corral_error *err);

#endif
