/*
 * Decoders of pictures do not run in this process: one that gives way to a hostile picture would
 * give it all that this process may do. They run in tools/image, which lets go of everything before
 * it looks at the first byte; see there.
 *
 * Theory of operation: picture and answer are files of memory, so neither side ever waits for the
 * other to read. This side waits for the end of the process, at most TIMEOUT_MS, and kills it then.
 */
#include "backends/console_image.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define TIMEOUT_MS 30000u
#define TICK_MS    50
#define OUTPUT_MAX ((size_t)128 << 20)

/* Exit statuses of the program's. */
enum { SCALED = 0, UNREADABLE = 1, FITS = 3 };

static int put(int fd, const struct corral_buf *data, struct corral_error *err)
{
	size_t at = 0;

	while (at < data->len) {
		ssize_t n = write(fd, data->data + at, data->len - at);

		if (n < 0)
			return corral_error_sys(err, errno, "hand on the image");
		at += (size_t)n;
	}
	return 0;
}

static int start(const char *program, const char *format, int in_fd, int out_fd, pid_t *ret,
                 struct corral_error *err)
{
	char edge[16];
	char *const argv[] = { (char *)"corral-image", (char *)(uintptr_t)format, edge, NULL };
	char *const env[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	(void)snprintf(edge, sizeof(edge), "%d", CORRAL_CONSOLE_IMAGE_EDGE);
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attr);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn_file_actions_adddup2(&actions, in_fd, STDIN_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn(ret, program, &actions, &attr, argv, env);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attr);
	return r ? corral_error_sys(err, r, "'%.200s'", program) : 0;
}

/* Its exit status, in every case after its end. */
static int await(pid_t pid, const struct corral_cancel *cancel, struct corral_error *err)
{
	corral_autofd int pidfd = pidfd_open(pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	uint64_t until = corral_now_ms() + TIMEOUT_MS;
	int status = 0, r = pidfd < 0 ? -errno : 0;
	pid_t waited;

	while (r == 0 && poll(&p, 1, TICK_MS) <= 0) {
		if (cancel && corral_cancel_fired(cancel))
			r = -ECANCELED;
		else if (corral_now_ms() >= until)
			r = -ETIMEDOUT;
	}
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while ((waited = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
		;
	/* A status that nobody has is no success: the caller may ignore SIGCHLD. */
	if (r == 0 && waited < 0)
		r = -errno;
	if (r < 0)
		return corral_error_sys(err, -r, "scale the image");
	if (WIFEXITED(status) && (WEXITSTATUS(status) == SCALED || WEXITSTATUS(status) == FITS))
		return WEXITSTATUS(status);
	if (WIFEXITED(status) && WEXITSTATUS(status) != UNREADABLE)
		return corral_error_set(err, EIO, "its program failed with status %d",
		                        WEXITSTATUS(status));
	return corral_error_set(err, EBADMSG,
	                        WIFEXITED(status) ? "it cannot be decoded"
	                                          : "it is broken, or too many pixels");
}

/* A process that was taken over may have written what it likes: at least it is such a file. */
static int take(int fd, const struct corral_buf *before, struct corral_buf *ret,
                struct corral_error *err)
{
	int r;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return corral_error_sys(err, errno, "read the scaled image");
	r = corral_buf_read_fd(ret, fd, OUTPUT_MAX);
	if (r < 0)
		return corral_error_sys(err, -r, "read the scaled image");
	if (ret->len < 4 || memcmp(ret->data, before->data, 3) != 0)
		return corral_error_set(err, EBADMSG, "what came of it is no image");
	return 1;
}

int console_image_fit(const char *program, const char *media_type,
                      const struct corral_cancel *cancel, struct corral_buf *data,
                      struct corral_error *err)
{
	corral_autobuf struct corral_buf smaller = CORRAL_BUF_INIT;
	corral_autofd int in_fd = -1, out_fd = -1;
	struct corral_buf larger;
	pid_t pid;
	int r;

	if (!program)
		return corral_error_set(err, ENOENT, "corral-image is not installed");
	in_fd = memfd_create("image", MFD_CLOEXEC);
	out_fd = memfd_create("image", MFD_CLOEXEC);
	if (in_fd < 0 || out_fd < 0)
		return corral_error_sys(err, errno, "hand on the image");
	r = put(in_fd, data, err);
	if (r == 0)
		r = start(program, strchr(media_type, '/') + 1, in_fd, out_fd, &pid, err);
	if (r == 0)
		r = await(pid, cancel, err);
	if (r != SCALED)
		return r == FITS ? 0 : r;
	r = take(out_fd, data, &smaller, err);
	if (r < 0)
		return r;
	larger = *data;
	*data = smaller;
	smaller = larger;
	return 1;
}
