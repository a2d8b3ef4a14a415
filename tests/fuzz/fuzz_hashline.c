/*
 * Content and an edit: the first eight bytes say which lines and how, the next two how long the new
 * content is. Lines that the edit does not name stay as they are, and no edit is taken for content
 * that is not there.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "backends/hashline.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "tests/fuzz/fuzz.h"

static uint64_t lines(const char *data, size_t len)
{
	uint64_t n = 1;

	for (size_t i = 0; i + 1 < len; i++)
		n += data[i] == '\n';
	return n;
}

/* The hash that line has in what is rendered; "zz" when it is not there. */
static void hash_of(const char *content, size_t len, int64_t line, char ret[3])
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	char *colon;

	memcpy(ret, "zz", 3);
	if (line < 1 || corral_hashline_render(content, len, (uint64_t)line - 1, 1, &b, NULL) < 0)
		return;
	colon = strchr(b.data, ':');
	assert(colon && colon[3] == '|' && strtoull(b.data, NULL, 10) == (uint64_t)line);
	assert(corral_utf8_valid(b.data, b.len));
	memcpy(ret, colon + 1, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT, s = CORRAL_BUF_INIT;
	struct corral_hashline_edit e = { 0 };
	char start[3], end[3];
	const char *content;
	struct corral_error err = { 0 };
	size_t len;
	int r;

	if (size < 10)
		return 0;
	e.start_line = (int8_t)data[0];
	e.end_line = (int8_t)data[1];
	e.has_end = data[2] & 1;
	e.insert_after = data[2] & 2;
	e.new_len = data[8] < size - 10 ? data[8] : size - 10;
	e.new_content = (const char *)data + 10;
	content = e.new_content + e.new_len;
	len = size - 10 - e.new_len;
	hash_of(content, len, e.start_line, start);
	hash_of(content, len, e.end_line, end);
	start[0] = data[2] & 4 ? 'z' : start[0];
	end[0] = data[2] & 8 ? 'z' : end[0];
	e.start_hash = start;
	e.end_hash = data[2] & 16 ? end : NULL;

	r = corral_hashline_apply(content, len, &e, &b, &s, &err);
	assert((r == 0) == (err.code == 0));
	if (r < 0) {
		assert(!b.len && !s.len && err.text[0]);
		return 0;
	}
	assert(start[0] != 'z' && s.len);
	assert(!e.insert_after || (!e.has_end && !e.end_hash));
	/* What is in front stays, and so does how the file ends. */
	for (size_t i = 0, line = 1; i < len && i < b.len && line < (uint64_t)e.start_line; i++) {
		assert(content[i] == b.data[i]);
		line += content[i] == '\n';
	}
	if (len && content[len - 1] == '\n')
		assert(b.len && b.data[b.len - 1] == '\n');
	if (!e.new_len && e.insert_after)
		assert(b.len == len && !memcmp(b.data, content, len));
	else if (e.insert_after)
		assert(b.len == len + e.new_len + 1 ||
		       lines(content, len) == (uint64_t)e.start_line);
	return 0;
}
