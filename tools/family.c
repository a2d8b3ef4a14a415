#include "tools/family.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/exitcode.h"
#include "tools/message.h"
#include "tools/suggest.h"

static const struct corral_family_command *find(const struct corral_family *f, const char *name)
{
	for (const struct corral_family_command *c = f->commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static void help_command(const struct corral_family *f, const struct corral_family_command *c)
{
	(void)printf("Usage: corral %s %s [options]%s\n%c%s.\n", f->name, c->name, c->operands,
	             c->summary[0] - 'a' + 'A', c->summary + 1);
	corral_options_print(stdout, c->option);
	if (c->more)
		(void)fputs(c->more, stdout);
}

static int operands_check(const struct corral_family *f, const struct corral_family_command *c,
                          char *const *operands, size_t n, struct corral_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (operands[i][0] == '-')
			return corral_error_set(err, EINVAL,
			                        "%s %s: '%.64s': options stand before all "
			                        "else: corral %s %s [options]%s",
			                        f->name, c->name, operands[i], f->name, c->name,
			                        c->operands);
	if (n < c->operands_min)
		return corral_error_set(err, EINVAL,
		                        "%s %s: a word is missing: corral %s %s [options]%s",
		                        f->name, c->name, f->name, c->name, c->operands);
	if (n > c->operands_max)
		return corral_error_set(
		        err, EINVAL,
		        "%s %s: '%.64s' is one word too many: corral %s %s [options]%s", f->name,
		        c->name, operands[c->operands_max], f->name, c->name, c->operands);
	return 0;
}

/* main_argv: main()'s whole. */
static int command_run(const struct corral_family *f, const struct corral_family_command *command,
                       int argc, char **argv, char **main_argv)
{
	struct corral_options options;
	struct corral_error err = { 0 };
	int r;

	r = corral_options_init(&options, &err);
	if (r == 0)
		r = corral_options_parse(&options, command->option, argc, argv, &err);
	if (r == 0 && options.help) {
		help_command(f, command);
		corral_options_done(&options);
		return 0;
	}
	if (r == 0)
		r = operands_check(f, command, options.config->argv, options.config->n_argv, &err);
	if (r == 0)
		r = command->run(command, &options, main_argv, &err);
	corral_options_done(&options);
	return r < 0 ? corral_complain(&err) : r;
}

static void help(const struct corral_family *f, FILE *out)
{
	int width = 0;

	for (const struct corral_family_command *c = f->commands; c->name; c++)
		width = (int)strlen(c->name) > width ? (int)strlen(c->name) : width;
	(void)fprintf(out, "Usage: corral %s COMMAND [options]\n%s\nCommands:\n", f->name,
	              f->about);
	for (const struct corral_family_command *c = f->commands; c->name; c++)
		(void)fprintf(out, "  %-*s  %s\n", width, c->name, c->summary);
	(void)fprintf(out, "\ncorral %s COMMAND --help says more of each.\n", f->name);
}

static int unknown(const struct corral_family *f, const char *name)
{
	struct corral_guess guess = corral_guess_begin(name);

	for (size_t i = 0; i < CORRAL_COUNT(f->aliases) && f->aliases[i].foreign; i++)
		if (!strcmp(f->aliases[i].foreign, name)) {
			corral_say("%s: unknown command '%s': write corral %s", f->name, name,
			           f->aliases[i].own);
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
	c = find(f, argv[1]);
	return c ? command_run(f, c, argc - 1, argv + 1, argv - 1) : unknown(f, argv[1]);
}
