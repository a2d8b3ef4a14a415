/* corral docker: what corral has at an engine, and what it would take from one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/docker/docker.h"
#include "tools/docker_commands.h"
#include "tools/docker_exec.h"
#include "tools/exitcode.h"
#include "tools/message.h"
#include "tools/suggest.h"

#define ANY ((size_t)-1)

/* clang-format off */
const struct corral_docker_command corral_docker_commands[] = {
	{ "info", CORRAL_OPTION_DOCKER_INFO, "", 0, 0, "none",
	  "show which engine is used and how it was found, or why there is none",
	  "\nIt is looked for as docker(1) does: DOCKER_HOST, DOCKER_CONTEXT, the current context\n"
	  "of the user's configuration; then the sockets of a rootful engine, of a rootless one\n"
	  "and of Podman.\n" },
	{ "list", CORRAL_OPTION_DOCKER_LIST, "", 0, 0, "none",
	  "show the containers that are corral's", NULL },
	{ "prune", CORRAL_OPTION_DOCKER_PRUNE, "", 0, 0, "none",
	  "remove what nobody will come back for",
	  "\nThat is: containers of corral's without a name whose maker, on this host, is gone;\n"
	  "and the volumes of its program that no container uses. Nothing of anybody else's.\n" },
	{ "rm", CORRAL_OPTION_DOCKER_RM, " CONTAINER...", 1, ANY, "containers",
	  "remove containers that are corral's",
	  "\nA container is called by its name, its session, or the beginning of its id.\n" },
	{ "pull", CORRAL_OPTION_DOCKER_PULL, " IMAGE", 1, 1, "none",
	  "have the engine fetch an image anew", NULL },
	{ "build", CORRAL_OPTION_DOCKER_BUILD, " RUNTIME.json", 1, 1, "files",
	  "build the image of a runtime, unless it is there, and print its name", NULL },
	{ NULL, 0, NULL, 0, 0, NULL, NULL, NULL },
};
/* clang-format on */

static const struct corral_docker_command *find(const char *name)
{
	for (const struct corral_docker_command *c = corral_docker_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static void help_command(const struct corral_docker_command *c)
{
	(void)printf("Usage: corral docker %s [options]%s\n%c%s.\n", c->name, c->operands,
	             c->summary[0] - 'a' + 'A', c->summary + 1);
	corral_options_print(stdout, c->option);
	if (c->more)
		(void)fputs(c->more, stdout);
}

static int operands_check(const struct corral_docker_command *c, char *const *operands, size_t n,
                          struct corral_error *err)
{
	for (size_t i = 0; i < n; i++)
		if (operands[i][0] == '-')
			return corral_error_set(err, EINVAL,
			                        "docker %s: '%.64s': options stand before all "
			                        "else: corral docker %s [options]%s",
			                        c->name, operands[i], c->name, c->operands);
	if (n < c->operands_min)
		return corral_error_set(err, EINVAL,
		                        "docker %s: a word is missing: corral docker %s "
		                        "[options]%s",
		                        c->name, c->name, c->operands);
	if (n > c->operands_max)
		return corral_error_set(err, EINVAL,
		                        "docker %s: '%.64s' is one word too many: corral docker %s "
		                        "[options]%s",
		                        c->name, operands[c->operands_max], c->name, c->operands);
	return 0;
}

/* main_argv: main()'s whole. */
static int command_run(const struct corral_docker_command *command, int argc, char **argv,
                       char **main_argv)
{
	struct corral_options options;
	struct corral_error err = { 0 };
	int r;

	r = corral_options_init(&options, &err);
	if (r == 0)
		r = corral_options_parse(&options, command->option, argc, argv, &err);
	if (r == 0 && options.help) {
		help_command(command);
		corral_options_done(&options);
		return 0;
	}
	if (r == 0)
		r = operands_check(command, options.config->argv, options.config->n_argv, &err);
	if (r == 0)
		r = corral_docker_exec(main_argv, &err);
	if (r == 0)
		r = corral_docker_command(command->option, &options, &err);
	corral_options_done(&options);
	return r < 0 ? corral_complain(&err) : r;
}

static void help(FILE *out)
{
	(void)fputs(
	        "Usage: corral docker COMMAND [options]\n"
	        "What corral has at a Docker engine, or at Podman's service. corral run --docker\n"
	        "IMAGE -- COMMAND runs a command in a container.\n\n"
	        "Commands:\n",
	        out);
	for (const struct corral_docker_command *c = corral_docker_commands; c->name; c++)
		(void)fprintf(out, "  %-6s  %s\n", c->name, c->summary);
	(void)fputs("\ncorral docker COMMAND --help says more of each.\n", out);
}

static int unknown(const char *name)
{
	struct corral_guess guess = corral_guess_begin(name);

	for (const struct corral_docker_command *c = corral_docker_commands; c->name; c++)
		corral_guess_look(&guess, c->name);
	if (!strcmp(name, "ls") || !strcmp(name, "ps"))
		corral_say("docker: unknown command '%s': write corral docker list", name);
	else if (!strcmp(name, "run"))
		corral_say("docker: unknown command 'run': write corral run --docker IMAGE -- "
		           "COMMAND");
	else if (guess.best)
		corral_say("docker: unknown command '%.64s': did you mean '%s'?", name, guess.best);
	else
		corral_say("docker: unknown command '%.64s': see corral docker --help", name);
	return CORRAL_EXIT_FAILED;
}

int corral_cmd_docker(int argc, char **argv)
{
	const struct corral_docker_command *c;

	if (argc < 2) {
		help(stderr);
		return CORRAL_EXIT_FAILED;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help(stdout);
		return 0;
	}
	c = find(argv[1]);
	return c ? command_run(c, argc - 1, argv + 1, argv - 1) : unknown(argv[1]);
}
