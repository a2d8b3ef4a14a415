/*
 * Commands of one word more, as `corral docker list`: one row for each, from which its help and the
 * completion are made.
 */
#ifndef CORRAL_TOOLS_FAMILY_H
#define CORRAL_TOOLS_FAMILY_H

#include "tools/options.h"

#define CORRAL_FAMILY_ANY ((size_t)-1)

struct corral_family_command {
	const char *name;
	enum corral_option_command option;
	const char *operands; /* as help writes them */
	size_t operands_min, operands_max;
	const char *completes;      /* with what its operands are completed: cmd_completion.c */
	const char *summary, *more; /* more: NULL, or the rest of its help */
	/* Its operands are o's argv; main_argv is main()'s whole. The exit status, or -errno with a
	 * text. */
	int (*run)(const struct corral_family_command *c, const struct corral_options *o,
	           char **main_argv, struct corral_error *err);
};

struct corral_family {
	const char *name;
	const char *about;                            /* what its help begins with */
	const struct corral_family_command *commands; /* ends with a row of NULL */
	struct {
		const char *foreign, *own; /* a word brought along, and what to write for it */
	} aliases[4];
};

extern const struct corral_family corral_docker_family, corral_runtime_family;

/* argv[0] is the family's name, as main() gave it: the exit status. */
int corral_family_main(const struct corral_family *f, int argc, char **argv);

#endif
