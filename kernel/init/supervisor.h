/*
 * Commands beside each other: each under a supervisor, a copy of guest init that is the reaper of
 * that command's tree, so that the tree can be told from others and ended alone.
 */
#ifndef CORRAL_KERNEL_INIT_SUPERVISOR_H
#define CORRAL_KERNEL_INIT_SUPERVISOR_H

#include "kernel/init/init.h"

#define SUPERVISORS_MAX 128

/*
 * How guest init speaks to a supervisor. Processes of the same user can as well, and reach by it no
 * more than without. The second carries the signal to forward as its value.
 */
#define SUPERVISOR_ENDS    15 /* SIGTERM */
#define SUPERVISOR_FORWARD 34

/* Starts the command of a START message under a supervisor, which tells of it; when there can be
 * none, it is told here. */
void supervisor_start(struct init *in, const void *request, size_t size, const int *fds,
                      unsigned int n_fds);
/* Whether the child that was reaped is one. */
int supervisor_reaped(struct init *in, long pid, int status);
/* hard: it did not hear, and is killed itself. */
void supervisor_kill(uint32_t id, int hard);
void supervisor_signal(uint32_t id, int signo);
/* The pids of all; how many. */
unsigned int supervisors_list(long *ret);

#endif
