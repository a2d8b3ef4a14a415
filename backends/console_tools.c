/* What the console tools are called and what models are told about them. */
#include "backends/console_tools.h"

#include "kernel/base/cleanup.h"

#define AT(field) offsetof(struct corral_console_arguments, field)
#define REQUIRED  .required = true
#define PATH_DOT(what)                                                                 \
	{                                                                              \
		.name = "path", .kind = CONSOLE_TEXT, .offset = AT(path), .text = ".", \
		.description = (what)                                                  \
	}
#define PATH(what)                                                                  \
	{                                                                           \
		.name = "path", .kind = CONSOLE_TEXT, REQUIRED, .offset = AT(path), \
		.description = (what)                                               \
	}
#define SHELL_ID(what)                                                                      \
	{                                                                                   \
		.name = "shell_id", .kind = CONSOLE_TEXT, REQUIRED, .offset = AT(shell_id), \
		.description = (what)                                                       \
	}

const char *const console_modes[] = {
	[CORRAL_CONSOLE_FILES_WITH_MATCHES] = "files_with_matches",
	[CORRAL_CONSOLE_CONTENT] = "content",
	[CORRAL_CONSOLE_COUNT] = "count",
};

const struct console_tool console_tools[] = {
	[CORRAL_CONSOLE_LS] = {
		.name = "ls",
		.operation = CORRAL_PERMISSION_LS,
		.summary = "List the entries of one directory.",
		.usage = "Directories end with a slash, files show their size. It does not descend: use "
			 "`glob` to find files by name in a whole tree.",
		.returns = "The entries, one per line, or a note that there are none.",
		.arguments = { PATH_DOT("Directory to list; the working directory when left out.") },
		.n = 1,
	},
	[CORRAL_CONSOLE_READ_FILE] = {
		.name = "read_file",
		.operation = CORRAL_PERMISSION_READ,
		.summary = "Read a file, its lines numbered.",
		.usage = "Read a file before you edit it. Of a long one, read parts: `offset` lines are "
			 "skipped, then at most `limit` are shown, and the last line says how many follow.",
		.hashed = "Each line is shown as `number:hash|text`: `hashline_edit` names lines by number "
			  "and hash, and neither belongs to the file.",
		.coding = "Use `grep` to find the place first, then read around it.",
		.returns = "The numbered lines, or a message that begins with `Error`.",
		.arguments = {
			PATH("File to read."),
			{ .name = "offset", .kind = CONSOLE_NUMBER, .offset = AT(offset), .has_min = true,
			  .description = "Lines to skip at the start; 0 shows the first line." },
			{ .name = "limit", .kind = CONSOLE_NUMBER, .offset = AT(limit), .number = 2000,
			  .has_min = true, .min = 1, .description = "Most lines to show." },
		},
		.n = 3,
	},
	[CORRAL_CONSOLE_WRITE_FILE] = {
		.name = "write_file",
		.operation = CORRAL_PERMISSION_WRITE,
		.approval = CORRAL_PERMISSION_WRITE,
		.approved = true,
		.summary = "Write a whole file: a new one, or in place of what is there.",
		.usage = "Missing directories are made. To change part of a file, edit it instead: that is "
			 "shorter, and keeps the rest as it is.",
		.coding = "Do not write documentation files that nobody asked for.",
		.returns = "How many lines were written and where, or a message that begins with `Error`.",
		.arguments = {
			PATH("File to write."),
			{ .name = "content", .kind = CONSOLE_CONTENT, REQUIRED, .offset = AT(content),
			  .description = "All of the file's new content." },
		},
		.n = 2,
	},
	[CORRAL_CONSOLE_EDIT_FILE] = {
		.name = "edit_file",
		.operation = CORRAL_PERMISSION_EDIT,
		.approval = CORRAL_PERMISSION_WRITE,
		.approved = true,
		.summary = "Replace an exact piece of text in a file.",
		.usage = "Read the file first. `old_string` has to be there exactly as in the file, blanks "
			 "and line ends included and line numbers left out, and only once: take in lines "
			 "around it until it is unique, or set `replace_all`.",
		.coding = "Keep the indentation of the file.",
		.returns = "How many places were replaced, or a message that begins with `Error`.",
		.arguments = {
			PATH("File to edit."),
			{ .name = "old_string", .kind = CONSOLE_CONTENT, REQUIRED,
			  .offset = AT(old_string), .description = "Text to replace, exactly as it is." },
			{ .name = "new_string", .kind = CONSOLE_CONTENT, REQUIRED,
			  .offset = AT(new_string), .description = "Text to put in its place." },
			{ .name = "replace_all", .kind = CONSOLE_SWITCH, .offset = AT(replace_all),
			  .description = "Replace every occurrence, not just a single one." },
		},
		.n = 4,
	},
	[CORRAL_CONSOLE_HASHLINE_EDIT] = {
		.name = "hashline_edit",
		.operation = CORRAL_PERMISSION_EDIT,
		.approval = CORRAL_PERMISSION_WRITE,
		.approved = true,
		.summary = "Edit lines of a file, named by number and content hash.",
		.usage = "`read_file` shows lines as `number:hash|text`; give number and hash as shown "
			 "there. An edit for a line that has changed since is refused. One line is "
			 "replaced, or with `end_line` a range; empty `new_content` deletes; "
			 "`insert_after` adds lines behind the one named, which stays. Numbers shift with "
			 "each edit: make several from the bottom up, or read the file again.",
		.coding = "Keep the indentation of the file.",
		.returns = "What was done, or a message that begins with `Error`.",
		.arguments = {
			PATH("File to edit."),
			{ .name = "start_line", .kind = CONSOLE_NUMBER, REQUIRED,
			  .offset = AT(start_line), .description = "Number of the first line, from 1." },
			{ .name = "start_hash", .kind = CONSOLE_TEXT, REQUIRED, .offset = AT(start_hash),
			  .description = "Two-digit hash of that line." },
			{ .name = "new_content", .kind = CONSOLE_CONTENT, REQUIRED,
			  .offset = AT(new_content),
			  .description = "New lines without numbers and hashes; empty to delete." },
			{ .name = "end_line", .kind = CONSOLE_NUMBER, .nullable = true, .null = true,
			  .offset = AT(end_line), .given = AT(has_end_line),
			  .description = "Number of the last line of a range, itself included." },
			{ .name = "end_hash", .kind = CONSOLE_TEXT, .nullable = true, .null = true,
			  .offset = AT(end_hash), .description = "Hash of the last line." },
			{ .name = "insert_after", .kind = CONSOLE_SWITCH, .offset = AT(insert_after),
			  .description = "Insert behind `start_line`, replacing nothing." },
		},
		.n = 7,
	},
	[CORRAL_CONSOLE_GLOB] = {
		.name = "glob",
		.operation = CORRAL_PERMISSION_GLOB,
		.summary = "Find files by the pattern of their path.",
		.usage = "`*` matches within one name, `**` any directories: `**/*.py` is every Python file, "
			 "`src/*.c` those in one directory. Directories themselves are not listed.",
		.returns = "Paths, at most 100 of them, or a note that none match.",
		.arguments = {
			{ .name = "pattern", .kind = CONSOLE_TEXT, REQUIRED, .offset = AT(pattern),
			  .description = "Pattern of paths below `path`." },
			PATH_DOT("Directory to search; the working directory when left out."),
		},
		.n = 2,
	},
	[CORRAL_CONSOLE_GREP] = {
		.name = "grep",
		.operation = CORRAL_PERMISSION_GREP,
		.summary = "Search the contents of files for a regular expression.",
		.usage = "`output_mode` is `files_with_matches` for the paths alone, `content` for the lines "
			 "with their numbers, `count` for how many there are. Narrow it down with `path` and "
			 "`glob_pattern`. At most 50 rows are shown.",
		.coding = "Search here, not with grep or rg in `execute`.",
		.returns = "Paths, lines or a count, or a note that nothing matches.",
		.arguments = {
			{ .name = "pattern", .kind = CONSOLE_TEXT, REQUIRED, .offset = AT(pattern),
			  .description = "Regular expression." },
			{ .name = "path", .kind = CONSOLE_TEXT, .nullable = true, .null = true,
			  .offset = AT(path),
			  .description = "File or directory to search; the working directory when left out." },
			{ .name = "glob_pattern", .kind = CONSOLE_TEXT, .nullable = true, .null = true,
			  .offset = AT(glob_pattern),
			  .description = "Only files whose path matches, such as `*.py`." },
			{ .name = "output_mode", .kind = CONSOLE_MODE, .offset = AT(output_mode),
			  .number = CORRAL_CONSOLE_FILES_WITH_MATCHES,
			  .description = "What is shown of the matches." },
			{ .name = "ignore_hidden", .kind = CONSOLE_SWITCH, .offset = AT(ignore_hidden),
			  .description = "Leave out files and directories that begin with a dot." },
		},
		.n = 5,
	},
	[CORRAL_CONSOLE_EXECUTE] = {
		.name = "execute",
		.operation = CORRAL_PERMISSION_EXECUTE,
		.approval = CORRAL_PERMISSION_EXECUTE,
		.approved = true,
		.shell = true,
		.summary = "Run a shell command and wait for it.",
		.usage = "For files use the other tools: they are quicker, and their output is shorter. Raise "
			 "`timeout` for long work, and redirect long output to a file that you then read in "
			 "parts. A server that is to stay runs with `run_in_background` where there is one.",
		.coding = "Run the tests and the build here after a change.",
		.returns = "The output; with the exit code in front when that is not 0.",
		.arguments = {
			{ .name = "command", .kind = CONSOLE_TEXT, REQUIRED, .offset = AT(command),
			  .description = "Command line for the shell." },
			{ .name = "timeout", .kind = CONSOLE_NUMBER, .nullable = true, .number = 120,
			  .offset = AT(timeout), .given = AT(has_timeout), .has_min = true,
			  .description = "Seconds after which it is killed; null leaves that to the backend." },
		},
		.n = 2,
	},
	[CORRAL_CONSOLE_RUN_IN_BACKGROUND] = {
		.name = "run_in_background",
		.operation = CORRAL_PERMISSION_EXECUTE,
		.approval = CORRAL_PERMISSION_EXECUTE,
		.approved = true,
		.shell = true,
		.background = true,
		.summary = "Start a shell command and do not wait for it.",
		.usage = "For servers, watchers and other work that goes on. Follow it with `read_output`, end "
			 "it with `kill_shell`.",
		.returns = "The id of the background shell.",
		.arguments = {
			{ .name = "command", .kind = CONSOLE_TEXT, REQUIRED, .offset = AT(command),
			  .description = "Command line for the shell." },
		},
		.n = 1,
	},
	[CORRAL_CONSOLE_READ_OUTPUT] = {
		.name = "read_output",
		.operation = CORRAL_PERMISSION_EXECUTE,
		.approval = CORRAL_PERMISSION_EXECUTE,
		.shell = true,
		.background = true,
		.summary = "Read what a background shell has put out since it was last read.",
		.returns = "Whether it is running, and the new output.",
		.arguments = { SHELL_ID("Id that `run_in_background` gave.") },
		.n = 1,
	},
	[CORRAL_CONSOLE_KILL_SHELL] = {
		.name = "kill_shell",
		.operation = CORRAL_PERMISSION_EXECUTE,
		.approval = CORRAL_PERMISSION_EXECUTE,
		.approved = true,
		.shell = true,
		.background = true,
		.summary = "End a background shell with all it started.",
		.returns = "Whether there was one to end.",
		.arguments = { SHELL_ID("Id that `run_in_background` gave.") },
		.n = 1,
	},
	[CORRAL_CONSOLE_LIST_SHELLS] = {
		.name = "list_shells",
		.operation = CORRAL_PERMISSION_EXECUTE,
		.approval = CORRAL_PERMISSION_EXECUTE,
		.shell = true,
		.background = true,
		.summary = "List the background shells.",
		.returns = "Id, state and command of each, one per line.",
	},
};
_Static_assert(CORRAL_COUNT(console_tools) == CORRAL_CONSOLE_TOOLS, "one row each");
