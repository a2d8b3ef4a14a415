/*
 * Backends around another one: they do what it does, and something besides. The inner backend stays
 * the caller's and must live longer; its kind, abilities and paths are those of the wrapper.
 */
#ifndef CORRAL_BACKENDS_WRAP_H
#define CORRAL_BACKENDS_WRAP_H

#include "backends/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Tells each call when it has ended, one line like "grep 'pattern' src: 3 found, 0.41 ms". line
 * NULL: to the trace topic "backend". Content is never in it; paths, patterns and commands are, cut
 * to some length and without control characters. Several threads tell at once.
 */
int corral_backend_trace(struct corral_backend *inner, void (*line)(void *ctx, const char *text),
                         void *ctx, struct corral_backend **ret, struct corral_error *err);

/*
 * The n-th call, counted from 1, does not reach the inner backend and fails with that errno: "made
 * to fail: call 3, grep". All others go through. 0: none fails.
 */
int corral_backend_fail_nth(struct corral_backend *inner, unsigned int n, int code,
                            struct corral_backend **ret, struct corral_error *err);
/* Counts anew, for a wrapper of the function above: the n-th call from now on. */
void corral_backend_fail_again(struct corral_backend *wrapper, unsigned int n);
/* How many calls were made since it last began to count. */
unsigned int corral_backend_fail_count(const struct corral_backend *wrapper);

#ifdef __cplusplus
}
#endif

#endif
