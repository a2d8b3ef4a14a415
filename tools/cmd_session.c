/* corral session: files that stay, and a sandbox over them whenever there is something to do. */
#include "tools/commands.h"
#include "tools/message.h"
#include "tools/program.h"
#include "tools/session/commands.h"

#define ANY CORRAL_FAMILY_ANY

/* What it takes to keep sessions is in programs of its own: here are the words alone. */
#ifdef CORRAL_WITH_SESSIONS
#define RUN(function) function
#else
#define RUN(function) NULL
#endif

/* clang-format off */
static const struct corral_family_command commands[] = {
	{ "create", CORRAL_OPTION_SESSION_CREATE, " [ID]", 0, 1, "none",
	  "make a session, and print its id",
	  "\nNothing runs before the first command. exec makes a session that is not there as well.\n"
	  "\nExamples:\n"
	  "  corral session create --history dev\n"
	  "  corral session exec dev -- python3 -m venv /opt/env\n",
	  RUN(corral_session_create) },
	{ "list", CORRAL_OPTION_SESSION_LIST, "", 0, 0, "none",
	  "show the sessions that there are", NULL, RUN(corral_session_list) },
	{ "show", CORRAL_OPTION_SESSION_SHOW, " ID", 1, 1, "sessions",
	  "show all that is known of one", NULL, RUN(corral_session_show) },
	{ "exec", CORRAL_OPTION_SESSION_EXEC, " ID [--] COMMAND [ARG...]", 2, ANY, "sessions_exec",
	  "run a command in one: wakes it, or makes it on first use",
	  "\nFiles stay, whatever becomes of the sandbox: those of the work directory and what was\n"
	  "installed. What is in /tmp and /dev/shm goes when it hibernates, as processes do.\n"
	  "\nExit status: as of corral run: the command's own; 128+N when signal N ended it;\n"
	  "124 timed out; 125 corral failed; 126 cannot execute; 127 not found.\n"
	  "\nExamples:\n"
	  "  corral session exec dev -- make test\n"
	  "  corral session exec --diff dev -- ./generate\n",
	  RUN(corral_session_exec) },
	{ "shell", CORRAL_OPTION_SESSION_SHELL, " ID", 1, 1, "sessions",
	  "a shell in one, on this terminal", NULL, RUN(corral_session_shell) },
	{ "cp", CORRAL_OPTION_SESSION_CP, " ID:PATH DEST | SOURCE ID:PATH", 2, 2, "session_copies",
	  "copy files and trees in and out",
	  "\nAs corral sandbox cp does.\n", RUN(corral_session_cp) },
	{ "fork", CORRAL_OPTION_SESSION_FORK, " ID [NEW]", 1, 2, "sessions",
	  "make a session that begins with the files of another, and print its id",
	  "\nIt costs the same however many files there are; what either changes from now on is\n"
	  "nothing to the other.\n", RUN(corral_session_fork_it) },
	{ "checkpoint", CORRAL_OPTION_SESSION_CHECKPOINT, " ID [NAME]", 1, 2, "sessions",
	  "keep the files as they are now under a name, and print it", NULL,
	  RUN(corral_session_checkpoint_it) },
	{ "checkpoints", CORRAL_OPTION_SESSION_CHECKPOINTS, " ID", 1, 1, "sessions",
	  "show the checkpoints of one, and what was before each command", NULL,
	  RUN(corral_session_checkpoints_list) },
	{ "drop", CORRAL_OPTION_SESSION_DROP, " ID CHECKPOINT", 2, 2, "checkpoints",
	  "forget a checkpoint", NULL, RUN(corral_session_drop_it) },
	{ "restore", CORRAL_OPTION_SESSION_RESTORE, " ID CHECKPOINT", 2, 2, "checkpoints",
	  "go back to a checkpoint: what was changed since is lost", NULL,
	  RUN(corral_session_restore_it) },
	{ "diff", CORRAL_OPTION_SESSION_DIFF, " ID", 1, 1, "sessions",
	  "show which files were added, changed and deleted",
	  "\nOne line for each, A, C or D and its path. Content is compared, not times. In names,\n"
	  "characters that would move the cursor are shown as '?'; --json has them as they are.\n"
	  "\nExit status: 0, whether or not there are changes.\n"
	  "\nExamples:\n"
	  "  corral session diff dev\n"
	  "  corral session diff dev --command last -u\n",
	  RUN(corral_session_diff_it) },
	{ "undo", CORRAL_OPTION_SESSION_UNDO, " ID [N]", 1, 2, "sessions",
	  "take back what the last command changed, or the last N", NULL, RUN(corral_session_undo_it) },
	{ "hibernate", CORRAL_OPTION_SESSION_HIBERNATE, " ID...", 1, ANY, "sessions",
	  "end the sandbox of one; its files stay, and the next command wakes it", NULL,
	  RUN(corral_session_hibernate_them) },
	{ "rm", CORRAL_OPTION_SESSION_RM, " ID...", 1, ANY, "sessions",
	  "remove sessions with all their files", NULL, RUN(corral_session_rm) },
	{ NULL, 0, NULL, 0, 0, NULL, NULL, NULL, NULL },
};
/* clang-format on */

static const struct corral_family_alias aliases[] = {
	{ "ls", "session list" },
	{ "run", "session exec" },
	{ "info", "session show" },
	{ "inspect", "session show" },
	{ "stop", "session hibernate" },
	{ "commit", "session checkpoint" },
	{ "snapshot", "session checkpoint" },
	{ "clone", "session fork" },
	{ "delete", "session rm" },
	{ "remove", "session rm" },
	{ NULL, NULL },
};

const struct corral_family corral_session_family = {
	.name = "session",
	.about = "Sessions: files that stay, and a sandbox over them whenever there is something "
	         "to\n"
	         "do. Without work a session hibernates: no process, its files alone.\n",
	.ending = "Sessions are kept in /var/lib/corral as root, else in ~/.local/share/corral.\n",
	.commands = commands,
	.aliases = aliases,
	.open = RUN(corral_session_all_open),
	.close = RUN(corral_session_all_close),
};

int corral_cmd_session(int argc, char **argv)
{
#ifndef CORRAL_WITH_SESSIONS
	struct corral_error err = { 0 };

	/* main()'s argv. */
	if (corral_program_exec(CORRAL_PROGRAM_SESSION, "sessions", argv - 1, &err) < 0)
		return corral_complain(&err);
#endif
	return corral_family_main(&corral_session_family, argc, argv);
}
