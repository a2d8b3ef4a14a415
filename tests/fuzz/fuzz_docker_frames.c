/*
 * Frames between the host and the program inside (backends/docker/frame.h), as either side reads
 * them: the first byte chooses which, the second in what chunks they come. What is put holds what
 * its kind promises, however it was cut; orders that parse say the same when they are said again.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/docker/frame.h"
#include "kernel/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	struct corral_buf all; /* types and data, one behind the other */
	size_t n;
};

static void check_order(const void *data, size_t len)
{
	struct corral_docker_order o, again;
	struct corral_buf said = CORRAL_BUF_INIT;
	size_t n = 0;
	int r = corral_docker_order_parse(data, len, &o);

	assert(r == 0 || r == -EPROTO);
	if (r < 0)
		return;
	assert(o.argv && o.argv[0] && (!o.guest_dir || o.guest_dir[0] == '/'));
	assert(corral_docker_order_add(&said, &o) == 0);
	/* Not the head's four bytes of numbers alone: the texts have to come back as they were. */
	assert(said.len == len + sizeof(struct corral_docker_frame_head));
	assert(memcmp(said.data + sizeof(struct corral_docker_frame_head), data, len) == 0);
	assert(corral_docker_order_parse(said.data + sizeof(struct corral_docker_frame_head), len,
	                                 &again) == 0);
	for (; o.argv[n]; n++)
		assert(again.argv[n] && !strcmp(o.argv[n], again.argv[n]));
	assert(!again.argv[n] && n <= CORRAL_DOCKER_WORDS_MAX);
	corral_docker_order_done(&o);
	corral_docker_order_done(&again);
	corral_buf_done(&said);
}

static int put(void *ctx, enum corral_docker_frame_type type, const void *data, size_t len)
{
	struct seen *s = ctx;
	const char kind = (char)type;

	assert(type > 0 && type < CORRAL_DOCKER_FRAME_END);
	assert(len <=
	       (type == CORRAL_DOCKER_START ? CORRAL_DOCKER_START_MAX : CORRAL_DOCKER_FRAME_DATA));
	if (type == CORRAL_DOCKER_START)
		check_order(data, len);
	if (type == CORRAL_DOCKER_SIGNAL || type == CORRAL_DOCKER_STARTED)
		(void)corral_docker_frame_number(data);
	corral_buf_add(&s->all, &kind, 1);
	corral_buf_add(&s->all, data, len);
	s->n++;
	return 0;
}

static int feed(const uint8_t *data, size_t size, bool inside, size_t step, struct seen *ret)
{
	struct corral_docker_frames f;
	int r = 0;

	corral_docker_frames_init(&f, inside, put, ret);
	for (size_t at = 0; at < size && r == 0; at += step) {
		/* Of its own size, so that a read beyond it is seen. */
		const size_t len = size - at < step ? size - at : step;
		uint8_t *copy = malloc(len);

		assert(copy);
		memcpy(copy, data + at, len);
		r = corral_docker_frames_feed(&f, copy, len);
		free(copy);
		assert(r == 0 || r == -EPROTO);
		assert(f.body.len <= size);
	}
	corral_docker_frames_done(&f);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen whole = { CORRAL_BUF_INIT, 0 }, cut = { CORRAL_BUF_INIT, 0 };

	if (size < 2)
		return 0;
	const int r = feed(data + 2, size - 2, data[0] & 1, size, &whole);

	assert(feed(data + 2, size - 2, data[0] & 1, 1u + data[1] % 64u, &cut) == r);
	assert(whole.n == cut.n && whole.all.len == cut.all.len);
	assert(!whole.n || memcmp(whole.all.data, cut.all.data, whole.all.len) == 0);
	corral_buf_done(&whole.all);
	corral_buf_done(&cut.all);
	return 0;
}
