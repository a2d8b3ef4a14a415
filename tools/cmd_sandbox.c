/* corral sandbox, and corral exec, which is one of its commands under a shorter name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "tools/commands.h"
#include "tools/exitcode.h"
#include "tools/message.h"
#include "tools/runtime_use.h"
#include "tools/sandbox_commands.h"
#include "tools/suggest.h"

#define ANY ((size_t)-1)

/* clang-format off */
const struct corral_sandbox_command corral_sandbox_commands[] = {
	{ "create", CORRAL_OPTION_CREATE, "", 0, 0,
	  "make a sandbox that stays, and print its id",
	  "\nExamples:\n"
	  "  corral sandbox create --workspace . --name dev --idle 30m\n"
	  "  corral exec -it dev -- bash\n",
	  corral_sandbox_create },
	{ "list", CORRAL_OPTION_LIST, "", 0, 0,
	  "show the sandboxes that are alive", NULL, corral_sandbox_list },
	{ "exec", CORRAL_OPTION_EXEC, " SANDBOX [--] COMMAND [ARG...]", 2, ANY,
	  "run a command in one",
	  "\nExit status: as of corral run: the command's own; 128+N when signal N ended it;\n"
	  "124 timed out; 125 corral failed; 126 cannot execute; 127 not found.\n"
	  "\nExamples:\n"
	  "  corral exec dev -- make test\n"
	  "  tar c src | corral exec -i dev -- tar x\n",
	  corral_sandbox_exec },
	{ "logs", CORRAL_OPTION_LOGS, " SANDBOX [SHELL]", 1, 2,
	  "show what exec -d has started, and what one of them wrote",
	  "\nOf each stream the last 4M are kept, for the last 64 commands that have ended.\n"
	  "\nExamples:\n"
	  "  corral exec -d dev -- make test\n"
	  "  corral sandbox logs dev bg_1\n",
	  corral_sandbox_logs },
	{ "ps", CORRAL_OPTION_PS, " SANDBOX", 1, 1,
	  "show the processes in one", NULL, corral_sandbox_ps },
	{ "stats", CORRAL_OPTION_STATS, " [SANDBOX...]", 0, ANY,
	  "show what they use", NULL, corral_sandbox_stats },
	{ "cp", CORRAL_OPTION_CP, " SANDBOX:PATH DEST | SOURCE SANDBOX:PATH", 2, 2,
	  "copy files and trees in and out",
	  "\nAs with cp -r: into a directory that exists, else under the name that was given.\n"
	  "A source that ends with /. is what is in the directory, without itself. A single -\n"
	  "for the host's side is a tar archive on standard input or output.\n"
	  "\nExamples:\n"
	  "  corral sandbox cp src dev:/workspace\n"
	  "  corral sandbox cp dev:out/report.txt .\n"
	  "  corral sandbox cp dev:/workspace - | tar t\n",
	  corral_sandbox_cp },
	{ "pause", CORRAL_OPTION_PAUSE, " SANDBOX...", 1, ANY,
	  "freeze all that runs in one", NULL, corral_sandbox_pause },
	{ "resume", CORRAL_OPTION_RESUME, " SANDBOX...", 1, ANY,
	  "let it go on", NULL, corral_sandbox_resume },
	{ "stop", CORRAL_OPTION_STOP, " SANDBOX...", 1, ANY,
	  "end one: its commands are asked first, then killed", NULL, corral_sandbox_stop },
	{ "rm", CORRAL_OPTION_RM, " SANDBOX...", 1, ANY,
	  "remove what a dead one left; with -f, kill one that is alive", NULL, corral_sandbox_rm },
	{ NULL, 0, NULL, 0, 0, NULL, NULL, NULL },
};
/* clang-format on */

static const struct corral_sandbox_command *find(const char *name)
{
	for (const struct corral_sandbox_command *c = corral_sandbox_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static void help_command(const struct corral_sandbox_command *c)
{
	(void)printf("Usage: corral %s [options]%s\n%c%s.\n", corral_option_command_name(c->option),
	             c->operands, c->summary[0] - 'a' + 'A', c->summary + 1);
	corral_options_print(stdout, c->option);
	if (c->more)
		(void)fputs(c->more, stdout);
}

static int operands_check(const struct corral_sandbox_command *c,
                          const struct corral_sandbox_call *call, struct corral_error *err)
{
	const char *name = corral_option_command_name(c->option);
	/* What follows a command's name is its own. */
	size_t n = c->option == CORRAL_OPTION_EXEC && call->n_operands ? 1 : call->n_operands;

	if (call->n_operands < c->operands_min)
		return corral_error_set(err, EINVAL, "%s: too few words: corral %s [options]%s",
		                        name, name, c->operands);
	for (size_t i = 0; i < n; i++)
		if (call->operands[i][0] == '-' && call->operands[i][1])
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
static int command_run(const struct corral_sandbox_command *command, int argc, char **argv)
{
	struct corral_sandbox_call call = { .sandboxes.dir_fd = -1 };
	struct corral_error err = { 0 };
	int r;

	r = corral_options_init(&call.options, &err);
	if (r == 0 && command->option == CORRAL_OPTION_EXEC)
		call.options.config->limits.timeout_ms = call.options.config->limits.output_bytes =
		        CORRAL_OPTION_UNSAID;
	call.options.use_runtime = corral_runtime_use;
	if (r == 0)
		r = corral_options_parse(&call.options, command->option, argc, argv, &err);
	if (r == 0 && call.options.help) {
		help_command(command);
		corral_options_done(&call.options);
		return 0;
	}
	if (r == 0) {
		call.operands = call.options.config->argv;
		call.n_operands = call.options.config->n_argv;
		r = operands_check(command, &call, &err);
	}
	if (r == 0)
		r = corral_sandboxes_open(&call.sandboxes, &err);
	if (r == 0)
		r = command->run(&call, &err);
	if (r < 0)
		r = corral_complain(&err);
	corral_sandboxes_close(&call.sandboxes);
	corral_options_done(&call.options);
	return r;
}

static void help(FILE *out)
{
	(void)fputs("Usage: corral sandbox COMMAND [options]\n"
	            "Sandboxes that stay: made once, then given command after command.\n\n"
	            "Commands:\n",
	            out);
	for (const struct corral_sandbox_command *c = corral_sandbox_commands; c->name; c++)
		(void)fprintf(out, "  %-8s  %s\n", c->name, c->summary);
	(void)fputs("\nA sandbox is called by its id, its name, or the beginning of one.\n"
	            "corral sandbox COMMAND --help says more of each.\n",
	            out);
}

static int unknown(const char *name)
{
	struct corral_guess guess = corral_guess_begin(name);

	for (const struct corral_sandbox_command *c = corral_sandbox_commands; c->name; c++)
		corral_guess_look(&guess, c->name);
	if (guess.best)
		corral_say("sandbox: unknown command '%.64s': did you mean '%s'?", name,
		           guess.best);
	else
		corral_say("sandbox: unknown command '%.64s': see corral sandbox --help", name);
	return CORRAL_EXIT_FAILED;
}

int corral_cmd_sandbox(int argc, char **argv)
{
	static const struct {
		const char *foreign, *own;
	} aliases[] = {
		{ "ls", "list" }, { "run", "create" }, { "unpause", "resume" }, { "kill", "rm -f" }
	};
	const struct corral_sandbox_command *c;

	if (argc < 2) {
		help(stderr);
		return CORRAL_EXIT_FAILED;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help(stdout);
		return 0;
	}
	c = find(argv[1]);
	if (c)
		return command_run(c, argc - 1, argv + 1);
	for (size_t i = 0; i < CORRAL_COUNT(aliases); i++)
		if (!strcmp(aliases[i].foreign, argv[1])) {
			corral_say("sandbox: unknown command '%s': write corral sandbox %s",
			           argv[1], aliases[i].own);
			return CORRAL_EXIT_FAILED;
		}
	return unknown(argv[1]);
}

int corral_cmd_exec(int argc, char **argv)
{
	return command_run(find("exec"), argc, argv);
}
