/*
 * How errors speak of JSON: where it is wrong, and what stands there; and writing it.
 */
#ifndef CORRAL_POLICY_JSON_WORDS_H
#define CORRAL_POLICY_JSON_WORDS_H

#include <jansson.h>
#include <stddef.h>

#include "kernel/base/error.h"

/* "an object", "text", ...; static. */
const char *corral_json_kind(const json_t *v);

/* -EINVAL: "text where an object is expected". */
int corral_json_wrong_kind(const json_t *v, const char *wanted, struct corral_error *err);
/* -EINVAL: "unknown key 'x': known here: a, b", and which of these was meant, perhaps. */
int corral_json_unknown_key(const char *key, const char *known, struct corral_error *err);

/*
 * Puts a part of the place in front of what went wrong: "mounts" and "[2]" and ".source: ..." make
 * "mounts[2].source: ...". Returns r, a -errno; err may be NULL.
 */
__attribute__((format(printf, 3, 4))) int corral_json_place(struct corral_error *err, int r,
                                                            const char *fmt, ...);

/* Takes v. -EINVAL for a text that is no UTF-8: such a v is NULL. */
int corral_json_put(json_t *to, const char *key, json_t *v, struct corral_error *err);
/* An array; nothing for none. */
int corral_json_put_texts(json_t *to, const char *key, char *const *texts, size_t n,
                          struct corral_error *err);

#endif
