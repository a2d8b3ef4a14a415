#include "tools/family.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/exitcode.h"
#include "tools/message.h"
#include "tools/runtime_use.h"
#include "kernel/base/suggest.h"

const struct corral_family_command *corral_family_find(const struct corral_family *f,
                                                       const char *name)
{
	for (const struct corral_family_command *c = f->commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static bool takes_command(const struct corral_family_command *c)
{
	size_t len = strlen(c->completes);

	return len >= 4 && !strcmp(c->completes + len - 4, "exec");
}

static void help_command(const struct corral_call *call)
{
	const struct corral_family_command *c = call->command;

	(void)printf("Usage: corral %s [options]%s\n%c%s.\n", call->name, c->operands,
	             c->summary[0] - 'a' + 'A', c->summary + 1);
	corral_options_print(stdout, c->option);
	if (c->more)
		(void)fputs(c->more, stdout);
}

static int operands_check(const struct corral_call *call, struct corral_error *err)
{
	const struct corral_family_command *c = call->command;
	const char *name = call->name;
	size_t n = call->n_operands;

	/* What follows a command's name is its own. Where an id that is not there is made, a dash
	 * behind it is an option in the wrong place. */
	if (takes_command(c) && n > 1)
		n = c->option == CORRAL_OPTION_SESSION_EXEC ? 2 : 1;
	if (call->n_operands < c->operands_min)
		return corral_error_set(err, EINVAL, "%s: too few words: corral %s [options]%s",
		                        name, name, c->operands);
	for (size_t i = 0; i < n; i++)
		if (call->operands[i][0] == '-' && call->operands[i][1] &&
		    strcmp(call->operands[i], "--") != 0)
			return corral_error_set(
			        err, EINVAL,
			        "%s: '%.64s': options stand before all else: corral %s "
			        "[options]%s",
			        name, call->operands[i], name, c->operands);
	if (call->n_operands > c->operands_max)
		return corral_error_set(err, EINVAL,
		                        "%s: '%.64s' is one word too many: corral %s [options]%s",
		                        name, call->operands[c->operands_max], name, c->operands);
	return 0;
}

/* Reads argv, calls the command, tells of its error: the exit status. */
int corral_family_run(const struct corral_family *f, const struct corral_family_command *c,
                      int argc, char **argv, char **main_argv)
{
	struct corral_call call = { .command = c, .main_argv = main_argv, .sandboxes.dir_fd = -1 };
	struct corral_error err = { 0 };
	int r;

	/* corral exec is one of another family. */
	(void)snprintf(call.name, sizeof(call.name), "%s%s%s",
	               c->option == CORRAL_OPTION_EXEC ? "" : f->name,
	               c->option == CORRAL_OPTION_EXEC ? "" : " ", c->name);
	r = corral_options_init(&call.options, &err);
	call.options.use_runtime = corral_runtime_use;
	if (r == 0 && takes_command(c))
		call.options.config->limits.timeout_ms = call.options.config->limits.output_bytes =
		        CORRAL_OPTION_UNSAID;
	if (r == 0)
		r = corral_options_parse(&call.options, c->option, argc, argv, &err);
	if (r == 0 && call.options.help) {
		help_command(&call);
		corral_options_done(&call.options);
		return 0;
	}
	if (r == 0) {
		call.operands = call.options.config->argv;
		call.n_operands = call.options.config->n_argv;
		r = operands_check(&call, &err);
	}
	if (r == 0 && f->open)
		r = f->open(&call, &err);
	if (r == 0)
		r = c->run(&call, &err);
	if (r < 0)
		r = corral_complain(&err);
	if (f->close)
		f->close(&call);
	corral_options_done(&call.options);
	return r;
}

static void help(const struct corral_family *f, FILE *out)
{
	int width = 8;

	for (const struct corral_family_command *c = f->commands; c->name; c++)
		if ((int)strlen(c->name) > width)
			width = (int)strlen(c->name);
	(void)fprintf(out, "Usage: corral %s COMMAND [options]\n%s\nCommands:\n", f->name,
	              f->about);
	for (const struct corral_family_command *c = f->commands; c->name; c++)
		(void)fprintf(out, "  %-*s  %s\n", width, c->name, c->summary);
	(void)fprintf(out, "\n%scorral %s COMMAND --help says more of each.\n", f->ending, f->name);
}

static int unknown(const struct corral_family *f, const char *name)
{
	struct corral_guess guess = corral_guess_begin(name);

	for (const struct corral_family_alias *a = f->aliases; a->foreign; a++)
		if (!strcmp(a->foreign, name)) {
			corral_say("%s: unknown command '%s': write corral %s", f->name, name,
			           a->own);
			return CORRAL_EXIT_FAILED;
		}
	for (const struct corral_family_command *c = f->commands; c->name; c++)
		corral_guess_look(&guess, c->name);
	if (guess.best)
		corral_say("%s: unknown command '%.64s': did you mean '%s'?", f->name, name,
		           guess.best);
	else
		corral_say("%s: unknown command '%.64s': see corral %s --help", f->name, name,
		           f->name);
	return CORRAL_EXIT_FAILED;
}

/* "help", as corral itself has it: of one command, where that follows. */
static int help_asked(const struct corral_family *f, int argc, char **argv)
{
	char option[] = "--help";
	const struct corral_family_command *c;
	char *args[] = { NULL, option, NULL };

	if (argc < 3 || argv[2][0] == '-') {
		help(f, stdout);
		return 0;
	}
	c = corral_family_find(f, argv[2]);
	if (!c)
		return unknown(f, argv[2]);
	args[0] = argv[2];
	return corral_family_run(f, c, 2, args, args);
}

int corral_family_main(const struct corral_family *f, int argc, char **argv)
{
	const struct corral_family_command *c;

	if (argc < 2) {
		help(f, stderr);
		return CORRAL_EXIT_FAILED;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help(f, stdout);
		return 0;
	}
	if (!strcmp(argv[1], "help"))
		return help_asked(f, argc, argv);
	c = corral_family_find(f, argv[1]);
	return c ? corral_family_run(f, c, argc - 1, argv + 1, argv - 1) : unknown(f, argv[1]);
}
