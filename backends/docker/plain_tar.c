/*
 * Trees of a container that our program is not in, by its own tar(1), and by nothing else. The
 * engine unpacks archives as the host's root, under none of the container's restrictions: what an
 * archive has of set-id files and device nodes would come to be in directories that are the host's.
 * Here an archive can do what a command in the container can.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "backends/docker/plain.h"
#include "kernel/base/cleanup.h"

#define CHUNK 65536
/* Of tar's own words; nobody reads them. */
#define KEPT_BYTES 4096

/* Below $1, from standard input: as whoever runs it, without the archive's owners and, where tar
 * can leave them out, its modes as they are. Which words it knows is seen by trying them. */
static const char unpack[] =
        "umask 022; words=-o; for w in '--no-same-owner --no-same-permissions' "
        "'-o --no-same-permissions'; do tar $w -C / -cf - dev/null >/dev/null 2>&1 </dev/null && "
        "words=$w && break; done; exec tar $words -C \"$1\" -xf -";

static int tar_find(const struct corral_docker_plain_place *place, struct corral_error *err)
{
	const struct corral_execute x = { .command = "command -v tar", .timeout_ms = -1 };
	struct corral_executed e = { .out = CORRAL_BUF_INIT };
	int r = corral_execute_with(&corral_docker_plain_ops,
	                            (struct corral_docker_plain_place *)(uintptr_t)place, &x, NULL,
	                            -1, &e, err);

	if (r == 0 && e.exit_code != 0)
		r = corral_error_set(err, EOPNOTSUPP,
		                     "trees go in and out of this container by its own tar, and it "
		                     "has none");
	corral_executed_done(&e);
	return r;
}

static int ended(const struct corral_receipt *receipt, const char *path, struct corral_error *err)
{
	if (receipt->exit_code == 0)
		return 0;
	return corral_error_set(err, EIO, "'%.200s': the container's tar ended with %d", path,
	                        receipt->exit_code);
}

/* --- Out --- */

struct out {
	const struct corral_files_sink *sink;
	struct corral_error *err;
	int r;
};

static int out_put(void *ctx, enum corral_stream stream, const void *data, size_t len)
{
	struct out *o = ctx;

	if (stream == CORRAL_STDOUT)
		o->r = o->sink->put(o->sink->ctx, data, len, o->err);
	return o->r;
}

int corral_docker_plain_tar_out(const struct corral_docker_plain_place *place, const char *path,
                                const struct corral_files_sink *sink, struct corral_error *err)
{
	char *const argv[] = { (char *)"tar", (char *)"-C", (char *)(uintptr_t)path,
		               (char *)"-cf", (char *)"-",  (char *)".",
		               NULL };
	struct out out = { .sink = sink, .err = err };
	const struct corral_execute x = { .argv = argv,
		                          .timeout_ms = -1,
		                          .output_bytes = KEPT_BYTES,
		                          .separate = true,
		                          .on_output = out_put,
		                          .ctx = &out };
	struct corral_executed e = { .out = CORRAL_BUF_INIT };
	int r = tar_find(place, err);

	if (r < 0)
		return r;
	r = corral_execute_with(&corral_docker_plain_ops,
	                        (struct corral_docker_plain_place *)(uintptr_t)place, &x, NULL, -1,
	                        &e, err);
	if (r == 0)
		r = out.r < 0 ? out.r : ended(&e.receipt, path, err);
	corral_executed_done(&e);
	return r;
}

/* --- In --- */

/* 1: tar has ended, and takes no more. */
static int give(int fd, int event_fd, const char *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		struct pollfd pfds[] = { { .fd = event_fd, .events = POLLIN },
			                 { .fd = fd, .events = POLLOUT } };
		ssize_t n = write(fd, data + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		else if (poll(pfds, 2, -1) > 0 && pfds[0].revents)
			return 1;
	}
	return 0;
}

static int feed(int fd, int event_fd, const struct corral_files_source *source,
                struct corral_error *err)
{
	char data[CHUNK];
	long n;
	int r = 0;

	while (r == 0 && (n = source->get(source->ctx, data, sizeof(data), err)) != 0) {
		if (n < 0)
			return (int)n;
		r = give(fd, event_fd, data, (size_t)n);
	}
	return r < 0 ? corral_error_sys(err, -r, "feed tar") : 0;
}

/* With both ends of a pipe, the first not blocking; closes them. */
static int run_in(const struct corral_docker_plain_place *place, const char *path, int fds[2],
                  const struct corral_files_source *source, struct corral_error *err)
{
	const struct corral_execute_ops *ops = &corral_docker_plain_ops;
	char *const argv[] = { (char *)"/bin/sh",         (char *)"-c",
		               (char *)(uintptr_t)unpack, (char *)"sh",
		               (char *)(uintptr_t)path,   NULL };
	const struct corral_command command = {
		.argv = argv, .stdin_fd = fds[0], .stdout_fd = -1, .stderr_fd = -1
	};
	struct pollfd end = { .events = POLLIN };
	void *process = NULL;
	int r = ops->start((void *)(uintptr_t)place, &command, &process, err);

	corral_fd_closep(&fds[0]);
	if (r == 0) {
		end.fd = ops->event_fd(process);
		r = feed(fds[1], end.fd, source, err);
	}
	/* Before it is waited for: who carries its input may be reading from there. */
	corral_fd_closep(&fds[1]);
	if (r == 0) {
		while (poll(&end, 1, -1) < 0)
			;
		r = ops->dispatch(process, err);
		r = r < 0 ? r : ended(ops->receipt(process), path, err);
	} else if (process && end.fd > 0) {
		ops->kill(process, CORRAL_REASON_KILLED);
	}
	ops->close(process);
	return r;
}

int corral_docker_plain_tar_in(const struct corral_docker_plain_place *place, const char *path,
                               const struct corral_files_source *source, struct corral_error *err)
{
	int fds[2], r = tar_find(place, err);

	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "pipe to tar");
	(void)fcntl(fds[1], F_SETFL, O_NONBLOCK);
	return run_in(place, path, fds, source, err);
}
