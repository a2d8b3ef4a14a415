#include "kernel/base/whole.h"

#include <errno.h>
#include <unistd.h>

int corral_whole_write(int fd, const void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = write(fd, (const char *)data + at, len - at);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int corral_whole_write_at(int fd, const void *data, size_t len, int64_t offset)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = pwrite(fd, (const char *)data + at, len - at, offset + (int64_t)at);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}
