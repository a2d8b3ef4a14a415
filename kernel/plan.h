/*
 * A policy compiled for one launch on this host: a flat, immutable list of steps that guest init
 * executes in order. It can be printed before anything runs. It holds strings as offsets into
 * itself, so that one message carries it to guest init unchanged.
 */
#ifndef CORRAL_KERNEL_PLAN_H
#define CORRAL_KERNEL_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_plan;

void corral_plan_free(struct corral_plan *p);
size_t corral_plan_count(const struct corral_plan *p);
/* "mount", "overlay", "seccomp": the kind of step i. */
const char *corral_plan_kind(const struct corral_plan *p, size_t i);
/* What step i does, for people: "overlay on /usr (lower /usr, upper in memory, nosuid nodev)".
 * Appended to out. */
void corral_plan_describe(const struct corral_plan *p, size_t i, struct corral_buf *out);

#ifdef __cplusplus
}
#endif

#endif
