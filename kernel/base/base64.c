#include "kernel/base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void corral_base64_encode(struct corral_buf *ret, const void *data, size_t len)
{
	const uint8_t *in = data;
	char four[4];

	for (; len >= 3; in += 3, len -= 3) {
		four[0] = digits[in[0] >> 2];
		four[1] = digits[(in[0] & 3) << 4 | in[1] >> 4];
		four[2] = digits[(in[1] & 15) << 2 | in[2] >> 6];
		four[3] = digits[in[2] & 63];
		corral_buf_add(ret, four, 4);
	}
	if (!len)
		return;
	four[0] = digits[in[0] >> 2];
	four[1] = digits[(in[0] & 3) << 4 | (len == 2 ? in[1] >> 4 : 0)];
	four[2] = len == 2 ? digits[(in[1] & 15) << 2] : '=';
	four[3] = '=';
	corral_buf_add(ret, four, 4);
}

static int digit_of(char c)
{
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int corral_base64_decode(struct corral_buf *ret, const char *text, size_t len)
{
	size_t padding = 0;

	while (padding < 2 && padding < len && text[len - 1 - padding] == '=')
		padding++;
	if (len % 4)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 4) {
		size_t n = i + 4 == len ? 4 - padding : 4;
		uint32_t bits = 0;
		char three[3];

		for (size_t k = 0; k < 4; k++) {
			int digit = k < n ? digit_of(text[i + k]) : 0;

			if (digit < 0)
				return -EINVAL;
			bits = bits << 6 | (uint32_t)digit;
		}
		three[0] = (char)(bits >> 16);
		three[1] = (char)(bits >> 8);
		three[2] = (char)bits;
		corral_buf_add(ret, three, n - 1);
	}
	return ret->failed ? -ENOMEM : 0;
}
