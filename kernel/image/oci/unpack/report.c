#include "kernel/image/oci/unpack/report.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int report_flush(struct report *r)
{
	for (size_t at = 0; at < r->len && !r->failed;) {
		ssize_t n = write(STDERR_FILENO, r->data + at, r->len - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			r->failed = -errno;
	}
	r->len = 0;
	return r->failed;
}

void report_add(struct report *r, char kind, const char *text)
{
	size_t len = strnlen(text, CORRAL_REPORT_RECORD_MAX - 2);

	if (r->len + len + 2 > sizeof(r->data))
		(void)report_flush(r);
	r->data[r->len] = kind;
	memcpy(r->data + r->len + 1, text, len);
	r->data[r->len + 1 + len] = '\0';
	r->len += len + 2;
}
