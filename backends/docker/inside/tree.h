/*
 * Finding and ending what descends from this process. It must be a reaper (PR_SET_CHILD_SUBREAPER):
 * whoever loses its parent then comes to us, so no children means no descendants.
 */
#ifndef CORRAL_BACKENDS_DOCKER_INSIDE_TREE_H
#define CORRAL_BACKENDS_DOCKER_INSIDE_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct rusage;

/* Takes away the dead; each is told, with what it and those that it waited for used. How many
 * children may be left: 0 or 1. */
int inside_tree_reap(void (*dead)(void *ctx, pid_t pid, int status, const struct rusage *used),
                     void *ctx);

/*
 * Ends all descendants, and nobody else; takes at most about limit_ms. SIGCHLD must be blocked. 0,
 * or how many are left that could not be ended (one at least when nobody can count them).
 */
uint32_t inside_tree_kill(void (*dead)(void *ctx, pid_t pid, int status, const struct rusage *used),
                          void *ctx, uint64_t limit_ms);

/*
 * Ends what a command left whose "run" is gone, or was stopped: all of its session, named by the
 * pid it had, every program of ours that is stopped, and with orphans whatever has come down to the
 * container's main process. Not a "run" that goes on, nor what belongs to it.
 */
void inside_tree_sweep(pid_t session, bool orphans, uint64_t limit_ms);

/* Whether that process is a program of ours: it has the name, and was started from outside. */
bool inside_tree_is_ours(pid_t pid);

/* The parent of a process; -ESRCH. */
long inside_tree_parent(pid_t pid);

#endif
