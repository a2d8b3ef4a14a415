/*
 * A sandbox of our own kernel as a backend.
 */
#ifndef CORRAL_BACKENDS_NATIVE_H
#define CORRAL_BACKENDS_NATIVE_H

#include "backends/sandbox.h"
#include "kernel/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_native_options {
	const char *id; /* NULL: a random UUID */
};

/*
 * The launcher stays the caller's and must live longer; the policy is shared. With
 * CORRAL_LAUNCHER_WARM the sandbox is there at once. It has everything that backends/sandbox.h
 * names.
 */
int corral_native_sandbox_new(struct corral_launcher *launcher, const struct corral_policy *policy,
                              const struct corral_native_options *options,
                              struct corral_backend **ret, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
