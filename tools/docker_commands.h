/* `corral docker ...`: one row for each of its commands, from which its help and the completion are
 * made. */
#ifndef CORRAL_TOOLS_DOCKER_COMMANDS_H
#define CORRAL_TOOLS_DOCKER_COMMANDS_H

#include "tools/options.h"

struct corral_docker_command {
	const char *name;
	enum corral_option_command option;
	const char *operands; /* as help writes them */
	size_t operands_min, operands_max;
	const char *completes;      /* with what its operands are completed: cmd_completion.c */
	const char *summary, *more; /* more: NULL, or the rest of its help */
};

extern const struct corral_docker_command corral_docker_commands[]; /* ends with a row of NULL */

#endif
