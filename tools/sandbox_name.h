/* Names that people give to sandboxes. */
#ifndef CORRAL_TOOLS_SANDBOX_NAME_H
#define CORRAL_TOOLS_SANDBOX_NAME_H

#include "kernel/base/error.h"

#define CORRAL_SANDBOX_NAME_SIZE 64

/* [a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}: 0 or -EINVAL. */
int corral_sandbox_name_check(const char *name, struct corral_error *err);

#endif
