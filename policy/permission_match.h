/*
 * Patterns of permission rules, compiled once. The dialect is in policy/permission.h. Matching
 * takes no memory, and time in proportion to pattern times text at worst.
 */
#ifndef CORRAL_POLICY_PERMISSION_MATCH_H
#define CORRAL_POLICY_PERMISSION_MATCH_H

#include <stdbool.h>
#include <stddef.h>

enum permission_pattern_flags {
	PERMISSION_PATTERN_COMMAND = 1u << 0, /* "/" is a character like others */
};

struct permission_pattern;

/* 0, -EINVAL for a class that makes no sense, -E2BIG, -ENOMEM. The caller frees *ret. */
int permission_pattern_compile(const char *text, unsigned int flags,
                               struct permission_pattern **ret);
void permission_pattern_free(struct permission_pattern *p);

bool permission_pattern_match(const struct permission_pattern *p, const char *text);
/* Whether some text that ends with this one would match. */
bool permission_pattern_match_end(const struct permission_pattern *p, const char *text);
/* Whether every text matches. */
bool permission_pattern_any(const struct permission_pattern *p);

#endif
