/*
 * What a caller may have around it, made for the measurement: many mounts on the host, much memory
 * of its own, many threads. Gone with the process.
 */
#ifndef CORRAL_TOOLS_BENCH_SURROUNDINGS_H
#define CORRAL_TOOLS_BENCH_SURROUNDINGS_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

/* A mount namespace of this process's own with n mounts more: half binds, half tmpfs. Needs root
 * and a single thread. */
int bench_mounts_make(uint64_t n, struct corral_error *err);
/* So many bytes of memory, each page written to, in small pages: as a grown heap looks. */
int bench_memory_hold(uint64_t bytes, struct corral_error *err);
/* Threads that sleep. */
int bench_threads_start(uint64_t n, struct corral_error *err);

#endif
