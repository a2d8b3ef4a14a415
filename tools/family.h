/*
 * Commands that belong together, as `corral sandbox ...`: a table with one row for each, from which
 * the reading of their words, their help and the completion are made.
 */
#ifndef CORRAL_TOOLS_FAMILY_H
#define CORRAL_TOOLS_FAMILY_H

#include "tools/options.h"
#include "tools/sandboxes.h"

struct corral_session_store;

#define CORRAL_FAMILY_ANY ((size_t)-1)

/* What one of them gets, which is read already. */
struct corral_call {
	const struct corral_family_command *command;
	char name[64]; /* as it is called, behind "corral " */
	struct corral_options options;
	char **operands; /* what follows the options; ends with NULL */
	size_t n_operands;
	char **main_argv; /* main()'s whole */
	/* Open where the family has an open() that does it. */
	struct corral_sandboxes sandboxes;
	struct corral_session_store *store;
	struct corral_image_store *images; /* NULL where there are none */
	/* Of sessions: " --root DIR", as it was said and as a shell takes it, for messages that
	 * tell what to type; "" without. */
	char at[320];
	void *ctx; /* of the command's own */
};

struct corral_family_command {
	const char *name;
	enum corral_option_command option;
	const char *operands; /* as help writes them */
	size_t operands_min, operands_max;
	/* With what they are completed: cmd_completion.c. One that ends with "exec" takes a
	 * command, whose words are its own. */
	const char *completes;
	const char *summary, *more; /* more: NULL, or the rest of its help */
	/* The exit status, or -errno with a text. */
	int (*run)(struct corral_call *call, struct corral_error *err);
};

struct corral_family {
	const char *name;
	const char *about, *ending;                   /* of its help, around the commands */
	const struct corral_family_command *commands; /* end with a row of NULL */
	const struct corral_family_alias {
		const char *foreign, *own;
	} * aliases; /* what people may write instead; end with a row of NULL */
	/* Before a command runs, and after; NULL: nothing is needed. */
	int (*open)(struct corral_call *call, struct corral_error *err);
	void (*close)(struct corral_call *call);
};

/* One row: argv[0] is not looked at. The exit status. */
int corral_family_run(const struct corral_family *f, const struct corral_family_command *c,
                      int argc, char **argv, char **main_argv);
/* Finds the row that argv[1] names; argv[0] is the family's own name, as main() gave it. */
int corral_family_main(const struct corral_family *f, int argc, char **argv);
/* NULL: there is none. */
const struct corral_family_command *corral_family_find(const struct corral_family *f,
                                                       const char *name);

extern const struct corral_family corral_sandbox_family, corral_session_family,
        corral_runtime_family, corral_image_family, corral_docker_family;

#endif
