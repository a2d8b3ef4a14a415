/*
 * The engine's frames: however a stream is cut, the same bytes come out of it, or the same refusal.
 * The input's first byte says where.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backends/docker/demux.h"
#include "tests/fuzz/fuzz.h"

/* What came, so that two ways of feeding can be compared. */
struct seen {
	uint64_t digest[4], bytes;
};

static int put(void *ctx, int stream, const void *data, size_t len)
{
	struct seen *s = ctx;

	assert(stream >= 1 && stream <= 3 && len > 0);
	for (size_t i = 0; i < len; i++)
		s->digest[stream] = s->digest[stream] * 31 + ((const uint8_t *)data)[i] + 1;
	s->bytes += len;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = size ? data[0] % 13 + 1u : 1;
	struct corral_docker_demux whole, cut;
	struct seen a = { 0 }, b = { 0 };
	int r = 0, q = 0;

	if (size) {
		data++;
		size--;
	}
	corral_docker_demux_init(&whole, put, &a);
	corral_docker_demux_init(&cut, put, &b);
	r = corral_docker_demux_feed(&whole, data, size);
	for (size_t at = 0; at < size && q == 0; at += step)
		q = corral_docker_demux_feed(&cut, data + at, size - at < step ? size - at : step);
	assert(r == 0 || r == -EPROTO);
	assert(r == q);
	assert(a.bytes <= size && memcmp(&a, &b, sizeof(a)) == 0);
	assert(r < 0 || corral_docker_demux_is_whole(&whole) == corral_docker_demux_is_whole(&cut));
	return 0;
}
