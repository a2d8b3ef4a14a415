/*
 * A profile in words that mean the same to an OCI runtime. corral lets the most severe of the
 * entries decide whose args match, and entries without args only where none does. Runtimes hand
 * entries to libseccomp as they are, where an entry without args makes all others of its call void,
 * and overlapping ones decide in an order that nobody promises.
 */
#ifndef CORRAL_POLICY_SECCOMP_OCI_H
#define CORRAL_POLICY_SECCOMP_OCI_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"
#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Appends the profile as JSON of OCI and moby: of each call either one entry without args, or
 * entries of which at most one matches, each with one comparison for an index. includes and
 * excludes are decided here, for this machine's architecture and kernel and for caps (see
 * policy/caps.h).
 *
 * What differs: a refusal's errno is the default's where it would cost too many entries (which
 * compile at each exec); a number that nobody knows gets the default action and not ENOSYS, unless
 * the runtime answers so by itself; and a name that the engine's libseccomp does not know gets the
 * default action. -EINVAL as corral_seccomp_load(); -EOPNOTSUPP with the call's name for what would
 * need too many entries. ret is untouched on failure, but for memory that ran out.
 */
int corral_seccomp_to_oci(const char *json, size_t len, uint64_t caps, struct corral_buf *ret,
                          struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
