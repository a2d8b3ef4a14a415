#include "backends/docker/line.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static void aside_keep(struct corral_docker_line *l, const char *data, size_t len)
{
	/* Nobody vouches for what it is: shown to people, it must not move their cursors. */
	for (size_t i = 0; i < len && l->aside_len < sizeof(l->aside) - 1; i++)
		l->aside[l->aside_len++] = data[i] >= ' ' && data[i] <= '~' ? data[i] : ' ';
}

static int demuxed(void *ctx, int stream, const void *data, size_t len)
{
	struct corral_docker_line *l = ctx;

	int r = stream == 1 ? l->put(l->ctx, data, len) : 0;

	/* When it is no frame of ours, it may be a sentence. */
	if (stream != 1 || (r == -EPROTO && !l->aside_len))
		aside_keep(l, data, len);
	return r;
}

void corral_docker_line_init(struct corral_docker_line *l, struct corral_docker_stream *stream,
                             bool multiplexed, int (*put)(void *ctx, const void *data, size_t len),
                             void *ctx)
{
	memset(l, 0, offsetof(struct corral_docker_line, data));
	l->stream = stream;
	l->multiplexed = multiplexed;
	l->put = put;
	l->ctx = ctx;
	corral_docker_demux_init(&l->demux, demuxed, l);
}

void corral_docker_line_done(struct corral_docker_line *l)
{
	corral_docker_stream_close(l->stream);
	l->stream = NULL;
	corral_buf_done(&l->out);
	l->out_at = 0;
}

struct corral_docker_stream *corral_docker_line_take(struct corral_docker_line *l)
{
	struct corral_docker_stream *stream = l->stream;

	if (l->out_at < l->out.len || !corral_docker_demux_is_whole(&l->demux) || l->aside_len)
		return NULL;
	l->stream = NULL;
	return stream;
}

int corral_docker_line_read(struct corral_docker_line *l)
{
	long n = corral_docker_stream_read(l->stream, l->data, sizeof(l->data));
	int r;

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n <= 0)
		return -EPIPE;
	if (l->multiplexed)
		r = corral_docker_demux_feed(&l->demux, l->data, (size_t)n);
	else
		r = l->put(l->ctx, l->data, (size_t)n);
	/* Nor is it one of the engine's. */
	if (r == -EPROTO && !l->aside_len)
		aside_keep(l, l->data, (size_t)n);
	return r < 0 ? r : 1;
}

int corral_docker_line_send(struct corral_docker_line *l)
{
	while (l->out_at < l->out.len) {
		long n = corral_docker_stream_write(l->stream, l->out.data + l->out_at,
		                                    l->out.len - l->out_at);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return 0;
		if (n < 0) {
			l->out_at = l->out.len = 0;
			return -EPIPE;
		}
		l->out_at += (size_t)n;
	}
	l->out_at = l->out.len = 0;
	return 1;
}

short corral_docker_line_events(const struct corral_docker_line *l)
{
	return l->out_at < l->out.len ? POLLOUT : 0;
}

void corral_docker_line_aside(const struct corral_docker_line *l, char *text, size_t size)
{
	size_t from = 0, to = l->aside_len;

	while (from < to && l->aside[from] == ' ')
		from++;
	while (to > from && l->aside[to - 1] == ' ')
		to--;
	(void)snprintf(text, size, "%.*s", (int)(to - from), l->aside + from);
}
