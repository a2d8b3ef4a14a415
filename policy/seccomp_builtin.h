/* What the build tool corral-seccomp-compile writes for profiles/default.json, unpack.json and, in
 * corral-net alone, relay.json. */
#ifndef CORRAL_POLICY_SECCOMP_BUILTIN_H
#define CORRAL_POLICY_SECCOMP_BUILTIN_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

extern const struct sock_filter corral_seccomp_builtin[];
extern const unsigned short corral_seccomp_builtin_n;
extern const char corral_seccomp_builtin_digest[]; /* of the profile's text */
extern const uint64_t corral_seccomp_builtin_caps; /* the capabilities its entries depend on */
extern const char corral_seccomp_builtin_json[];
extern const size_t corral_seccomp_builtin_json_len;

extern const struct sock_filter corral_seccomp_unpack[];
extern const unsigned short corral_seccomp_unpack_n;
extern const char corral_seccomp_unpack_digest[];
extern const uint64_t corral_seccomp_unpack_caps;
extern const char corral_seccomp_unpack_json[];
extern const size_t corral_seccomp_unpack_json_len;

extern const struct sock_filter corral_seccomp_relay[];
extern const unsigned short corral_seccomp_relay_n;
extern const char corral_seccomp_relay_json[];
extern const size_t corral_seccomp_relay_json_len;

#endif
