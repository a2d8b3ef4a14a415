#include "kernel/base/said.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/utf8.h"

/* Control characters of both sets, and those that turn the direction of a line or break it. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* One character of valid UTF-8. */
static void add_character(struct corral_buf *b, const char *at, size_t len, size_t from)
{
	uint32_t c = corral_utf8_character(at, &len);
	bool is_blank = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0x85;

	if (!is_blank)
		corral_buf_add(b, is_control(c) ? "?" : at, is_control(c) ? 1 : len);
	else if (b->len > from && b->data[b->len - 1] != ' ')
		corral_buf_add(b, " ", 1);
}

void corral_said(struct corral_buf *b, const char *text, size_t len, size_t max)
{
	corral_autobuf struct corral_buf valid = CORRAL_BUF_INIT;
	size_t from = b->len, whole = b->len, n = 0;
	/* Runs of blanks shrink, but not without end. */
	size_t looked_at = len / 4 > max ? max * 4 : len;
	bool cut = false;

	corral_utf8_add(&valid, text, looked_at);
	if (valid.failed)
		b->failed = true;
	for (size_t i = 0; i < valid.len && !b->failed && !cut; i += n) {
		(void)corral_utf8_character(valid.data + i, &n);
		add_character(b, valid.data + i, n, from);
		if (b->len - from <= max - 3)
			whole = b->len;
		cut = b->len - from > max;
	}
	if ((cut || looked_at < len) && !b->failed) {
		b->len = whole;
		corral_buf_str(b, "...");
	}
	while (b->len > from && b->data[b->len - 1] == ' ')
		b->data[--b->len] = '\0';
}
