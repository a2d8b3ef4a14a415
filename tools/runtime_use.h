/*
 * From a runtime's name to what a sandbox of it is made from: the configuration beneath that of
 * files and flags, and whether it is a container.
 */
#ifndef CORRAL_TOOLS_RUNTIME_USE_H
#define CORRAL_TOOLS_RUNTIME_USE_H

#include "policy/isolation.h"
#include "tools/options.h"

/* For corral_options.use_runtime. */
int corral_runtime_use(struct corral_options *o, enum corral_option_command command,
                       const char *name, struct corral_config **ret, struct corral_error *err);

/*
 * How one is contained here, for what keeps it (sessions): where nothing but its image is missing,
 * that is fetched or built before, which is told on stderr. word: as it was named; pull: "missing"
 * (NULL), or "never". As corral_isolation_here_choose().
 */
int corral_runtime_contain(const struct corral_runtime *rt, const char *word, const char *pull,
                           struct corral_isolation_choice *ret, struct corral_error *err);

#endif
