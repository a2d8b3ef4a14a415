/*
 * Numbers as people write them. All of these take the whole string or nothing: no sign, no blanks,
 * no base prefix, no trailing text, no overflow (crun's CVE-2026-30892 was a user id misread as 0).
 */
#ifndef CORRAL_KERNEL_BASE_PARSE_H
#define CORRAL_KERNEL_BASE_PARSE_H

#include <stdint.h>

#include "kernel/base/error.h"

/* Decimal digits, at most max. 0, or -EINVAL/-ERANGE with a text that names the input. */
int corral_parse_u64(const char *text, uint64_t max, uint64_t *ret, struct corral_error *err);

/* "512", "64K", "1.5G", "2GiB", "10MB": bytes; K, M, G, T are powers of 1024 as with docker run. */
int corral_parse_bytes(const char *text, uint64_t *ret_bytes, struct corral_error *err);

/* "10" and "10s" are seconds; also "500ms", "2m", "1h", "1d", "0.5s": milliseconds, as in
 * timeout(1). */
int corral_parse_duration(const char *text, uint64_t *ret_ms, struct corral_error *err);

/* "1.5" cores as 1500; at most 1,000,000 cores, resolution one thousandth. */
int corral_parse_millis(const char *text, uint64_t *ret_millis, struct corral_error *err);

/* "UID" or "UID:GID", numbers below 4294967295 ((uid_t)-1 means "no change" to the kernel). gid =
 * uid when absent. */
int corral_parse_ids(const char *text, uint32_t *ret_uid, uint32_t *ret_gid,
                     struct corral_error *err);

#endif
