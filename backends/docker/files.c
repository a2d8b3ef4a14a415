/*
 * Files inside. The client speaks in messages over a SOCK_SEQPACKET socket; one thread carries
 * between that and the stream, on which a message's own head says where it ends. It keeps one
 * message each way at most; what it cannot hand on stays where it is.
 *
 * It believes nothing but a message's size, within its bounds: all else is the client's to check.
 * What is no message is handed on as one that is none, which breaks the client as it should.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/docker/inside.h"
#include "backends/docker/line.h"
#include "kernel/base/cleanup.h"
#include "kernel/files/wire.h"

/* Whole messages that one read may have brought and the client has not taken. */
#define WAITING_MAX (CORRAL_FILES_WIRE_MAX + CORRAL_DOCKER_LINE_READ)

struct corral_docker_files {
	struct corral_files_client *client;
	int sock; /* our side of the client's */
	int stop_fd;
	bool threaded;
	pthread_t thread;
	struct corral_docker_line line;
	size_t n; /* what is in waiting: messages, of which the last may not be whole yet */
	char waiting[WAITING_MAX];
	char message[CORRAL_FILES_WIRE_MAX];
};

/* There is room: nothing is read while more than half a message waits. */
static int heard(void *ctx, const void *data, size_t len)
{
	struct corral_docker_files *f = ctx;

	if (len > sizeof(f->waiting) - f->n)
		return -EPROTO;
	memcpy(f->waiting + f->n, data, len);
	f->n += len;
	return 0;
}

/* The size of the first message, 0 when it is not whole, -EPROTO. */
static long first_size(const struct corral_docker_files *f)
{
	struct corral_files_head head;

	if (f->n < sizeof(head))
		return 0;
	memcpy(&head, f->waiting, sizeof(head));
	if (head.size < sizeof(head) || head.size > CORRAL_FILES_WIRE_MAX)
		return -EPROTO;
	return head.size <= f->n ? (long)head.size : 0;
}

/* Whole messages to the client; 1 when one waits for it, 0, -errno. */
static int give(struct corral_docker_files *f)
{
	size_t at = 0;
	long size = 0;
	int r = 0;

	while (r == 0 && (size = first_size(f)) > 0) {
		if (send(f->sock, f->waiting, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			r = errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 1 : -EPIPE;
			break;
		}
		at = (size_t)size;
		memmove(f->waiting, f->waiting + at, f->n - at);
		f->n -= at;
	}
	return size < 0 ? (int)size : r;
}

/* One message of the client's, when the one before is sent; -EPIPE at its end. */
static int take(struct corral_docker_files *f)
{
	ssize_t n;
	int r = corral_docker_line_send(&f->line);

	while (r == 1) {
		n = recv(f->sock, f->message, sizeof(f->message), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			return -EPIPE;
		corral_buf_add(&f->line.out, f->message, (size_t)n);
		if (f->line.out.failed)
			return -ENOMEM;
		r = corral_docker_line_send(&f->line);
	}
	return r;
}

/* One turn; 0, or why it is over. */
static int turn(struct corral_docker_files *f)
{
	struct pollfd fds[3] = {
		{ f->stop_fd, POLLIN, 0 },
		{ f->sock, 0, 0 },
		{ corral_docker_stream_fd(f->line.stream), 0, 0 },
	};
	int r, waits, more = 0;

	r = take(f);
	if (r < 0)
		return r;
	waits = give(f);
	while (waits == 0 && (more = corral_docker_line_read(&f->line)) > 0)
		waits = give(f);
	if (more < 0 || waits < 0)
		return more < 0 ? more : waits;
	fds[1].events =
	        (short)((waits ? POLLOUT : 0) | (corral_docker_line_events(&f->line) ? 0 : POLLIN));
	fds[2].events = (short)((waits ? 0 : POLLIN) | corral_docker_line_events(&f->line));
	if (!fds[2].events)
		fds[2].fd = -1;
	(void)poll(fds, 3, -1);
	return fds[0].revents ? -ECANCELED : 0;
}

static void *carry(void *arg)
{
	struct corral_docker_files *f = arg;
	int r;

	do
		r = turn(f);
	while (r == 0);
	/* No answer is one byte long. */
	if (r == -EPROTO)
		(void)send(f->sock, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(f->sock, SHUT_RDWR);
	return NULL;
}

static int start(struct corral_docker_files *f, struct corral_error *err)
{
	sigset_t all, before;
	int pair[2], r;

	f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->stop_fd < 0)
		return corral_error_sys(err, errno, "eventfd");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return corral_error_sys(err, errno, "create a socket to the file server");
	f->sock = pair[1];
	r = corral_files_client_new_take(pair[0], &f->client, err);
	if (r < 0)
		return r;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&f->thread, NULL, carry, f);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return corral_error_sys(err, r, "start a thread for the file server");
	f->threaded = true;
	return 0;
}

int corral_docker_files_open_take(struct corral_docker_stream *stream, bool multiplexed,
                                  struct corral_docker_files **ret, struct corral_error *err)
{
	struct corral_docker_files *f = malloc(sizeof(*f));
	int r;

	if (!f) {
		corral_docker_stream_close(stream);
		return corral_error_set(err, ENOMEM, "file server: out of memory");
	}
	memset(f, 0, offsetof(struct corral_docker_files, line));
	f->sock = f->stop_fd = -1;
	f->n = 0;
	corral_docker_line_init(&f->line, stream, multiplexed, heard, f);
	r = start(f, err);
	if (r < 0)
		corral_docker_files_close(f);
	else
		*ret = f;
	return r;
}

struct corral_files_client *corral_docker_files_client(struct corral_docker_files *f)
{
	return f->client;
}

void corral_docker_files_close(struct corral_docker_files *f)
{
	if (!f)
		return;
	if (f->threaded) {
		(void)eventfd_write(f->stop_fd, 1);
		(void)pthread_join(f->thread, NULL);
	}
	corral_files_client_free(f->client);
	corral_docker_line_done(&f->line);
	corral_fd_closep(&f->sock);
	corral_fd_closep(&f->stop_fd);
	free(f);
}
