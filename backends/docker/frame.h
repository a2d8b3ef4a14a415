/*
 * Inside the Docker backend: what a process of ours on the host and "corral-inside run" within the
 * container say to each other over one stream of bytes. Both come from one build, so numbers travel
 * as they are.
 *
 *   host                              inside
 *   START                   ------->
 *           <------- STARTED or FAILED  (which is the last word)
 *   STDIN, STDIN_END        ------->    at most CORRAL_DOCKER_STDIN_WINDOW that is not granted
 * again
 *           <------ GRANT, STDIN_CLOSED
 *           <---------- STDOUT, STDERR
 *   OUT_CLOSED              ------->    nobody reads this stream any more
 *   SIGNAL, RESIZE, KILL    ------->
 *           <------------------ EXITED  the tree is dead; the last word
 *
 * The host never ends the stream on its side before EXITED: its end means that the host is gone.
 * Whoever reads keeps at most one frame, and knows each kind's bounds before it keeps any of it.
 */
#ifndef CORRAL_BACKENDS_DOCKER_FRAME_H
#define CORRAL_BACKENDS_DOCKER_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/buf.h"

#define CORRAL_DOCKER_FRAME_DATA   (64u << 10) /* of a stream, in one frame */
#define CORRAL_DOCKER_START_MAX    (4u << 20)
#define CORRAL_DOCKER_STDIN_WINDOW (256u << 10)
#define CORRAL_DOCKER_WORDS_MAX    16384u /* of argv, and of the environment */

enum corral_docker_frame_type {
	/* To the inside. */
	CORRAL_DOCKER_START = 1,
	CORRAL_DOCKER_STDIN,
	CORRAL_DOCKER_STDIN_END,
	CORRAL_DOCKER_OUT_CLOSED, /* one number: 1 or 2 */
	CORRAL_DOCKER_SIGNAL,     /* one number */
	CORRAL_DOCKER_RESIZE,     /* rows << 16 | cols */
	CORRAL_DOCKER_KILL,
	/* From there. */
	CORRAL_DOCKER_STARTED, /* one number: the pid */
	CORRAL_DOCKER_FAILED,
	CORRAL_DOCKER_STDOUT,
	CORRAL_DOCKER_STDERR,
	CORRAL_DOCKER_GRANT, /* one number: bytes of STDIN more */
	CORRAL_DOCKER_STDIN_CLOSED,
	CORRAL_DOCKER_EXITED,
	CORRAL_DOCKER_FRAME_END,
};

/* Before each frame. */
struct corral_docker_frame_head {
	uint32_t word; /* the type, and what tells it from noise */
	uint32_t len;  /* of what follows */
};

enum corral_docker_stage {
	CORRAL_DOCKER_STAGE_STREAMS = 1, /* pipes, a terminal, files for the output */
	CORRAL_DOCKER_STAGE_FORK,
	CORRAL_DOCKER_STAGE_DIRECTORY,
	CORRAL_DOCKER_STAGE_EXEC,
};

struct corral_docker_failed {
	uint32_t stage; /* enum corral_docker_stage */
	uint32_t code;  /* errno */
};

struct corral_docker_exited {
	uint64_t user_usec, system_usec, memory_peak_bytes; /* of all that was waited for */
	uint32_t exit_code;
	uint32_t signal;    /* 0: it exited */
	uint32_t survivors; /* of its tree, which nothing could end in time */
	uint32_t pad;
};

/* The head of a frame of that kind, with len bytes to follow. */
struct corral_docker_frame_head corral_docker_frame_head(enum corral_docker_frame_type type,
                                                         size_t len);
void corral_docker_frame_add(struct corral_buf *b, enum corral_docker_frame_type type,
                             const void *data, size_t len);
void corral_docker_frame_add_number(struct corral_buf *b, enum corral_docker_frame_type type,
                                    uint32_t number);

/* Takes frames apart as they come. */
struct corral_docker_frames {
	bool inside; /* which side reads */
	struct corral_docker_frame_head head;
	size_t n_head;
	uint32_t left; /* of the frame's data, when the head is whole */
	struct corral_buf body;
	/* One whole frame, of the right length for its kind; not 0 ends the feeding with it. */
	int (*put)(void *ctx, enum corral_docker_frame_type type, const void *data, size_t len);
	void *ctx;
};

void corral_docker_frames_init(struct corral_docker_frames *f, bool inside,
                               int (*put)(void *ctx, enum corral_docker_frame_type type,
                                          const void *data, size_t len),
                               void *ctx);
void corral_docker_frames_done(struct corral_docker_frames *f);
/* 0, what put gave, -EPROTO for what is no frame for this side, -ENOMEM. */
int corral_docker_frames_feed(struct corral_docker_frames *f, const void *data, size_t len);
/* The one number of a frame that is one. */
uint32_t corral_docker_frame_number(const void *data);

enum corral_docker_order_flags {
	CORRAL_DOCKER_ORDER_TTY = 1u << 0,
	CORRAL_DOCKER_ORDER_BACKGROUND = 1u << 1,
	CORRAL_DOCKER_ORDER_STDIN = 1u << 2, /* STDIN follows; without, it is /dev/null */
	CORRAL_DOCKER_ORDER_MERGED = 1u
	                             << 3, /* one pipe for both outputs, which keeps their order */
	CORRAL_DOCKER_ORDER_ENV = 1u << 4, /* an environment is given */
	CORRAL_DOCKER_ORDER_ALL = (1u << 5) - 1,
};

/* What START says. */
struct corral_docker_order {
	unsigned int flags;
	uint16_t rows, cols;
	char *const *argv;               /* one word at least */
	char *const *env;                /* over the program's own; or NULL */
	const char *guest_dir;           /* NULL: as the program has it */
	const char *out_path, *err_path; /* in the background; err_path NULL: as out_path */
};

/* Appends the whole frame; -E2BIG, -ENOMEM. */
int corral_docker_order_add(struct corral_buf *b, const struct corral_docker_order *o);
/* Texts point into data, the lists are new: corral_docker_order_done(). -EPROTO, -ENOMEM. */
int corral_docker_order_parse(const void *data, size_t len, struct corral_docker_order *ret);
void corral_docker_order_done(struct corral_docker_order *o);

#endif
