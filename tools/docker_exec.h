/*
 * Three programs are built from the sources of this folder: corral, static, which starts at once,
 * and knows neither Docker nor SQLite; corral-session, static as well, which keeps sessions; and
 * corral-docker, which has the Docker backend too and loads the libraries that it takes. Users know
 * corral alone: it turns into the others when it is asked for what they have (tools/program.h).
 */
#ifndef CORRAL_TOOLS_DOCKER_EXEC_H
#define CORRAL_TOOLS_DOCKER_EXEC_H

#include <stdbool.h>

#include "kernel/base/error.h"
#include "tools/options.h"

/* Whether this is the program that has the Docker backend. */
#ifdef CORRAL_WITH_DOCKER
#define corral_with_docker true
#else
#define corral_with_docker false
#endif

/*
 * Goes on as corral-docker, with main()'s whole argv and the same environment, directory and
 * descriptors; so nothing may have been read or made before. Does not return, but for errors:
 * -ENOENT when it is not installed. In corral-docker itself it does nothing and returns 0.
 */
int corral_docker_exec(char **argv, struct corral_error *err);
/* The same for a subcommand, where its options ask for a container; argv[0] is its name, as
 * main() gave it. 0 when they do not. */
int corral_docker_exec_wanted(enum corral_option_command command, int argc, char **argv,
                              struct corral_error *err);
/* The same for one whose options were read, where its runtime is Docker's; with the same argv. What
 * they were read from must still be there to be read again. */
int corral_docker_exec_runtime(const struct corral_options *o, char **argv,
                               struct corral_error *err);
/* Whether there is a program with the Docker backend. */
bool corral_docker_is_installed(void);

#endif
