/*
 * Inside kernel/image/oci: the configuration of an image that was built on another. Pure.
 */
#ifndef CORRAL_KERNEL_IMAGE_OCI_BUILD_CONFIG_H
#define CORRAL_KERNEL_IMAGE_OCI_BUILD_CONFIG_H

#include "kernel/base/buf.h"
#include "kernel/image/store.h"
#include "policy/runtime.h"

/*
 * The base's text with what the runtime changes: environment, user and directory (as
 * backends/docker has them), a label, one more layer (diff_id, or NULL: none) and a line of
 * history. -EINVAL: the base's is no configuration.
 */
int build_config_write(const char *base, size_t len, const struct corral_runtime *rt,
                       const char *diff_id, int64_t created_ms, struct corral_buf *ret,
                       struct corral_error *err);

#endif
