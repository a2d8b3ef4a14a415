/*
 * Two ends, and for each what was read of it and not yet written to the other. An end is watched
 * for reading while its own bytes have room, and for writing while the other's are waiting: so
 * nothing spins, and a slow reader holds the writer up, as it would without us.
 */
#include "kernel/network/helper/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define BUFFER_SIZE (32u << 10)

struct stream;

struct end {
	struct corral_net_watch watch;
	struct stream *stream;
	bool read_ended;  /* no more comes from it */
	bool write_ended; /* and it was told that no more comes from the other */
	size_t at, len;   /* of its bytes, those that wait for the other */
	char bytes[BUFFER_SIZE];
};

struct stream {
	struct corral_net_child *child;
	uint16_t guest_port; /* to be tried at ::1 as well; else 0 */
	bool connected;
	unsigned int index; /* among the streams */
	uint64_t moved_ms;  /* when anything last came of it */
	struct end ends[2];
};

/* The process is one sandbox's. */
static struct stream *streams[CORRAL_NET_STREAMS_MAX];
static unsigned int n_streams;

static struct end *other(struct end *e)
{
	return &e->stream->ends[e == &e->stream->ends[0]];
}

static void stream_close(struct stream *s)
{
	for (size_t i = 0; i < CORRAL_COUNT(s->ends); i++) {
		(void)corral_net_loop_watch(&s->child->loop, &s->ends[i].watch, 0, NULL);
		corral_fd_closep(&s->ends[i].watch.fd);
	}
	streams[s->index] = streams[--n_streams];
	streams[s->index]->index = s->index;
	free(s);
}

/* So that nobody shuts a port by connections that say nothing: false when all are in use. */
static bool room_make(void)
{
	struct stream *idle = streams[0];

	if (n_streams < CORRAL_NET_STREAMS_MAX)
		return true;
	for (unsigned int i = 1; i < n_streams; i++)
		if (streams[i]->moved_ms < idle->moved_ms)
			idle = streams[i];
	if (corral_now_ms() - idle->moved_ms < CORRAL_NET_STREAM_IDLE_MS)
		return false;
	stream_close(idle);
	return true;
}

static bool may_try_again(int code)
{
	return code == EAGAIN || code == EINTR;
}

/* What is there of e's into its buffer; false when the connection is broken. */
static bool fill(struct end *e)
{
	ssize_t n;

	if (e->read_ended || e->len)
		return true;
	n = recv(e->watch.fd, e->bytes, sizeof(e->bytes), 0);
	if (n < 0)
		return may_try_again(errno);
	e->at = 0;
	e->len = (size_t)n;
	e->read_ended = n == 0;
	return true;
}

/* What waits of e's to the other; false when the connection is broken. */
static bool drain(struct end *e)
{
	struct end *to = other(e);

	while (e->len) {
		ssize_t n = send(to->watch.fd, e->bytes + e->at, e->len, MSG_NOSIGNAL);

		if (n < 0)
			return may_try_again(errno);
		e->at += (size_t)n;
		e->len -= (size_t)n;
	}
	if (e->read_ended && !to->write_ended) {
		to->write_ended = true;
		(void)shutdown(to->watch.fd, SHUT_WR);
	}
	return true;
}

static bool rewatch(struct stream *s)
{
	for (size_t i = 0; i < CORRAL_COUNT(s->ends); i++) {
		struct end *e = &s->ends[i];
		uint32_t events = 0;

		if (s->connected && !e->read_ended && !e->len)
			events |= EPOLLIN;
		if (other(e)->len || (i == 1 && !s->connected))
			events |= EPOLLOUT;
		if (corral_net_loop_watch(&s->child->loop, &e->watch, events, NULL) < 0)
			return false;
	}
	return true;
}

static int dial(struct corral_net_child *c, int family, uint16_t port)
{
	struct sockaddr_in four = { .sin_family = AF_INET,
		                    .sin_port = htons(port),
		                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
		                    .sin6_port = htons(port),
		                    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = corral_net_socket(c, CORRAL_NET_GUEST, family, SOCK_STREAM, NULL), r;

	if (fd < 0)
		return -1;
	r = family == AF_INET ? connect(fd, (struct sockaddr *)&four, sizeof(four))
	                      : connect(fd, (struct sockaddr *)&six, sizeof(six));
	if (r < 0 && errno != EINPROGRESS) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* The far end has answered, one way or the other; false: nobody is there. */
static bool connect_end(struct stream *s)
{
	struct end *far = &s->ends[1];
	socklen_t len = sizeof(int);
	int code = 0, fd;

	if (getsockopt(far->watch.fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 && code == 0) {
		s->connected = true;
		return true;
	}
	if (!s->guest_port)
		return false;
	fd = dial(s->child, AF_INET6, s->guest_port);
	s->guest_port = 0;
	if (fd < 0)
		return false;
	(void)corral_net_loop_watch(&s->child->loop, &far->watch, 0, NULL);
	corral_fd_closep(&far->watch.fd);
	far->watch.fd = fd;
	return true;
}

static void end_ready(struct corral_net_watch *w, uint32_t events)
{
	struct end *e = (struct end *)w;
	struct stream *s = e->stream;
	bool well = true;

	s->moved_ms = corral_now_ms();
	if (!s->connected && e == &s->ends[1])
		well = connect_end(s);
	else if (!s->connected)
		well = !(events & (EPOLLHUP | EPOLLERR));
	if (well && s->connected) {
		well = (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || fill(e)) && drain(e) &&
		       drain(other(e));
		/* Both ways gone, though nothing is watched any more: an error that nobody else
		 * would hear of. */
		if (well && (events & EPOLLERR) && e->read_ended)
			well = false;
	}
	if (!well || (s->ends[0].write_ended && s->ends[1].write_ended) || !rewatch(s))
		stream_close(s);
}

static struct stream *stream_new(struct corral_net_child *c, int fd, int to_fd, uint16_t guest_port)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->index = n_streams;
	streams[n_streams++] = s;
	s->moved_ms = corral_now_ms();
	s->child = c;
	s->guest_port = guest_port;
	for (size_t i = 0; i < CORRAL_COUNT(s->ends); i++) {
		s->ends[i].stream = s;
		s->ends[i].watch.ready = end_ready;
		s->ends[i].watch.fd = i ? to_fd : fd;
	}
	return s;
}

void corral_net_stream_open(struct corral_net_child *c, int fd, uint16_t guest_port)
{
	struct stream *s;
	int to_fd = -1;

	if (room_make()) {
		to_fd = dial(c, AF_INET, guest_port);
		/* Loopback refuses at once. */
		if (to_fd < 0) {
			to_fd = dial(c, AF_INET6, guest_port);
			guest_port = 0;
		}
	}
	if (to_fd < 0) {
		(void)close(fd);
		return;
	}
	s = stream_new(c, fd, to_fd, guest_port);
	if (!s) {
		(void)close(fd);
		(void)close(to_fd);
	} else if (!rewatch(s)) {
		stream_close(s);
	}
}
