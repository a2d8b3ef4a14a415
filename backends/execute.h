/*
 * Inside the backends: one command in a live sandbox, with its streams, its deadline and its ways
 * to be ended.
 */
#ifndef CORRAL_BACKENDS_EXECUTE_H
#define CORRAL_BACKENDS_EXECUTE_H

#include "backends/sandbox.h"
#include "kernel/process.h"

/*
 * env: the sandbox's, under what x layers over it. stop_fd: readable when it is to be ended
 * politely; -1. Returns as corral_backend_execute() does.
 */
int corral_execute_in(struct corral_sandbox *s, const struct corral_execute *x, char *const *env,
                      int stop_fd, struct corral_executed *ret, struct corral_error *err);

/* Both lists as one, the second's values winning; the array alone is the caller's to free. NULL
 * without memory. */
char **corral_environment_merge(char *const *base, char *const *over);

#endif
