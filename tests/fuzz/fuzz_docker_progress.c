/*
 * What an engine tells of a pull or a build. The first byte says how the rest is cut; however it
 * is, the same comes out, all of it clean and bounded.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backends/docker/progress_stream.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const char *text)
{
	size_t len = strlen(text);

	assert(len <= CORRAL_DOCKER_PROGRESS_TEXT_MAX);
	assert(corral_utf8_valid(text, len));
	for (size_t i = 0; i < len; i++)
		assert((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static int tell(void *ctx, const char *text, uint64_t current, uint64_t total)
{
	(void)current;
	(void)total;
	assert(text[0]);
	check_text(text);
	corral_buf_str(ctx, text);
	corral_buf_str(ctx, "\n");
	return 0;
}

static int run(const uint8_t *data, size_t size, size_t chunk, struct corral_buf *lines)
{
	const struct corral_docker_progress progress = { tell, lines };
	struct corral_docker_progress_stream s;
	struct corral_error err = { 0 };
	int r = 0;

	corral_docker_progress_stream_init(&s, &progress);
	for (size_t at = 0, n; r == 0 && at < size; at += n) {
		n = size - at < chunk ? size - at : chunk;
		r = corral_docker_progress_stream_feed(&s, data + at, n, &err);
	}
	if (r == 0)
		r = corral_docker_progress_stream_end(&s, &err);
	assert(r == 0 || r == -EPROTO || r == -EMSGSIZE);
	assert((r == 0) == (err.code == 0));
	assert(strlen(s.tail) <= CORRAL_DOCKER_PROGRESS_TAIL_MAX);
	assert(corral_utf8_valid(s.tail, strlen(s.tail)));
	check_text(s.error);
	corral_docker_progress_stream_done(&s);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	corral_autobuf struct corral_buf whole = CORRAL_BUF_INIT, cut = CORRAL_BUF_INIT;
	int r;

	if (size < 1)
		return 0;
	r = run(data + 1, size - 1, size, &whole);
	assert(run(data + 1, size - 1, data[0] ? data[0] : 1, &cut) == r);
	assert(whole.len == cut.len);
	assert(!whole.len || memcmp(whole.data, cut.data, whole.len) == 0);
	return 0;
}
