/*
 * Scope "call": a sandbox for each command, with nothing carried from one to the next but the work
 * directory. No process is left over, no PATH poisoned, nothing installed.
 */
#ifndef CORRAL_BACKENDS_CALL_H
#define CORRAL_BACKENDS_CALL_H

#include "backends/sandbox.h"
#include "kernel/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A backend whose every command runs in a fresh sandbox of that launcher and policy, which should
 * have a workspace. With CORRAL_LAUNCHER_WARM it is taken from those made ahead. Operations on
 * files share one sandbox in which no command ever runs. It has no background processes and no
 * pause; a terminal has a sandbox of its own. The launcher stays the caller's and must live longer.
 */
int corral_call_sandbox_new(struct corral_launcher *launcher, const struct corral_policy *policy,
                            const char *id, struct corral_backend **ret, struct corral_error *err);

/*
 * The same over any backends: make gives one (a container's, say) for each command, which is closed
 * after it, and one for files.
 */
int corral_call_backend_new(int (*make)(void *ctx, struct corral_backend **ret,
                                        struct corral_error *err),
                            void *ctx, const char *id, struct corral_backend **ret,
                            struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
