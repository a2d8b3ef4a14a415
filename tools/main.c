/* corral: finds the subcommand. Reads the environment's CORRAL_TRACE; nothing below tools/ does. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"
#include "tools/commands.h"
#include "tools/exitcode.h"
#include "tools/message.h"
#include "kernel/base/suggest.h"

static int cmd_help(int argc, char **argv);

const struct corral_subcommand corral_subcommands[] = {
	{ "run", "run a command in a fresh sandbox", corral_cmd_run },
	{ "plan", "print what run would do, step by step", corral_cmd_plan },
	{ "sandbox", "sandboxes that stay: create, list, cp, stop and more", corral_cmd_sandbox },
	{ "exec", "run a command in a sandbox that stays", corral_cmd_exec },
	{ "session", "files that stay, and a sandbox over them when needed", corral_cmd_session },
	{ "mcp", "tools for AI agents, over the Model Context Protocol", corral_cmd_mcp },
	{ "ls", "list a directory as the tools of agents do", corral_cmd_files },
	{ "read", "read a file, with line numbers", corral_cmd_files },
	{ "write", "replace a file by standard input", corral_cmd_files },
	{ "edit", "replace one text in a file by another", corral_cmd_files },
	{ "glob", "find files by name", corral_cmd_files },
	{ "grep", "find lines", corral_cmd_files },
	{ "runtime", "named environments, and how each is contained here", corral_cmd_runtime },
	{ "image", "root filesystems to run on: pull, load, list and more", corral_cmd_image },
	{ "docker", "containers and images of a Docker engine", corral_cmd_docker },
	{ "doctor", "what this host can do, what it lacks and what mends it", corral_cmd_doctor },
	{ "completion", "print the completion script for bash", corral_cmd_completion },
	{ "help", "this text, or that of a command", cmd_help },
	{ NULL, NULL, NULL },
};

static void print_usage(FILE *out)
{
	(void)fputs("Usage: corral COMMAND [options]\n"
	            "Runs code that nobody vouches for, contained by this host's own kernel.\n\n"
	            "Commands:\n",
	            out);
	for (const struct corral_subcommand *s = corral_subcommands; s->name; s++)
		(void)fprintf(out, "  %-11s %s\n", s->name, s->summary);
	(void)fputs("\ncorral COMMAND --help tells more; corral --version the version.\n"
	            "First steps: corral doctor, then corral run -- python3 -c 'print(6 * 7)'\n",
	            out);
}

static const struct corral_subcommand *find(const char *name)
{
	for (const struct corral_subcommand *s = corral_subcommands; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

/* Words that people bring along from other tools, and commands of families without their family. */
static const struct {
	const char *word, *command;
} elsewhere[] = {
	{ "pull", "image pull" },       { "load", "image load" },
	{ "save", "image save" },       { "import", "image import" },
	{ "tag", "image tag" },         { "history", "image history" },
	{ "inspect", "image inspect" }, { "images", "image list" },
	{ "rmi", "image rm" },          { "build", "runtime build" },
	{ "create", "sandbox create" }, { "list", "sandbox list" },
	{ "ps", "sandbox list" },       { "stop", "sandbox stop" },
	{ "rm", "sandbox rm" },         { "cp", "sandbox cp" },
	{ "logs", "sandbox logs" },     { "stats", "sandbox stats" },
	{ "pause", "sandbox pause" },   { "resume", "sandbox resume" },
	{ "shell", "session shell" },   { "sessions", "session list" },
	{ "version", "--version" },
};

static int unknown(const char *name)
{
	struct corral_guess guess = corral_guess_begin(name);

	for (size_t i = 0; i < CORRAL_COUNT(elsewhere); i++)
		if (!strcmp(elsewhere[i].word, name)) {
			corral_say("unknown command '%s': write corral %s; to run a program of "
			           "that name, corral run -- %s",
			           name, elsewhere[i].command, name);
			return CORRAL_EXIT_FAILED;
		}
	for (const struct corral_subcommand *s = corral_subcommands; s->name; s++)
		corral_guess_look(&guess, s->name);
	corral_guess_look(&guess, "--version");
	corral_guess_look(&guess, "--help");
	if (guess.best)
		corral_say("unknown command '%.64s': did you mean '%s'?", name, guess.best);
	else if (name[0] == '-' || !*name)
		corral_say("unknown option '%.64s': see corral --help", name);
	else
		corral_say("unknown command '%.64s': see corral --help; to run it, write corral "
		           "run -- "
		           "%.64s",
		           name, name);
	return CORRAL_EXIT_FAILED;
}

/* Whose next word is a command as well: that of run would be run. */
static bool has_commands(const struct corral_subcommand *s)
{
	return s->run == corral_cmd_sandbox || s->run == corral_cmd_session ||
	       s->run == corral_cmd_runtime || s->run == corral_cmd_image ||
	       s->run == corral_cmd_docker;
}

static int cmd_help(int argc, char **argv)
{
	const struct corral_subcommand *s;
	char program[] = "corral", option[] = "--help";
	/* All of it: another program may take it over. */
	char *args[5] = { program };
	int n = 1;

	if (argc < 2 || argv[1][0] == '-' || !strcmp(argv[1], "help")) {
		print_usage(stdout);
		return 0;
	}
	s = find(argv[1]);
	if (!s)
		return unknown(argv[1]);
	args[n++] = argv[1];
	if (argc > 2 && argv[2][0] != '-' && has_commands(s))
		args[n++] = argv[2];
	args[n++] = option;
	return s->run(n - 1, args + 1);
}

/*
 * Whoever started us may have closed a standard stream; the next file opened would take its number,
 * and be handed to the command. Filled the wrong way round, so that using it still fails.
 */
static void standard_streams_fill(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null",
			           (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY)); /* NOLINT */
}

int main(int argc, char **argv)
{
	const struct corral_subcommand *s;
	const char *unknown_topic;
	int status;

	standard_streams_fill();
	corral_complaints_hand_on(getenv(CORRAL_COMPLAINTS_FD));
	unknown_topic = corral_trace_enable(getenv("CORRAL_TRACE"));
	if (unknown_topic)
		corral_say("CORRAL_TRACE: no topic '%.*s': write " CORRAL_TRACE_TOPICS,
		           (int)strcspn(unknown_topic, ","), unknown_topic);
	if (argc < 2) {
		print_usage(stderr);
		return CORRAL_EXIT_FAILED;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		(void)puts("corral " CORRAL_VERSION);
		status = 0;
	} else if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		print_usage(stdout);
		status = 0;
	} else {
		s = find(argv[1]);
		if (!s)
			return unknown(argv[1]);
		status = s->run(argc - 1, argv + 1);
	}
	/* A full disk or a closed pipe must not look like success. */
	errno = 0;
	if ((fflush(stdout) != 0 || (status == 0 && ferror(stdout))) && errno != EPIPE) {
		corral_say("standard output: %s", strerrordesc_np(errno ? errno : EIO));
		return CORRAL_EXIT_FAILED;
	}
	return status;
}
