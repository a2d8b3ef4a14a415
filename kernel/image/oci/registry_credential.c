/*
 * Theory of operation: one child in a process group of its own. Its stdin and stdout are one
 * socket, on which a write to a helper that has gone is an error and no signal. We are done when
 * the child has ended and the socket holds nothing more; what it started may live on, with a socket
 * that nobody reads.
 */
#include "kernel/image/oci/registry_credential.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define NAME_MAX_BYTES 64

static bool is_name(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                        "0123456789._-");

	return n > 0 && n <= NAME_MAX_BYTES && !name[n];
}

static int actions_fill(posix_spawn_file_actions_t *actions, int fd)
{
	int r = posix_spawn_file_actions_adddup2(actions, fd, STDIN_FILENO);

	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, fd, STDOUT_FILENO);
	if (!r)
		r = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY,
		                                     0);
	return r ? r : posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
}

static int attributes_fill(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	return r ? r
	         : posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
	                                                        POSIX_SPAWN_SETSIGDEF |
	                                                        POSIX_SPAWN_SETPGROUP);
}

/* 0 or an errno. */
static int helper_spawn(const char *program, int fd, pid_t *ret)
{
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t) "get", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (!r) {
		r = actions_fill(&actions, fd);
		if (!r)
			r = attributes_fill(&attributes);
		if (!r)
			r = posix_spawnp(ret, program, &actions, &attributes, argv, environ);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* What there is now: 0, -EAGAIN when more may come, -EMSGSIZE. */
static int drain(int fd, struct corral_buf *b)
{
	char chunk[4096];
	ssize_t n;

	while ((n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		corral_buf_add(b, chunk, (size_t)n);
		explicit_bzero(chunk, sizeof(chunk));
		if (b->failed)
			return -ENOMEM;
		if (b->len > CORRAL_REGISTRY_CREDENTIAL_MAX)
			return -EMSGSIZE;
	}
	return n < 0 && errno == EAGAIN ? -EAGAIN : 0;
}

/* Until the child has ended. */
static int collect(int fd, int pidfd, uint64_t deadline_ms, struct corral_buf *b)
{
	struct pollfd fds[2] = { { .fd = pidfd, .events = POLLIN },
		                 { .fd = fd, .events = POLLIN } };

	for (;;) {
		uint64_t now = corral_now_ms();
		int r;

		if (now >= deadline_ms)
			return -ETIMEDOUT;
		r = poll(fds, 2, (int)(deadline_ms - now));
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		r = drain(fd, b);
		if (r < 0 && r != -EAGAIN)
			return r;
		/* The child's end was seen before what it wrote was drained: nothing is missing. */
		if (fds[0].revents)
			return 0;
		if (r == 0)
			fds[1].fd = -1;
	}
}

/* The child's status as waitpid(2) gives it, or -errno. */
static int converse(pid_t pid, int fd, const char *server, int timeout_ms, struct corral_buf *b)
{
	corral_autofd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int r = pidfd < 0 ? -errno : 0, status = 0;

	if (r == 0) {
		/* A helper that does not care for it says so by how it ends. */
		(void)send(fd, server, strlen(server), MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)shutdown(fd, SHUT_WR);
		r = collect(fd, pidfd, corral_now_ms() + (uint64_t)timeout_ms, b);
	}
	if (r < 0)
		(void)kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return r < 0 ? r : -errno;
	return r < 0 ? r : status;
}

int corral_registry_credential_get(const char *name, const char *server, int timeout_ms,
                                   struct corral_buf *ret, struct corral_error *err)
{
	corral_autofd int ours = -1, theirs = -1;
	char program[NAME_MAX_BYTES + 32];
	int fds[2], r;
	pid_t pid;

	if (!is_name(name))
		return corral_error_set(err, EINVAL,
		                        "a credential helper's name is at most 64 "
		                        "letters, digits, '.', '_' and '-'");
	(void)snprintf(program, sizeof(program), "docker-credential-%s", name);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return corral_error_sys(err, errno, "%s", program);
	ours = fds[0];
	theirs = fds[1];
	r = helper_spawn(program, theirs, &pid);
	if (r)
		return corral_error_sys(err, r, "%s", program);
	corral_fd_closep(&theirs);
	r = converse(pid, ours, server, timeout_ms, ret);
	if (r == -ETIMEDOUT)
		return corral_error_set(err, ETIMEDOUT, "%s gave no answer in %d ms", program,
		                        timeout_ms);
	if (r == -EMSGSIZE)
		return corral_error_set(err, EMSGSIZE, "%s wrote more than %u bytes", program,
		                        CORRAL_REGISTRY_CREDENTIAL_MAX);
	if (r < 0)
		return corral_error_sys(err, -r, "%s", program);
	if (!WIFEXITED(r) || WEXITSTATUS(r) != 0)
		return corral_error_set(err, ENOKEY, "%s has none", program);
	return 0;
}
