/*
 * A command in a sandbox that somebody else holds: asked for by a message, with the descriptors
 * that are to be its own. It lives no longer than the connection, unless it was detached.
 */
#ifndef CORRAL_TOOLS_EXEC_CLIENT_H
#define CORRAL_TOOLS_EXEC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "tools/sandboxes.h"
#include "tools/talk.h"

struct corral_exec {
	char *const *argv, *const *env; /* env is layered over the sandbox's */
	size_t n_argv, n_env;
	const char *guest_dir;                          /* NULL: the work directory */
	int stdin_fd, stdout_fd, stderr_fd, program_fd; /* -1 for what there is none of */
	bool tty, detach;
	bool keep; /* with detach: the holder keeps what goes to no descriptor of ours */
	uint16_t rows, cols;
	uint64_t timeout_ms, output_bytes; /* output is counted by us, and only named there */
};

/* Sends it on a connection of corral_sandboxes_connect(). The holder then says "started", or how it
 * could not be. */
int corral_exec_send(int socket_fd, const struct corral_exec *x, struct corral_error *err);

#endif
