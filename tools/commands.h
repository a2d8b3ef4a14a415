/* The subcommands: one row each in main.c. Each gets argv[0] = its own name, and returns the exit
 * status. */
#ifndef CORRAL_TOOLS_COMMANDS_H
#define CORRAL_TOOLS_COMMANDS_H

struct corral_subcommand {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

extern const struct corral_subcommand corral_subcommands[]; /* ends with a row of NULL */

int corral_cmd_run(int argc, char **argv);
int corral_cmd_plan(int argc, char **argv);
int corral_cmd_sandbox(int argc, char **argv);
int corral_cmd_session(int argc, char **argv);
int corral_cmd_exec(int argc, char **argv);
int corral_cmd_doctor(int argc, char **argv);
int corral_cmd_mcp(int argc, char **argv);
/* ls, read, write, edit, glob and grep: argv[0] says which. */
int corral_cmd_files(int argc, char **argv);
int corral_cmd_docker(int argc, char **argv);
int corral_cmd_image(int argc, char **argv);
int corral_cmd_runtime(int argc, char **argv);
int corral_cmd_completion(int argc, char **argv);

#endif
