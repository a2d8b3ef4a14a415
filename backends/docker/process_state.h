/* What process.c and the thread of process_carry.c share. */
#ifndef CORRAL_BACKENDS_DOCKER_PROCESS_STATE_H
#define CORRAL_BACKENDS_DOCKER_PROCESS_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "backends/docker/end.h"
#include "backends/docker/frame.h"
#include "backends/docker/inside.h"
#include "backends/docker/line.h"

struct corral_docker_out {
	struct corral_docker_end end;
	struct corral_buf kept; /* what it did not take yet, from kept_at on */
	size_t kept_at;
	bool closed_untold; /* it takes no more, and the inside does not know */
	atomic_int error;   /* the errno why it takes no more */
};

struct corral_docker_process {
	int wake_fd;  /* to the thread: look at what is asked */
	int event_fd; /* readable for ever when it has ended */
	int tty_fd;   /* the caller's side */
	bool tty, background, threaded;
	uint64_t start_nsec;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t moved;

	/* Under the lock. */
	bool stop;    /* the thread is to end */
	bool abandon; /* the stream is given up */
	bool kill, has_size;
	enum corral_reason kill_reason;
	uint64_t signals; /* 1 << (n - 1) */
	uint32_t size;
	bool over;  /* it is dead, or lost; the receipt is complete */
	bool ended; /* and its output has been given, or a kill was asked for */
	bool lost;
	struct corral_receipt receipt;
	struct corral_docker_stream *spare; /* the stream, when another command may follow */

	/* The starting thread's, then the carrier's. */
	struct corral_docker_line line;
	struct corral_docker_frames frames;
	bool started, failed, exited, killing, kill_told, in_ended;
	uint32_t pid;
	struct corral_docker_failed why;
	struct corral_docker_exited exit;
	struct corral_docker_end in;
	struct corral_docker_out outs[2];
	uint32_t credit;
	char chunk[CORRAL_DOCKER_FRAME_DATA];
};

/* What the line brings; ctx is the process. */
int corral_docker_process_heard(void *ctx, const void *data, size_t len);
int corral_docker_process_frame(void *ctx, enum corral_docker_frame_type type, const void *data,
                                size_t len);
/* The thread's life; arg is the process. */
void *corral_docker_process_carry(void *arg);

#endif
