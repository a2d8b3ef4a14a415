/* From options to a policy: what of the caller's surroundings goes in is decided here alone. */
#ifndef CORRAL_TOOLS_COMPILE_H
#define CORRAL_TOOLS_COMPILE_H

#include "kernel/base/error.h"
#include "policy/policy.h"
#include "tools/options.h"

/* A full-screen program needs to know the caller's terminal: TERM, unless the options have one. */
int corral_options_add_term(const struct corral_options *o, struct corral_error *err);

/* Adds TERM for a terminal, finds the cache for compiled profiles, compiles. */
int corral_options_compile(struct corral_options *o, struct corral_policy **ret,
                           struct corral_error *err);

#endif
