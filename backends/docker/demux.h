/*
 * Inside the Docker backend: the engine's multiplexed stream taken apart. Each frame has a head of
 * eight bytes: which stream (0 stdin, 1 stdout, 2 stderr, 3 an error of the engine's), three zeros,
 * the length in big endian.
 */
#ifndef CORRAL_BACKENDS_DOCKER_DEMUX_H
#define CORRAL_BACKENDS_DOCKER_DEMUX_H

#include <stddef.h>
#include <stdint.h>

struct corral_docker_demux {
	unsigned char head[8];
	size_t n_head; /* of it that were seen */
	uint32_t left; /* of the frame's data */
	int stream;    /* of the frame */
	/* Data as it comes, frames cut as the chunks were; not 0 ends the feeding with it. stream
	 * is 1, 2 or 3 (0 is told as 1). */
	int (*put)(void *ctx, int stream, const void *data, size_t len);
	void *ctx;
};

void corral_docker_demux_init(struct corral_docker_demux *d,
                              int (*put)(void *ctx, int stream, const void *data, size_t len),
                              void *ctx);
/* 0, what put gave, -EPROTO for a head that is none. */
int corral_docker_demux_feed(struct corral_docker_demux *d, const void *data, size_t len);
/* Whether the stream may end here: between frames. */
int corral_docker_demux_is_whole(const struct corral_docker_demux *d);

#endif
