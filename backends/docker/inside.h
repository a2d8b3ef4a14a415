/*
 * Inside the Docker backend: the program of ours within the container. It is one static binary,
 * mounted read-only at CORRAL_DOCKER_INSIDE_DIR, and started by exec:
 *
 *   corral-inside idle     as the container's main process: reaps, and ends on SIGTERM; "idle
 *                          tied" also with its stdin, which whoever made the container holds
 *   corral-inside files    the file server of kernel/files/, over stdin and stdout
 *   corral-inside run      commands one after the other, told over stdin (frame.h), their streams
 * and their ends over stdout; each one's tree ends with it, and with the stream corral-inside
 * signal PID SIGNO to the process group of a command that a "run" started; exits with 0, or 1 when
 * there is none. SIGKILL ends the command, and its "run" the rest
 *
 *   corral-inside sweep PID session|all
 *                          ends what the command of that pid left when its "run" was killed, or
 *                          stopped; all: and every orphan in the container
 *
 * What it says is believed as far as a guest is.
 */
#ifndef CORRAL_BACKENDS_DOCKER_INSIDE_H
#define CORRAL_BACKENDS_DOCKER_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/docker/http.h"
#include "backends/execute.h"
#include "kernel/files/client.h"

#define CORRAL_DOCKER_INSIDE_DIR  "/.corral"
#define CORRAL_DOCKER_INSIDE_PATH CORRAL_DOCKER_INSIDE_DIR "/corral-inside"

/* The program's bytes, static, and the engine's word for the processors that run it ("amd64"). */
void corral_docker_inside_image(const void **ret_data, size_t *ret_len);
const char *corral_docker_inside_arch(void);

/*
 * The file server behind a stream on which "corral-inside files" runs: a thread carries between it
 * and a client, until either ends. Takes the stream, also when it fails. multiplexed: the engine
 * frames what comes (demux.h), as it does without a terminal.
 */
struct corral_docker_files;
int corral_docker_files_open_take(struct corral_docker_stream *stream, bool multiplexed,
                                  struct corral_docker_files **ret, struct corral_error *err);
/* Borrowed. */
struct corral_files_client *corral_docker_files_client(struct corral_docker_files *f);
/* No call may be under way. Takes NULL. */
void corral_docker_files_close(struct corral_docker_files *f);

/*
 * A command behind a stream on which "corral-inside run" waits. It may wait for as long as one
 * likes, and waits again when a command has ended.
 */
struct corral_docker_process;

struct corral_docker_start {
	char *const *argv;
	char *const *env;      /* over what the container has; NULL-terminated, or NULL */
	const char *guest_dir; /* absolute; NULL: as the program has it */
	/* The caller's, used until the end of the process; -1: /dev/null. With tty all three are
	 * unused, and corral_docker_process_tty() is there instead. */
	int stdin_fd, stdout_fd, stderr_fd;
	bool tty;
	uint16_t rows, cols;
	/*
	 * Stays when its stream ends: only its end, or a kill, ends it. Its input is empty, and its
	 * output is appended to files inside, absolute paths whose missing parents are made (0700,
	 * the files 0600; a link or what is no plain file is refused); err_path NULL: as out_path.
	 * When it has ended, out_path + ".exit" holds "code N\n" or "signal N\n", whole or not yet
	 * there. While the stream is held, all calls work as for others; it may be closed at once.
	 */
	bool background;
	const char *out_path, *err_path;
	/* Or NULL: where the errno goes with which the program could not be executed. */
	int *ret_exec_error;
};

/*
 * Takes the stream, also when it fails. -ENOENT, -EACCES, -ENOEXEC, ...: it cannot be executed.
 * A thread carries its streams from then on. -EPIPE: the stream ended before it was told (nothing
 * was started, another stream may do); -ECONNRESET: it ended afterwards, and whether it was started
 * nobody knows; -ETIMEDOUT: no word came; -EPROTO: what spoke there is not ours, and its text, if
 * it is one, is in the error's. The same descriptor for stdout and stderr keeps their order.
 */
int corral_docker_process_start_take(struct corral_docker_stream *stream, bool multiplexed,
                                     const struct corral_docker_start *start,
                                     struct corral_docker_process **ret, struct corral_error *err);
int corral_docker_process_event_fd(const struct corral_docker_process *p);
/*
 * 1 when it has ended and so has its tree, and its output was given to the caller's descriptors,
 * whose copies are closed; 0 not yet. 1 with the reason in the receipt, too, when the stream ended
 * without a word, or something of its tree could not be ended: then corral_docker_process_is_lost()
 * as well, and what is left is somebody else's to end.
 */
int corral_docker_process_dispatch(struct corral_docker_process *p, struct corral_error *err);
bool corral_docker_process_is_lost(const struct corral_docker_process *p);
int corral_docker_process_pid(const struct corral_docker_process *p); /* in the container */
/* To its process group. -ESRCH after its end, -EINVAL. */
int corral_docker_process_signal(struct corral_docker_process *p, int signo);
/*
 * Ends its whole tree, and waits for the word that it is gone, at most 5 s; lost then. Of output
 * that nobody reads meanwhile, as much is kept as a pipe would hold.
 */
void corral_docker_process_kill(struct corral_docker_process *p, enum corral_reason reason);
int corral_docker_process_wait(struct corral_docker_process *p, int timeout_ms,
                               struct corral_error *err);
const struct corral_receipt *corral_docker_process_receipt(const struct corral_docker_process *p);
/* 0, or the errno with which a descriptor of the caller's (stream 1 or 2) took no more of its
 * output, which nobody has then; EPIPE: its reader has gone. Also during its life; one for both
 * is 1. */
int corral_docker_process_output_error(const struct corral_docker_process *p, int stream);
/* For tty: a socket that is the terminal's other side, and its size. Borrowed. At its end there is
 * nothing more to be read, and what is written goes nowhere. shutdown(SHUT_WR) is the terminal's
 * end of input. */
int corral_docker_process_tty(const struct corral_docker_process *p);
int corral_docker_process_resize(struct corral_docker_process *p, uint16_t rows, uint16_t cols);
/* After the end: the stream, on which the program waits for another command; NULL when it does not.
 * The caller's. */
struct corral_docker_stream *corral_docker_process_stream_take(struct corral_docker_process *p);
/* Kills what still runs, unless it is a background process, which is left alone. Takes NULL. */
void corral_docker_process_close(struct corral_docker_process *p);

#endif
