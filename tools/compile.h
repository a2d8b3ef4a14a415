/* From options to a policy: what of the caller's surroundings goes in is decided here alone. */
#ifndef CORRAL_TOOLS_COMPILE_H
#define CORRAL_TOOLS_COMPILE_H

#include "kernel/base/error.h"
#include "policy/policy.h"
#include "tools/options.h"

/* A full-screen program needs to know the caller's terminal: TERM, unless the options have one. */
int corral_options_add_term(const struct corral_options *o, struct corral_error *err);

/* Where compiled profiles are kept, made where it is not there; the caller's. NULL: nowhere, which
 * is no error, as compiling again costs milliseconds. */
char *corral_cache_dir(void);

/* Finds the cache for compiled profiles where it is of use, and compiles. */
int corral_config_compile(const struct corral_config *c, struct corral_policy **ret,
                          struct corral_error *err);

/* The same for options, with their texts in messages. Finds their image, and adds TERM for a
 * terminal. */
int corral_options_compile(struct corral_options *o, struct corral_policy **ret,
                           struct corral_error *err);

#endif
