/*
 * Commands beside each other in one live sandbox, from as many threads as like. Each has a socket
 * of its own on which guest init, or the supervisor that it gives the command, tells of its start
 * and end; so nobody waits for another's command, and no lock is held while one waits.
 *
 * A process and everything that it started is one tree, which ends with its main process or by
 * corral_process_kill(), and nothing else does.
 */
#ifndef CORRAL_KERNEL_PROCESS_H
#define CORRAL_KERNEL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_process;

enum corral_process_flags {
	/* It runs beside all others from its start; without this the first of several needs no
	   supervisor and starts faster. */
	CORRAL_PROCESS_BACKGROUND = 1u << 0,
};

/*
 * Returns when it runs, or with command->no_wait when it is asked for: -ENOENT, -EACCES, -ENOEXEC,
 * -ENOTDIR, ... when it cannot be executed, -EAGAIN when the sandbox has no room for another
 * process, -EPIPE when the sandbox is gone. command->last is not heeded. The process is the
 * caller's to close; the sandbox must not be closed before it.
 */
int corral_process_start(struct corral_sandbox *s, const struct corral_command *command,
                         unsigned int flags, struct corral_process **ret, struct corral_error *err);

/* The same of a program that is not in the sandbox, by its descriptor: a sealed memfd of the
 * caller's. argv[0] is only a name. */
int corral_process_start_program(struct corral_sandbox *s, int program_fd,
                                 const struct corral_command *command, unsigned int flags,
                                 struct corral_process **ret, struct corral_error *err);

/* Of its main process, as the sandbox numbers them, and as guest init says; 0 with no_wait. */
int corral_process_pid(const struct corral_process *p);

/* The master side of its terminal, O_CLOEXEC, borrowed; -1 without. */
int corral_process_tty(const struct corral_process *p);

/* Readable when corral_process_dispatch() has something to do. Borrowed. */
int corral_process_event_fd(const struct corral_process *p);
/* 1 when it has ended and its tree is gone, 0 when it runs, -errno. Does not block. */
int corral_process_dispatch(struct corral_process *p, struct corral_error *err);

/* Blocks until it has ended: 0; at most timeout_ms (-1: ever), then -ETIMEDOUT without a text. */
int corral_process_wait(struct corral_process *p, int timeout_ms, struct corral_error *err);

/* To the process group of its main process. -ESRCH when it has ended. */
int corral_process_signal(struct corral_process *p, int signo, struct corral_error *err);

/*
 * Ends its tree, and returns when that is gone, in at most some seconds: when the tree cannot be
 * ended alone (its supervisor was killed or stopped by the guest and something outruns guest init),
 * the sandbox is killed as a whole. The receipt gives the reason.
 */
void corral_process_kill(struct corral_process *p, enum corral_reason reason);

/* Complete once it has ended. Of memory and processes the group's numbers, all commands together.
 */
const struct corral_receipt *corral_process_receipt(const struct corral_process *p);
void corral_process_count_output(struct corral_process *p, uint64_t bytes);

/* Kills it if it still runs. Takes NULL. */
void corral_process_close(struct corral_process *p);

#ifdef __cplusplus
}
#endif

#endif
