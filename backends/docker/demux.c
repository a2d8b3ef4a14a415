#include "backends/docker/demux.h"

#include <errno.h>
#include <string.h>

#define STREAM_MAX 3

void corral_docker_demux_init(struct corral_docker_demux *d,
                              int (*put)(void *ctx, int stream, const void *data, size_t len),
                              void *ctx)
{
	memset(d, 0, sizeof(*d));
	d->put = put;
	d->ctx = ctx;
}

/* A whole head. */
static int begin_frame(struct corral_docker_demux *d)
{
	const unsigned char *h = d->head;

	if (h[0] > STREAM_MAX || h[1] || h[2] || h[3])
		return -EPROTO;
	d->stream = h[0] ? h[0] : 1;
	d->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
	d->n_head = 0;
	return 0;
}

int corral_docker_demux_feed(struct corral_docker_demux *d, const void *data, size_t len)
{
	const unsigned char *at = data;
	int r;

	while (len > 0) {
		size_t n;

		if (!d->left) {
			d->head[d->n_head++] = *at++;
			len--;
			r = d->n_head == sizeof(d->head) ? begin_frame(d) : 0;
		} else {
			n = len < d->left ? len : d->left;
			/* Counted first, so that whoever stops the feeding finds it consistent. */
			d->left -= (uint32_t)n;
			r = d->put(d->ctx, d->stream, at, n);
			at += n;
			len -= n;
		}
		if (r != 0)
			return r;
	}
	return 0;
}

int corral_docker_demux_is_whole(const struct corral_docker_demux *d)
{
	return !d->left && !d->n_head;
}
