#include "backends/docker/end.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

/* What a pipe takes at once when poll(2) says that it takes anything. */
#define SMALL 4096u

/* Opened anew it has flags of its own. Not so a terminal's master: that would be another one. */
static bool may_reopen(int fd, const struct stat *st)
{
	int number;

	if (S_ISFIFO(st->st_mode))
		return true;
	return S_ISCHR(st->st_mode) && isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0;
}

int corral_docker_end_open(struct corral_docker_end *e, int fd, int direction)
{
	char path[40];
	struct stat st;

	e->fd = -1;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (may_reopen(fd, &st)) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		e->fd = open(path, direction | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	e->kind = CORRAL_DOCKER_END_OWN;
	if (e->fd >= 0)
		return 0;
	if (S_ISSOCK(st.st_mode))
		e->kind = CORRAL_DOCKER_END_SOCKET;
	else if (!S_ISREG(st.st_mode))
		e->kind = CORRAL_DOCKER_END_SHARED;
	e->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return e->fd < 0 ? -errno : 0;
}

void corral_docker_end_close(struct corral_docker_end *e)
{
	corral_fd_closep(&e->fd);
}

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0;
}

long corral_docker_end_write(const struct corral_docker_end *e, const void *data, size_t len)
{
	ssize_t n = -1;

	if (e->kind == CORRAL_DOCKER_END_SOCKET) {
		n = send(e->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (e->kind == CORRAL_DOCKER_END_OWN) {
		n = write(e->fd, data, len);
	} else {
		if (!is_ready(e->fd, POLLOUT))
			return -EAGAIN;
		n = write(e->fd, data, len < SMALL ? len : SMALL);
	}
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

long corral_docker_end_read(const struct corral_docker_end *e, void *data, size_t size)
{
	ssize_t n = -1;

	if (e->kind == CORRAL_DOCKER_END_SOCKET) {
		n = recv(e->fd, data, size, MSG_DONTWAIT);
	} else {
		if (e->kind == CORRAL_DOCKER_END_SHARED && !is_ready(e->fd, POLLIN))
			return -EAGAIN;
		n = read(e->fd, data, size);
	}
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}
