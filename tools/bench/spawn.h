/*
 * The floor of all that runs a command: posix_spawn(3) of a shell that does nothing, waited for.
 */
#ifndef CORRAL_TOOLS_BENCH_SPAWN_H
#define CORRAL_TOOLS_BENCH_SPAWN_H

#include <spawn.h>

#include "kernel/base/error.h"

/* For streams that go nowhere; to be made once, outside of what is timed. */
int bench_spawn_init(posix_spawn_file_actions_t *quiet, struct corral_error *err);
int bench_spawn_shell(const posix_spawn_file_actions_t *quiet, struct corral_error *err);
/* What that runs, for who runs it otherwise. */
extern char *const bench_shell_argv[];

#endif
