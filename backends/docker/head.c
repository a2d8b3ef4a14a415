#include "backends/docker/head.h"

#include <errno.h>
#include <string.h>

#include "backends/docker/answer.h"

#define LENGTH_MAX_DIGITS 12

/* "HTTP/1.1 101 ..." */
static int parse_status(const char *line, size_t len, struct docker_head *h)
{
	static const char version[] = "HTTP/1.";
	const char *at = line + sizeof(version) - 1;

	if (len < 12 || memcmp(line, version, sizeof(version) - 1) != 0 ||
	    (at[0] != '0' && at[0] != '1') || at[1] != ' ' || (len > 12 && at[5] != ' '))
		return -EPROTO;
	h->status = 0;
	for (at += 2; at < line + 12; at++) {
		if (*at < '0' || *at > '9')
			return -EPROTO;
		h->status = h->status * 10 + (*at - '0');
	}
	return h->status >= 100 ? 0 : -EPROTO;
}

static int parse_length(const char *value, size_t len, int64_t *ret)
{
	int64_t n = 0;

	if (!len || len > LENGTH_MAX_DIGITS)
		return -EPROTO;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return -EPROTO;
		n = n * 10 + (value[i] - '0');
	}
	*ret = n;
	return 0;
}

static int parse_field(const char *line, size_t len, struct docker_head *h)
{
	const char *value;
	size_t n;

	if (docker_header_is(line, len, "content-type", &value, &n))
		h->is_json = docker_type_is_json(value, n);
	else if (docker_header_is(line, len, "transfer-encoding", &value, &n))
		h->is_chunked = true;
	else if (docker_header_is(line, len, "content-length", &value, &n))
		return parse_length(value, n, &h->length);
	return memchr(line, ':', len) ? 0 : -EPROTO;
}

/* The line at data without its end; *ret_next is where the next begins. False: it has no end yet.
 */
static bool next_line(const char *data, size_t len, size_t *ret_len, size_t *ret_next)
{
	const char *end = len ? memchr(data, '\n', len) : NULL;

	if (!end)
		return false;
	*ret_len = (size_t)(end - data);
	*ret_next = *ret_len + 1;
	if (*ret_len && data[*ret_len - 1] == '\r')
		--*ret_len;
	return true;
}

long docker_head_parse(const char *data, size_t len, struct docker_head *ret)
{
	struct docker_head h = { .length = -1 };
	size_t at = 0, n, next;
	int r;

	/* What does not begin like one will not become one, however much of it comes. */
	if (memcmp(data, "HTTP/1.", len < 7 ? len : 7) != 0)
		return -EPROTO;
	while (next_line(data + at, len - at, &n, &next)) {
		if (at == 0)
			r = parse_status(data, n, &h);
		else if (n)
			r = parse_field(data + at, n, &h);
		else
			r = 1;
		at += next;
		if (r < 0 || at > DOCKER_HIJACK_HEAD_MAX)
			return -EPROTO;
		if (r > 0) {
			*ret = h;
			return (long)at;
		}
	}
	return len > DOCKER_HIJACK_HEAD_MAX ? -EPROTO : 0;
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* "1f" or "1f;whatever". */
static int parse_chunk_size(const char *line, size_t len, size_t *ret)
{
	size_t size = 0, i = 0;

	for (; i < len && hex_value(line[i]) >= 0; i++) {
		if (i == 7)
			return -EPROTO;
		size = size << 4 | (size_t)hex_value(line[i]);
	}
	if (!i || (i < len && line[i] != ';' && line[i] != ' '))
		return -EPROTO;
	*ret = size;
	return 0;
}

static int add_chunks(const char *data, size_t len, struct corral_buf *ret)
{
	size_t at = 0, n, next, size;

	while (next_line(data + at, len - at, &n, &next)) {
		int r = parse_chunk_size(data + at, n, &size);

		if (r < 0)
			return r;
		at += next;
		if (!size)
			return 1;
		n = size < len - at ? size : len - at;
		corral_buf_add(ret, data + at, n);
		at += n;
		/* The line's end behind a chunk. */
		if (n < size || len - at < 2)
			return 0;
		if (memcmp(data + at, "\r\n", 2) != 0)
			return -EPROTO;
		at += 2;
	}
	return 0;
}

int docker_head_body(const struct docker_head *h, const char *data, size_t len, bool eof,
                     struct corral_buf *ret)
{
	int r;

	if (h->is_chunked) {
		r = add_chunks(data, len, ret);
	} else {
		if (h->length >= 0 && len > (uint64_t)h->length)
			len = (size_t)h->length;
		corral_buf_add(ret, data, len);
		r = h->length >= 0 && len == (uint64_t)h->length;
	}
	return r == 0 && eof ? 1 : r;
}
