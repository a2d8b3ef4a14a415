#include "kernel/base/utf8.h"

#include <stdint.h>
#include <string.h>

int corral_utf8_step(const unsigned char *s, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	int need;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		need = 1;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		need = 2;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		need = 3;
	else
		return -1;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	/* What fails is replaced as a whole: "maximal subparts", as most decoders do. */
	for (int i = 1; i <= need; i++) {
		if ((size_t)i >= len || s[i] < low || s[i] > high)
			return -i;
		low = 0x80;
		high = 0xbf;
	}
	return need + 1;
}

/* How many bytes at the start are plain ASCII, eight at a time. */
static size_t ascii(const unsigned char *s, size_t len)
{
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t word;

		memcpy(&word, s + i, 8);
		if (word & 0x8080808080808080u)
			break;
	}
	while (i < len && s[i] < 0x80)
		i++;
	return i;
}

bool corral_utf8_valid(const char *data, size_t len)
{
	const unsigned char *s = (const unsigned char *)data;
	size_t i = 0;

	if (!len)
		return true;
	while ((i += ascii(s + i, len - i)) < len) {
		int n = corral_utf8_step(s + i, len - i);

		if (n < 0)
			return false;
		i += (size_t)n;
	}
	return true;
}

void corral_utf8_add(struct corral_buf *b, const char *data, size_t len)
{
	const unsigned char *s = (const unsigned char *)data;
	size_t i = 0, good = 0;

	if (!len) {
		corral_buf_add(b, "", 0);
		return;
	}
	while (i < len) {
		int n;

		i += ascii(s + i, len - i);
		if (i == len)
			break;
		n = corral_utf8_step(s + i, len - i);
		if (n > 0) {
			i += (size_t)n;
			continue;
		}
		corral_buf_add(b, data + good, i - good);
		corral_buf_str(b, "\xef\xbf\xbd");
		i += (size_t)-n;
		good = i;
	}
	corral_buf_add(b, data + good, len - good);
}

uint32_t corral_utf8_character(const char *text, size_t *ret_len)
{
	const unsigned char *s = (const unsigned char *)text;
	int n;

	*ret_len = 1;
	if (s[0] < 0x80)
		return s[0];
	n = corral_utf8_step(s, strnlen(text, 4));
	if (n > 0)
		*ret_len = (size_t)n;
	switch (n) {
	case 2:
		return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
	case 3:
		return (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
	case 4:
		return (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 |
		       (s[3] & 0x3fu);
	default:
		return 0x110000u + s[0];
	}
}
