/*
 * The command that this process runs: guest init one by itself, a supervisor the one it was made
 * for.
 */
#ifndef CORRAL_KERNEL_INIT_COMMAND_H
#define CORRAL_KERNEL_INIT_COMMAND_H

#include <linux/resource.h>
#include <linux/time.h>

#include "kernel/init/init.h"

struct running {
	long pid;   /* of the command's main process, 0 when there is none */
	int ending; /* main is gone, its tree is dying */
	int killed; /* all of it is to go, main as well */
	int last;   /* and we go with it */
	int status;
	uint32_t id;
	int report_fd; /* where its end is told */
	uint64_t exec_nsec, end_nsec;
	struct rusage before;
	uint64_t blocks_before;
};

/* Maps what starting one will write, while nobody waits for it. */
void command_ready(void);
/* Starts the command of a START message and tells so, or why not. 1 when it runs. */
int command_start(struct init *in, const void *request, size_t size, const int *fds,
                  unsigned int n_fds);
/*
 * One whose start nobody waits to hear of (CORRAL_START_QUIET) may still be on its way to its exec,
 * with our memory and the message that asked for it: waits until it is not. To be called before the
 * next message is read.
 */
void command_settle(void);
/* Whether it is on that way; and that it goes on, if a guest stopped it there. */
int command_starts(void);
void command_go_on(void);
/* After SIGCHLD: reaps, and tells of the command's end when there is nothing left of it. */
void command_reap(struct init *in);
void command_signal(uint32_t id, int signo);
/* Ends its tree; 0 when there is no such command here. */
int command_kill(struct init *in, uint32_t id);
int command_busy(void);
uint32_t command_id(void);
/* Its tree is dying: what /proc hides must be looked for again. */
int command_ends(void);
/* In a new supervisor, whose memory is a copy. */
void command_forget(void);

#endif
