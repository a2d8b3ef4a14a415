/*
 * Inside the Docker backend: what an engine tells while it pulls or builds, taken apart. The body
 * is JSON objects one behind the other, mostly one a line; a failure comes as one of them, below a
 * status that said 200.
 */
#ifndef CORRAL_BACKENDS_DOCKER_PROGRESS_STREAM_H
#define CORRAL_BACKENDS_DOCKER_PROGRESS_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "backends/docker/image.h"
#include "kernel/base/buf.h"

/* Bytes of one line of the body; more of it is -EMSGSIZE. */
#define CORRAL_DOCKER_PROGRESS_LINE_MAX (1u << 20)
/* Bytes of a text that is told, and of an error; the rest is cut. */
#define CORRAL_DOCKER_PROGRESS_TEXT_MAX 512
/* Of a build's output, the last lines are kept: as many as make so many bytes. */
#define CORRAL_DOCKER_PROGRESS_TAIL_MAX 300
#define CORRAL_DOCKER_PROGRESS_STEP_MAX 120

struct corral_docker_progress_stream {
	const struct corral_docker_progress *progress; /* or NULL */
	struct corral_buf line;                        /* of the body, as far as it came */
	struct corral_buf output;                      /* of the build's last line, the same */
	char tail[CORRAL_DOCKER_PROGRESS_TAIL_MAX + 1];
	char step[CORRAL_DOCKER_PROGRESS_STEP_MAX +
	          1];           /* of a build, its last: "RUN make"; or "" */
	unsigned int exit_code; /* of the step that failed; 0: unknown */
	char error[CORRAL_DOCKER_PROGRESS_TEXT_MAX + 1]; /* the first failure; "" without */
};

void corral_docker_progress_stream_init(struct corral_docker_progress_stream *s,
                                        const struct corral_docker_progress *progress);
void corral_docker_progress_stream_done(struct corral_docker_progress_stream *s);
/* -EPROTO: not what engines tell; -EMSGSIZE; -ECANCELED when progress says so. */
int corral_docker_progress_stream_feed(struct corral_docker_progress_stream *s, const void *data,
                                       size_t len, struct corral_error *err);
/* The body ended. What was told as a failure is in s->error, and no error of this. */
int corral_docker_progress_stream_end(struct corral_docker_progress_stream *s,
                                      struct corral_error *err);

/* One line of valid UTF-8 without control characters and terminal sequences, cut to fit. */
void corral_docker_text_clean(const char *text, size_t len, char *to, size_t size);

#endif
