/*
 * The options of `corral run` and `corral plan`: one table, from which the parser, the help text
 * and the shell completion are made (and which a test holds against the manual page).
 */
#ifndef CORRAL_TOOLS_OPTIONS_H
#define CORRAL_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "kernel/base/error.h"
#include "policy/config.h"

enum corral_option_command {
	CORRAL_OPTION_RUN = 1u << 0,
	CORRAL_OPTION_PLAN = 1u << 1,
};

struct corral_options {
	struct corral_config *config; /* owned */
	int json_fd;                  /* run --json FD; -1 without */
	bool json;                    /* plan --json */
	bool summary;
	bool help;
};

struct corral_option {
	const char *name; /* without the dashes */
	char letter;      /* 0 without a short form */
	const char *arg;  /* what stands for the value in help; NULL when it takes none */
	const char *help;
	const char *group; /* heading in help; NULL: as the row before */
	unsigned int commands;
	bool is_config; /* read before all others: the configuration, so that flags win, and where mistakes are told */
	int (*set)(struct corral_options *o, const struct corral_option *row, const char *value,
	           struct corral_error *err);
	size_t detail; /* of the setter: a field's offset, a limit, a kind of mount */
};

extern const struct corral_option corral_option_table[];
extern const size_t corral_option_count;

/* 0 or -ENOMEM. */
int corral_options_init(struct corral_options *o, struct corral_error *err);
void corral_options_done(struct corral_options *o);

/*
 * Reads argv[1] and on. "--" or the first word that is no option ends them; what follows becomes
 * config->argv. Stops at --help. -EINVAL names the option and what to write instead.
 */
int corral_options_parse(struct corral_options *o, enum corral_option_command command, int argc,
                         char **argv, struct corral_error *err);

/* The table as help text. */
void corral_options_print(FILE *out, enum corral_option_command command);

#endif
