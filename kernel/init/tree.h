/*
 * Finding and ending what descends from the calling process: guest init, or a supervisor of one
 * command.
 */
#ifndef CORRAL_KERNEL_INIT_TREE_H
#define CORRAL_KERNEL_INIT_TREE_H

#include "kernel/init/init.h"

#define TREE_DEPTH_MAX 10000

/* The parent of a process by its name in /proc, and its state letter; -errno when it is gone. */
long tree_parent(const struct init *in, const char *pid, char *ret_state);

/* Which of the wanted pids is it, or is above it; 0 when none. */
long tree_ancestor(const struct init *in, long pid, const long *wanted, unsigned int n);

/* A signal to every living descendant that /proc shows; how many there were. */
unsigned int tree_signal(const struct init *in, int signo);

/* SIGKILL to our own children but those spared; how many there were. Reap first: the dead count as
 * well. */
unsigned int tree_kill_children(const struct init *in, const long *spare, unsigned int n_spare);

/* One sweep of SIGKILL over all descendants: to be repeated until none is left. in->sweeps counts,
 * and begins at 0 for each tree. */
void tree_kill(struct init *in);

/* Whether the kernel lists them, also those that /proc hides. */
int tree_lists_children(const struct init *in);

#endif
