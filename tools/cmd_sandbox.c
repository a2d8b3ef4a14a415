/* corral sandbox, and corral exec, which is one of its commands under a shorter name. */
#include "tools/commands.h"
#include "tools/sandbox_commands.h"

#define ANY CORRAL_FAMILY_ANY

/* clang-format off */
static const struct corral_family_command commands[] = {
	{ "create", CORRAL_OPTION_CREATE, "", 0, 0, "none",
	  "make a sandbox that stays, and print its id",
	  "\nExamples:\n"
	  "  corral sandbox create --workspace . --name dev --idle 30m\n"
	  "  corral exec -it dev -- bash\n",
	  corral_sandbox_create },
	{ "list", CORRAL_OPTION_LIST, "", 0, 0, "none",
	  "show the sandboxes that are alive", NULL, corral_sandbox_list },
	{ "exec", CORRAL_OPTION_EXEC, " SANDBOX [--] COMMAND [ARG...]", 2, ANY, "exec",
	  "run a command in one",
	  "\nExit status: as of corral run: the command's own; 128+N when signal N ended it;\n"
	  "124 timed out; 125 corral failed; 126 cannot execute; 127 not found.\n"
	  "\nExamples:\n"
	  "  corral exec dev -- make test\n"
	  "  tar c src | corral exec -i dev -- tar x\n",
	  corral_sandbox_exec },
	{ "logs", CORRAL_OPTION_LOGS, " SANDBOX [SHELL]", 1, 2, "sandboxes",
	  "show what exec -d has started, and what one of them wrote",
	  "\nOf each stream the last 4M are kept, for the last 64 commands that have ended.\n"
	  "\nExamples:\n"
	  "  corral exec -d dev -- make test\n"
	  "  corral sandbox logs dev bg_1\n",
	  corral_sandbox_logs },
	{ "ps", CORRAL_OPTION_PS, " SANDBOX", 1, 1, "sandboxes",
	  "show the processes in one", NULL, corral_sandbox_ps },
	{ "stats", CORRAL_OPTION_STATS, " [SANDBOX...]", 0, ANY, "sandboxes",
	  "show what they use", NULL, corral_sandbox_stats },
	{ "cp", CORRAL_OPTION_CP, " SANDBOX:PATH DEST | SOURCE SANDBOX:PATH", 2, 2, "copies",
	  "copy files and trees in and out",
	  "\nAs with cp -r: into a directory that exists, else under the name that was given.\n"
	  "A source that ends with /. is what is in the directory, without itself. A single -\n"
	  "for the host's side is a tar archive on standard input or output.\n"
	  "\nExamples:\n"
	  "  corral sandbox cp src dev:/workspace\n"
	  "  corral sandbox cp dev:out/report.txt .\n"
	  "  corral sandbox cp dev:/workspace - | tar t\n",
	  corral_sandbox_cp },
	{ "pause", CORRAL_OPTION_PAUSE, " SANDBOX...", 1, ANY, "sandboxes",
	  "freeze all that runs in one", NULL, corral_sandbox_pause },
	{ "resume", CORRAL_OPTION_RESUME, " SANDBOX...", 1, ANY, "sandboxes",
	  "let it go on", NULL, corral_sandbox_resume },
	{ "stop", CORRAL_OPTION_STOP, " SANDBOX...", 1, ANY, "sandboxes",
	  "end one: its commands are asked first, then killed", NULL, corral_sandbox_stop },
	{ "rm", CORRAL_OPTION_RM, " SANDBOX...", 1, ANY, "sandboxes",
	  "remove what a dead one left; with -f, kill one that is alive", NULL, corral_sandbox_rm },
	{ NULL, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
/* clang-format on */

static const struct corral_family_alias aliases[] = {
	{ "ls", "sandbox list" },
	{ "run", "sandbox create" },
	{ "unpause", "sandbox resume" },
	{ "kill", "sandbox rm -f" },
	{ NULL, NULL },
};

static int open_all(struct corral_call *call, struct corral_error *err)
{
	return corral_sandboxes_open(&call->sandboxes, err);
}

static void close_all(struct corral_call *call)
{
	corral_sandboxes_close(&call->sandboxes);
}

const struct corral_family corral_sandbox_family = {
	.name = "sandbox",
	.about = "Sandboxes that stay: made once, then given command after command.\n",
	.ending = "A sandbox is called by its id, its name, or the beginning of one.\n",
	.commands = commands,
	.aliases = aliases,
	.open = open_all,
	.close = close_all,
};

int corral_cmd_sandbox(int argc, char **argv)
{
	return corral_family_main(&corral_sandbox_family, argc, argv);
}

int corral_cmd_exec(int argc, char **argv)
{
	return corral_family_run(&corral_sandbox_family,
	                         corral_family_find(&corral_sandbox_family, "exec"), argc, argv,
	                         argv - 1);
}
