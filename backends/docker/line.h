/*
 * Inside the Docker backend: a stream with a program of ours at its other end. Reads what that
 * says, out of the engine's frames where there are such, and keeps what is to be sent until the
 * stream takes it. Used by one thread at a time; nothing here blocks.
 */
#ifndef CORRAL_BACKENDS_DOCKER_LINE_H
#define CORRAL_BACKENDS_DOCKER_LINE_H

#include "backends/docker/demux.h"
#include "backends/docker/http.h"

#define CORRAL_DOCKER_LINE_READ (64u << 10)

struct corral_docker_line {
	struct corral_docker_stream *stream;
	bool multiplexed;
	struct corral_docker_demux demux;
	struct corral_buf out; /* to be sent, from out_at on */
	size_t out_at;
	/* What the program says, in chunks; not 0 ends the reading with it. */
	int (*put)(void *ctx, const void *data, size_t len);
	void *ctx;
	/* What came beside it is not ours: the engine's words, or somebody else's. */
	char aside[480];
	size_t aside_len;
	char data[CORRAL_DOCKER_LINE_READ];
};

/* Takes the stream. */
void corral_docker_line_init(struct corral_docker_line *l, struct corral_docker_stream *stream,
                             bool multiplexed, int (*put)(void *ctx, const void *data, size_t len),
                             void *ctx);
/* Gives the stream back when nothing is half said on it, either way; else NULL. done() is due
 * still.
 */
struct corral_docker_stream *corral_docker_line_take(struct corral_docker_line *l);
/* What is not sent yet is dropped. */
void corral_docker_line_done(struct corral_docker_line *l);

/*
 * One read at most. 1: there may be more at once; 0: not now; -EPIPE: its end; -EPROTO and others:
 * what put gave.
 */
int corral_docker_line_read(struct corral_docker_line *l);
/* Sends what l->out has. 1: all of it is sent; 0: not now; -EPIPE. */
int corral_docker_line_send(struct corral_docker_line *l);
/* For poll(2): what is waited for besides reading. */
short corral_docker_line_events(const struct corral_docker_line *l);
/* What came aside, without blanks around it; "" for nothing. */
void corral_docker_line_aside(const struct corral_docker_line *l, char *text, size_t size);

#endif
