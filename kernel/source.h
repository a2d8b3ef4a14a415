/*
 * Directories and files of the host on their way into a sandbox: detached copies with their
 * attributes and id map on them, made by the caller, who may name them, and moved into place by
 * guest init.
 */
#ifndef CORRAL_KERNEL_SOURCE_H
#define CORRAL_KERNEL_SOURCE_H

#include "kernel/ids.h"
#include "kernel/plan_build.h"

/* A descriptor of the detached mount. The error names the option and the path. */
int corral_source_open(const struct corral_slot *slot, const struct corral_host *host,
                       const struct corral_ids *ids, const struct corral_policy *p, int *ret_fd,
                       struct corral_error *err);

/* kernel/source_look.c: 0, or what is wrong with a path of the policy, in the words of its option.
 */
int corral_sources_look(const struct corral_policy *p, struct corral_error *err);

#endif
