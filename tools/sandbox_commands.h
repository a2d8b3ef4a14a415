/*
 * `corral sandbox ...`: what each of its commands gets, which is read already, and does.
 */
#ifndef CORRAL_TOOLS_SANDBOX_COMMANDS_H
#define CORRAL_TOOLS_SANDBOX_COMMANDS_H

#include "tools/options.h"
#include "tools/sandboxes.h"

struct corral_sandbox_call {
	struct corral_options options;
	struct corral_sandboxes sandboxes; /* open */
	char **operands;                   /* what follows the options; ends with NULL */
	size_t n_operands;
};

struct corral_sandbox_command {
	const char *name;
	enum corral_option_command option;
	const char *operands; /* as help writes them */
	size_t operands_min, operands_max;
	const char *summary, *more; /* more: NULL, or the rest of its help */
	/* The exit status, or -errno with a text. */
	int (*run)(struct corral_sandbox_call *call, struct corral_error *err);
};

extern const struct corral_sandbox_command corral_sandbox_commands[]; /* ends with a row of NULL */

int corral_sandbox_create(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_list(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_exec(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_ps(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_stats(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_logs(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_cp(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_pause(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_resume(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_stop(struct corral_sandbox_call *call, struct corral_error *err);
int corral_sandbox_rm(struct corral_sandbox_call *call, struct corral_error *err);

#endif
