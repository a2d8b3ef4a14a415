/*
 * Exact replacement in a text: what comes out is what a slow and obvious way gives, and what is
 * refused stays as it was. The input is old text, new text and content, between NULs; the first
 * byte says whether all are to be replaced.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"
#include "kernel/files/content.h"
#include "tests/fuzz/fuzz.h"

static uint64_t count(const char *data, size_t len, const char *old, size_t old_len)
{
	uint64_t n = 0;
	const char *end = data + len;

	for (const char *at; (at = memmem(data, (size_t)(end - data), old, old_len)); n++)
		data = at + old_len;
	return n;
}

static void check_done(const struct corral_files_edit *e, const char *data, size_t len,
                       const struct corral_buf *out, uint64_t n)
{
	/* With "\r\n" for its "\n" an edit may be another one, and an empty text is everywhere. */
	if (!e->old_len || memchr(data, '\r', len) || !count(data, len, e->old_text, e->old_len))
		return;
	assert(n == count(data, len, e->old_text, e->old_len));
	assert(n == 1 || e->replace_all);
	assert(out->len == len - n * e->old_len + n * e->new_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	corral_autofree char *text = malloc(size + 1);
	corral_autobuf struct corral_buf out = CORRAL_BUF_INIT;
	struct corral_files_edit e = { 0 };
	struct corral_error err = { 0 };
	const char *content;
	size_t len;
	uint64_t n = 0;
	int r;

	if (!text || !size || size > 1 << 16)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	e.replace_all = data[0] & 1;
	e.old_text = text;
	e.old_len = strlen(text);
	e.new_text = e.old_len < size - 1 ? text + e.old_len + 1 : "";
	e.new_len = strlen(e.new_text);
	content = e.new_text + e.new_len;
	if (content < text || content >= text + size - 1)
		content = "";
	else
		content++;
	len = *content ? (size_t)(text + size - 1 - content) : 0;
	r = files_text_edit(content, len, "f", &e, &out, &n, &err);
	if (r == 0)
		check_done(&e, content, len, &out, n);
	else
		assert(err.code && err.text[0]);
	if (r == -ENOMSG)
		assert(!e.old_len || !count(content, len, e.old_text, e.old_len));
	if (r == -ENOTUNIQ)
		assert(n > 1 && !e.replace_all);
	return 0;
}
