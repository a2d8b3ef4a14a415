/*
 * The caller's end of the socket to guest init.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/sandbox_state.h"

ssize_t corral_wire_receive(int socket_fd, void *buf, size_t size, int *ret_fd, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
	} control;
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = &control,
		              .msg_controllen = sizeof(control) };
	ssize_t n;

	*ret_fd = -1;
	/*
	 * Guest init that ends with a message of ours unread resets the connection: said once,
	 * before what it had to say itself, which is still there (unix(7)).
	 */
	for (int resets = 0;;) {
		n = recvmsg(socket_fd, &msg, flags | MSG_CMSG_CLOEXEC);
		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || resets++)))
			break;
	}
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		int fds[4];
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		count = count > 4 ? 4 : count;
		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
		/* One at the most is expected; more would be a guest that fills our table. */
		for (size_t i = 0; i < count; i++) {
			if (i == 0 && *ret_fd < 0)
				*ret_fd = fds[i];
			else
				(void)close(fds[i]);
		}
	}
	if (n > 0 && (size_t)n < sizeof(struct corral_wire_head)) {
		corral_fd_closep(ret_fd);
		return -EPROTO;
	}
	return n;
}

static int send_with(int socket_fd, int flags, const void *buf, size_t size, const int *fds,
                     unsigned int n_fds, struct corral_error *err)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * CORRAL_WIRE_FDS_MAX)];
	} control;
	struct iovec iov = { (void *)(uintptr_t)buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds) {
		memset(&control, 0, sizeof(control));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.align), fds, sizeof(int) * n_fds);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	do {
		n = sendmsg(socket_fd, &msg, MSG_NOSIGNAL | flags);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	if (errno == EAGAIN)
		return corral_error_set(err, EAGAIN, "guest init does not listen");
	/* The same, when it went with something of ours unread. */
	return corral_error_sys(err, errno == ECONNRESET ? EPIPE : errno, "talk to guest init");
}

int corral_wire_send(int socket_fd, const void *buf, size_t size, const int *fds,
                     unsigned int n_fds, struct corral_error *err)
{
	return send_with(socket_fd, 0, buf, size, fds, n_fds, err);
}

int corral_wire_send_now(int socket_fd, const void *buf, size_t size, struct corral_error *err)
{
	return send_with(socket_fd, MSG_DONTWAIT, buf, size, NULL, 0, err);
}
