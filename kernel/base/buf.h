/*
 * A growing buffer of bytes, always followed by a NUL that does not count. Errors stick: append as
 * much as you like and look at `failed` once.
 */
#ifndef CORRAL_KERNEL_BASE_BUF_H
#define CORRAL_KERNEL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct corral_buf {
	char *data; /* NULL until the first byte */
	size_t len;
	size_t size;
	bool failed; /* out of memory at some point; data is then incomplete */
};

#define CORRAL_BUF_INIT           \
	{                         \
		NULL, 0, 0, false \
	}
#define corral_autobuf corral_auto(corral_buf_done)

void corral_buf_done(struct corral_buf *b);
void corral_buf_add(struct corral_buf *b, const void *data, size_t len);
void corral_buf_str(struct corral_buf *b, const char *s);
void corral_buf_fmt(struct corral_buf *b, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

/* The text, or NULL when memory ran out. The buffer is empty afterwards; the caller frees. */
char *corral_buf_take(struct corral_buf *b);

/*
 * Reads fd to its end, at most max bytes; more is -EFBIG. 0 or -errno, no error text since only the
 * caller knows what the file was.
 */
int corral_buf_read_fd(struct corral_buf *b, int fd, size_t max);

#ifdef __cplusplus
}
#endif

#endif
