/* What the files of the checker share. */
#ifndef CORRAL_POLICY_PERMISSION_INTERNAL_H
#define CORRAL_POLICY_PERMISSION_INTERNAL_H

#include "kernel/base/buf.h"
#include "policy/permission.h"
#include "policy/permission_match.h"

struct permission_compiled {
	struct permission_pattern *pattern; /* NULL: inert */
	enum corral_permission_action action;
	char *description;
	bool operators; /* has some of the shell's, so that no simple command can match */
	bool blanks;
};

struct permission_operation {
	enum corral_permission_action action;
	struct permission_compiled *rules;
	size_t n;
};

struct corral_permission_checker {
	struct permission_operation operations[CORRAL_PERMISSION_OPERATIONS];
	struct corral_permission_asking asking;
	size_t inert;
};

/* No decision yet: the mildest, by no rule. */
#define PERMISSION_UNDECIDED                       \
	{                                          \
		CORRAL_PERMISSION_ALLOW, false, "" \
	}

/* The stricter of both; among equals one that a rule made. */
void permission_stricter(struct corral_permission_decision *d,
                         struct corral_permission_decision other);
struct corral_permission_decision permission_by_rule(const struct permission_compiled *r);
struct corral_permission_decision permission_by_default(const struct permission_operation *o);

/* Without "//", "/./", "x/.." and a slash at the end, as text; "" becomes ".". */
void permission_path_clean(const char *path, struct corral_buf *b);

int permission_decide_command(const struct permission_operation *o, const char *command,
                              struct corral_permission_decision *ret, struct corral_error *err);

#endif
