/*
 * Documents of old hold bytes that are no text as lone surrogates, which is what Python makes of
 * them: byte 0x80 + n is U+DC80 + n. No JSON parser of ours takes these, and no UTF-8 can hold
 * them. So before parsing they become characters for private use that the document has nowhere
 * else, and after it the bytes that they were.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/state_files.h"

#define PRIVATE_FIRST 0xe000u
#define PRIVATE_END   0xf900u
#define BLOCK         128u
#define BLOCKS        ((PRIVATE_END - PRIVATE_FIRST) / BLOCK)

/* The number of "\uXXXX", or -1. */
static int32_t escape(const char *p, size_t left)
{
	int32_t value = 0;

	if (left < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		const char *hex = "0123456789abcdefABCDEF", *at = p[i] ? strchr(hex, p[i]) : NULL;

		if (!at)
			return -1;
		value = value * 16 + (int32_t)(at - hex < 16 ? at - hex : at - hex - 6);
	}
	return value;
}

static void use(bool *used, uint32_t c)
{
	if (c >= PRIVATE_FIRST && c < PRIVATE_END)
		used[(c - PRIVATE_FIRST) / BLOCK] = true;
}

/* How many bytes at p are one thing: an escape, a pair of them, a character or a part of one. */
static size_t token(const char *p, size_t left, int32_t *ret_escape)
{
	int32_t code = escape(p, left);

	*ret_escape = code;
	if (code < 0)
		return p[0] == '\\' && left > 1 ? 2 : 1;
	if (code >= 0xd800 && code < 0xdc00) {
		int32_t low = escape(p + 6, left - 6);

		if (low >= 0xdc00 && low < 0xe000)
			return 12;
	}
	return 6;
}

static bool is_byte(int32_t code)
{
	return code >= 0xdc80 && code <= 0xdcff;
}

int corral_state_surrogates_hide(const char *json, size_t len, struct corral_buf *ret,
                                 uint32_t *ret_first)
{
	const unsigned char *u = (const unsigned char *)json;
	bool used[BLOCKS] = { false }, any = false;
	uint32_t first = PRIVATE_FIRST;
	int32_t code;
	size_t n;

	*ret_first = 0;
	for (size_t i = 0; i < len; i += n) {
		n = token(json + i, len - i, &code);
		any |= is_byte(code);
		if (code >= 0)
			use(used, (uint32_t)code);
		else if (len - i >= 3 && (u[i] & 0xf0) == 0xe0)
			use(used,
			    (u[i] & 0x0fu) << 12 | (u[i + 1] & 0x3fu) << 6 | (u[i + 2] & 0x3fu));
	}
	if (!any)
		return 0;
	while (first < PRIVATE_END && used[(first - PRIVATE_FIRST) / BLOCK])
		first += BLOCK;
	if (first >= PRIVATE_END)
		return -EINVAL;
	for (size_t i = 0; i < len; i += n) {
		n = token(json + i, len - i, &code);
		if (is_byte(code))
			corral_buf_fmt(ret, "\\u%04x", first + (uint32_t)code - 0xdc80u);
		else
			corral_buf_add(ret, json + i, n);
	}
	*ret_first = first;
	return ret->failed ? -ENOMEM : 0;
}

void corral_state_surrogates_bytes(const char *text, size_t len, uint32_t first,
                                   struct corral_buf *ret)
{
	const unsigned char *u = (const unsigned char *)text;

	if (!first)
		corral_buf_add(ret, text, len);
	for (size_t i = 0; first && i < len; i++) {
		uint32_t c = 0;

		if (len - i >= 3 && (u[i] & 0xf0) == 0xe0)
			c = (u[i] & 0x0fu) << 12 | (u[i + 1] & 0x3fu) << 6 | (u[i + 2] & 0x3fu);
		if (c < first || c >= first + BLOCK) {
			corral_buf_add(ret, text + i, 1);
			continue;
		}
		corral_buf_add(ret, &(const char) { (char)(0x80 + (c - first)) }, 1);
		i += 2;
	}
}
