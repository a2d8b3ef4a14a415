/*
 * Inside the local backend: a process of this machine with all that it starts, as far as that can
 * be had together (backends/local.h).
 */
#ifndef CORRAL_BACKENDS_LOCAL_PROCESS_H
#define CORRAL_BACKENDS_LOCAL_PROCESS_H

#include "kernel/cgroup.h"
#include "kernel/process.h"

struct corral_local_process;

struct corral_local_launch {
	const struct corral_cgroup_host *cgroups; /* NULL: none */
	int dir_fd;
	char *const *env;
};

/*
 * command: guest_dir, tty and last are not heeded, stdin_fd -1 is /dev/null, the others are given,
 * env NULL: the launch's. -ENOENT, -EACCES, ... when it cannot be executed.
 */
int corral_local_process_start(const struct corral_local_launch *launch,
                               const struct corral_command *command,
                               struct corral_local_process **ret, struct corral_error *err);
int corral_local_process_pid(const struct corral_local_process *p);
/* Readable when its main process has ended. Borrowed. */
int corral_local_process_event_fd(const struct corral_local_process *p);
/* 1 when it has ended, and its tree is gone; 0 when it runs. */
int corral_local_process_dispatch(struct corral_local_process *p);
int corral_local_process_signal(struct corral_local_process *p, int signo);
void corral_local_process_kill(struct corral_local_process *p, enum corral_reason reason);
/* Complete once it has ended. */
const struct corral_receipt *corral_local_process_receipt(const struct corral_local_process *p);
/* Kills it if it runs. Takes NULL. */
void corral_local_process_close(struct corral_local_process *p);

#endif
