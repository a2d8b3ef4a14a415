/* The runtimes of whoever calls us: which directories are read is decided here alone. */
#ifndef CORRAL_TOOLS_RUNTIMES_H
#define CORRAL_TOOLS_RUNTIMES_H

#include "policy/runtime_catalogue.h"

#define CORRAL_RUNTIMES_ETC "/etc/corral/runtimes"

/* The built-in ones, those of CORRAL_RUNTIMES_ETC, and the user's own in
 * $XDG_CONFIG_HOME/corral/runtimes (~/.config/corral/runtimes). */
int corral_runtimes_open(struct corral_runtime_catalogue **ret, struct corral_error *err);

/* One of these by its name, or a file's by its path: a word with '/' or ".json" is one. The
 * caller's own. */
int corral_runtimes_find(const char *word, struct corral_runtime **ret, struct corral_error *err);

#endif
