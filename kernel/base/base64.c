#include "kernel/base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void corral_base64_encode(struct corral_buf *b, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
		             (n > 2 ? p[i + 2] : 0);
		char four[4] = { alphabet[v >> 18], alphabet[v >> 12 & 63],
			         (char)(n > 1 ? alphabet[v >> 6 & 63] : '='),
			         (char)(n > 2 ? alphabet[v & 63] : '=') };

		corral_buf_add(b, four, sizeof(four));
	}
}

static bool is_white(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!text[i] || !strchr(" \t\r\n", text[i]))
			return false;
	return true;
}

int corral_base64_decode(const char *text, size_t len, struct corral_buf *ret)
{
	uint32_t v = 0;
	unsigned int n = 0, padding = 0;

	for (size_t i = 0; i < len; i++) {
		const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;

		if (text[i] && strchr(" \t\r\n", text[i]))
			continue;
		if (text[i] == '=' && n >= 2)
			padding++;
		else if (!at || padding)
			return -EINVAL;
		v = v << 6 | (at ? (uint32_t)(at - alphabet) : 0);
		if (++n < 4)
			continue;
		corral_buf_add(ret, (const char[]) { (char)(v >> 16), (char)(v >> 8), (char)v },
		               3 - padding);
		n = 0;
		v = 0;
		/* Behind padding there is nothing more. */
		if (padding && !is_white(text + i + 1, len - i - 1))
			return -EINVAL;
	}
	return n ? -EINVAL : 0;
}
