/*
 * One command in a sandbox that is there, with the caller's streams: corral exec, and whatever else
 * gives a command to a holder and waits for its end.
 *
 * Theory of operation: the holder of the sandbox gets our own descriptors for the command, and the
 * connection to it takes the place of what the sandbox itself is to corral run; the rest is the
 * same (tools/relay.h). When we die, however, the connection ends, and the command with it.
 */
#ifndef CORRAL_TOOLS_EXEC_RUN_H
#define CORRAL_TOOLS_EXEC_RUN_H

#include "tools/options.h"
#include "tools/talk.h"
#include "tools/sandboxes.h"

struct corral_exec_run {
	const struct corral_options *options;
	const char *name; /* of the subcommand, for messages */
	char **argv;
	size_t n_argv;
	/*
	 * When the command has ended, before its receipt is written: may add to it. Not with
	 * --detach. NULL: nothing is done then.
	 */
	int (*ended)(void *ctx, json_t *receipt, struct corral_error *err);
	void *ctx;
};

/* Before anything is made for it: a "--" before the command is left out; -EINVAL for options that
 * do not go together. */
int corral_exec_run_check(struct corral_exec_run *x, const char *usage, struct corral_error *err);

/* On a connection of corral_sandboxes_connect() to that sandbox, which stays the caller's. The exit
 * status, or -errno. */
int corral_exec_run(const struct corral_exec_run *x, const struct corral_record *record,
                    int socket_fd, struct corral_error *err);

/* It failed with r, wherever: where a receipt is asked for, it says so. Gives r back. */
int corral_exec_run_failed(const struct corral_options *o, int r, const struct corral_error *err);

#endif
