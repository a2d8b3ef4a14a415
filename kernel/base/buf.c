#include "kernel/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void corral_buf_done(struct corral_buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

static bool buf_reserve(struct corral_buf *b, size_t more)
{
	size_t size = b->size ? b->size : 128;
	char *data;

	if (b->failed || more > SIZE_MAX / 2 - b->len) {
		b->failed = true;
		return false;
	}
	while (size < b->len + more + 1)
		size *= 2;
	if (size == b->size)
		return true;
	data = realloc(b->data, size);
	if (!data) {
		b->failed = true;
		return false;
	}
	b->data = data;
	b->size = size;
	return true;
}

void corral_buf_add(struct corral_buf *b, const void *data, size_t len)
{
	if (!buf_reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void corral_buf_str(struct corral_buf *b, const char *s)
{
	corral_buf_add(b, s, strlen(s));
}

void corral_buf_fmt(struct corral_buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_reserve(b, (size_t)n)) {
		b->failed = true;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

char *corral_buf_take(struct corral_buf *b)
{
	char *data;

	if (!b->data)
		corral_buf_add(b, "", 0);
	data = b->failed ? NULL : b->data;
	if (!data)
		free(b->data);
	memset(b, 0, sizeof(*b));
	return data;
}

int corral_buf_read_fd(struct corral_buf *b, int fd, size_t max)
{
	for (;;) {
		ssize_t n;
		size_t room;

		if (!buf_reserve(b, 4096))
			return -ENOMEM;
		room = b->size - b->len - 1;
		n = read(fd, b->data + b->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		b->len += (size_t)n;
		b->data[b->len] = '\0';
		if (b->len > max)
			return -EFBIG;
		if (n == 0)
			return 0;
	}
}
