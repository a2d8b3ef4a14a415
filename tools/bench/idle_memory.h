/*
 * What an idle sandbox costs the host: the fall of MemAvailable over many of them, each with its
 * guest init, namespaces and root, per sandbox.
 */
#ifndef CORRAL_TOOLS_BENCH_IDLE_MEMORY_H
#define CORRAL_TOOLS_BENCH_IDLE_MEMORY_H

#include <stdint.h>

#include "kernel/sandbox.h"

#define BENCH_IDLE_ROUNDS 3

/* kB per sandbox in each round; the first round has warmed caches up and is not among them. */
int bench_idle_memory(struct corral_launcher *launcher, const struct corral_policy *policy,
                      uint64_t n, double ret_kb[BENCH_IDLE_ROUNDS], struct corral_error *err);

/* MemAvailable in kB, once it rests. */
int bench_settled_kb(long long *ret, struct corral_error *err);

#endif
