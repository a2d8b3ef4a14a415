/*
 * Capabilities by name, as sets of bits (bit n = capability n of capabilities(7)). A sandbox has
 * none unless its policy adds some; those count only in its own user namespace.
 */
#ifndef CORRAL_POLICY_CAPS_H
#define CORRAL_POLICY_CAPS_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CORRAL_CAPS_ALL ((1ull << 41) - 1) /* CAP_CHOWN .. CAP_CHECKPOINT_RESTORE */

/*
 * "CAP_NET_RAW", "net_raw", in any case, or "ALL". -EINVAL for a name nobody knows (err names it).
 */
int corral_caps_parse(const char *name, uint64_t *ret_set, struct corral_error *err);

/* (none + add) - drop, with "ALL" understood in both. */
int corral_caps_compose(char *const *add, size_t n_add, char *const *drop, size_t n_drop,
                        uint64_t *ret_set, struct corral_error *err);

/* "CAP_CHOWN" for 0; NULL above the last one known. */
const char *corral_caps_name(unsigned int cap);

#ifdef __cplusplus
}
#endif

#endif
