/*
 * From a runtime's name to what a sandbox of it is made from: the configuration beneath that of
 * files and flags, and whether it is a container.
 */
#ifndef CORRAL_TOOLS_RUNTIME_USE_H
#define CORRAL_TOOLS_RUNTIME_USE_H

#include "tools/options.h"

/* For corral_options.use_runtime. */
int corral_runtime_use(struct corral_options *o, enum corral_option_command command,
                       const char *name, struct corral_config **ret, struct corral_error *err);

#endif
