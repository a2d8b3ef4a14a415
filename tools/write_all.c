#include "tools/write_all.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

int corral_write_all(int fd, const char *data, size_t len)
{
	while (len) {
		struct pollfd wait = { .fd = fd, .events = POLLOUT };
		ssize_t n = write(fd, data, len);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			(void)poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}
