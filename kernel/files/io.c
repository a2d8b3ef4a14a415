/* read(2) and write(2) that go on after signals, content in memory, and when to stop altogether. */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "kernel/files/content.h"
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

long files_content_read(struct files_content *c, void *data, size_t size)
{
	size_t left = c->len - c->at;

	if (c->fd >= 0)
		return files_read(c->fd, data, size);
	if (size > left)
		size = left;
	if (size)
		memcpy(data, c->data + c->at, size);
	c->at += size;
	return (long)size;
}

int files_too_large(struct corral_error *err, uint64_t size, uint64_t max)
{
	return corral_error_set(err, EFBIG,
	                        "File is %" PRIu64 " bytes, over the %" PRIu64 "-byte read limit",
	                        size, max);
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

int files_gate(const struct corral_files_stop *stop, int fd, const char *name, const char *path,
               struct corral_error *err)
{
	const struct corral_files_gate *gate = stop ? stop->gate : NULL;

	return gate ? gate->pass(gate->ctx, fd, name, path, err) : 0;
}
