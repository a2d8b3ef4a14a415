/*
 * Inside corral: a command in a container with descriptors of the caller's own, which it writes to
 * as it runs, for as long as that takes; for programs that are not in the way of a single byte,
 * such as corral run. What the protocol of backends/sandbox.h has is made of buffers. One thread
 * uses a run at a time.
 */
#ifndef CORRAL_BACKENDS_DOCKER_RUN_H
#define CORRAL_BACKENDS_DOCKER_RUN_H

#include "backends/docker/docker.h"
#include "kernel/sandbox.h"

#ifdef __cplusplus
extern "C" {
#endif

struct corral_docker_run;

/*
 * Starts it in the container of a backend that corral_docker_sandbox_new() made, which is started
 * first if need be. env: over what the container has. Of command, last and no_statistics mean
 * nothing. *ret_exec_error: the errno with which the command could not be executed, when that is
 * why it failed; else 0. -EOPNOTSUPP: a terminal in a container that our program is not in.
 */
int corral_docker_run_start(struct corral_backend *b, const struct corral_command *command,
                            struct corral_docker_run **ret, int *ret_exec_error,
                            struct corral_error *err);
/* Readable when corral_docker_run_dispatch() has something to do. Borrowed. */
int corral_docker_run_event_fd(const struct corral_docker_run *x);
/* With tty: a socket that is the terminal's other side; -1 without. Borrowed. */
int corral_docker_run_tty(const struct corral_docker_run *x);
/* 1 when it has ended, its tree is gone and its output was given; 0; -EPIPE: the container is gone.
 */
int corral_docker_run_dispatch(struct corral_docker_run *x, struct corral_error *err);
/* After its end they do nothing. */
void corral_docker_run_signal(struct corral_docker_run *x, int signo);
void corral_docker_run_resize(struct corral_docker_run *x, uint16_t rows, uint16_t cols);
/* Ends its tree, in at most some seconds. */
void corral_docker_run_kill(struct corral_docker_run *x, enum corral_reason reason);
/* Complete once it has ended, but for layers and limits. Borrowed. */
const struct corral_receipt *corral_docker_run_receipt(const struct corral_docker_run *x);
/*
 * 0, or the errno with which the caller's standard output (stream 1) or error (2) could not be
 * written, so that output is lost; a reader that has gone is none. One for both is 1.
 */
int corral_docker_run_output_error(const struct corral_docker_run *x, int stream);
/* Kills what still runs. Takes NULL. */
void corral_docker_run_close(struct corral_docker_run *x);

/* What contains the live container, and which limits it has: of a receipt, layers and
 * limits_enforced, and limits_lost of the defaults that it has not. */
int corral_docker_run_explain(struct corral_backend *b, struct corral_receipt *receipt,
                              struct corral_error *err);

/* A container that is there, whoever made it. */
struct corral_docker_seen {
	bool running;
	char *id, *image, *work_dir, *network_mode; /* image: its id */
};
/* 1, or 0 when there is none of that name. -EINVAL: that is no name. */
int corral_docker_see(struct corral_docker_engine *e, const char *name,
                      struct corral_docker_seen *ret, struct corral_error *err);
void corral_docker_seen_done(struct corral_docker_seen *s);
/* Kills what is in it, and removes it. 0 for one that is gone, too. */
int corral_docker_forget(struct corral_docker_engine *e, const char *id, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
