/*
 * A server of the Model Context Protocol on two descriptors: JSON-RPC 2.0, one message a line
 * (specification 2025-11-25, transport stdio). It offers the console toolset as tools.
 *
 * Theory of operation: the calling thread reads messages and answers all but tool calls at once.
 * Each tool call has a thread of its own, so that a long command holds up nobody and can be
 * cancelled; what the threads write is one line at a time under a lock. Once a second the reading
 * thread tells how long calls have been running to those who asked for progress.
 */
#ifndef CORRAL_TOOLS_MCP_H
#define CORRAL_TOOLS_MCP_H

#include "backends/console.h"

struct corral_mcp_options {
	struct corral_console_toolset *toolset; /* borrowed */
	int in_fd, out_fd;
	int stop_fd;              /* readable: the end, as if input had ended; -1 without */
	const char *instructions; /* what a model should know about the tools; NULL: nothing */
};

/* Until the end of input or a word on stop_fd; then all calls are cancelled and waited for. -errno
 * when neither reading nor writing is possible any more. */
int corral_mcp_serve(const struct corral_mcp_options *o, struct corral_error *err);

#endif
