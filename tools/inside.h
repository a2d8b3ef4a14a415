/*
 * The processes in a sandbox, as the host's /proc tells of them: nothing runs in the sandbox for
 * it, so it works also when that is paused or full. What a guest has a say in, names and command
 * lines, is shown and believed no further.
 */
#ifndef CORRAL_TOOLS_INSIDE_H
#define CORRAL_TOOLS_INSIDE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/base/error.h"

#define CORRAL_INSIDE_MAX 32768u

struct corral_inside {
	pid_t host_pid, guest_pid; /* guest_pid: 0 where it has none of its own */
	pid_t host_parent;
	uint32_t guest_uid;
	char state;
	uint64_t cpu_ticks, rss_bytes, threads;
	char command[512]; /* with blanks between its words; "[name]" when there are none */
};

/* init and all its descendants, by guest pid; the caller frees. */
int corral_inside_list(pid_t init_pid, struct corral_inside **ret, size_t *ret_n,
                       struct corral_error *err);

#endif
