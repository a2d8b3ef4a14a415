/* read(2) and write(2) that go on after signals, and when to stop altogether. */
#include <errno.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "kernel/files/internal.h"

long files_read(int fd, void *data, size_t size)
{
	ssize_t n;

	do
		n = read(fd, data, size);
	while (n < 0 && errno == EINTR);
	/* Files of /proc that wait for news: there is none. */
	if (n < 0 && errno == EAGAIN)
		return 0;
	return n < 0 ? -errno : n;
}

int files_write_all(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data = (const char *)data + n;
		len -= (size_t)n;
	}
	return 0;
}

int files_stopped(const struct corral_files_stop *stop, struct corral_error *err)
{
	if (!stop)
		return 0;
	if (stop->cancelled && __atomic_load_n(stop->cancelled, __ATOMIC_RELAXED))
		return corral_error_set(err, ECANCELED, "cancelled");
	if (stop->deadline_nsec && corral_now_nsec() >= stop->deadline_nsec)
		return corral_error_set(err, ETIMEDOUT, "timed out");
	return 0;
}
