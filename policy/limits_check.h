/* Whether limits make sense, before anything is built on them. */
#ifndef CORRAL_POLICY_LIMITS_CHECK_H
#define CORRAL_POLICY_LIMITS_CHECK_H

#include "kernel/base/error.h"
#include "policy/limits.h"

/* -EINVAL for a value with which no sandbox could start, or that the kernel could not take: names
 * the limit and what to give instead. */
int corral_limits_check(const struct corral_limits *l, struct corral_error *err);

#endif
