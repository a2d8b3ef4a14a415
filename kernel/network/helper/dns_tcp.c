/*
 * Theory of operation: a line is one connection of the guest's. It reads a question; answers it
 * itself, or dials a server, sends the question, reads the answer and hands it back; then it reads
 * the next. At any time it waits for one descriptor alone, and not for long.
 */
#include "kernel/network/helper/dns_tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/network/helper/dns.h"
#include "kernel/network/helper/dns_message.h"
#include "kernel/network/helper/listener.h"

#define LENGTH_SIZE 2 /* before each message (RFC 1035, section 4.2.2) */

struct line {
	struct corral_net_watch guest, server; /* -1: not there */
	struct corral_net_dns_tcp *owner;
	bool sent; /* the question to the server */
	uint64_t deadline_ms;
	size_t in_len; /* of the question */
	uint8_t in[LENGTH_SIZE + CORRAL_DNS_QUERY_MAX];
	uint8_t *out; /* the answer; LENGTH_SIZE + CORRAL_DNS_MESSAGE_MAX while there is one */
	size_t out_len, out_at;
};

struct corral_net_dns_tcp {
	struct corral_net_listener listener;
	struct corral_net_tick tick;
	struct corral_net_child *child;
	struct corral_net_dns *dns;
	struct line lines[CORRAL_NET_LINES_MAX];
};

static size_t length_of(const uint8_t *message)
{
	return LENGTH_SIZE + (size_t)(message[0] << 8 | message[1]);
}

static void watch(struct line *l, struct corral_net_watch *w, uint32_t events)
{
	(void)corral_net_loop_watch(&l->owner->child->loop, w, events, NULL);
}

static void server_close(struct line *l)
{
	if (l->server.fd >= 0)
		watch(l, &l->server, 0);
	corral_fd_closep(&l->server.fd);
	l->sent = false;
}

static void line_close(struct line *l)
{
	server_close(l);
	watch(l, &l->guest, 0);
	corral_fd_closep(&l->guest.fd);
	free(l->out);
	l->out = NULL;
	l->in_len = 0;
}

/* The answer is complete, and so is what was to be done with the server. */
static void reply(struct line *l)
{
	server_close(l);
	l->out_at = 0;
	l->deadline_ms = corral_now_ms() + CORRAL_NET_LINE_MS;
	watch(l, &l->guest, EPOLLOUT);
}

static void reply_code(struct line *l, const struct corral_dns_question *q, int code)
{
	const struct corral_dns_answer a = { .code = (uint8_t)code };
	size_t len =
	        corral_dns_answer_write(q, &a, NULL, l->out + LENGTH_SIZE, CORRAL_DNS_MESSAGE_MAX);

	l->out[0] = (uint8_t)(len >> 8);
	l->out[1] = (uint8_t)len;
	l->out_len = LENGTH_SIZE + len;
	reply(l);
}

static void reply_failed(struct line *l)
{
	struct corral_dns_question q;

	(void)corral_dns_may_forward(l->in + LENGTH_SIZE, l->in_len - LENGTH_SIZE, &q);
	reply_code(l, &q, CORRAL_DNS_SERVFAIL);
}

static void question_carry(struct line *l)
{
	struct corral_net_dns_tcp *t = l->owner;
	struct corral_dns_question q;
	int code = corral_dns_may_forward(l->in + LENGTH_SIZE, l->in_len - LENGTH_SIZE, &q);

	l->out = malloc(LENGTH_SIZE + CORRAL_DNS_MESSAGE_MAX);
	l->out_len = 0;
	if (!l->out || code < 0) {
		line_close(l);
		return;
	}
	if (code == CORRAL_DNS_NOERROR && !corral_net_dns_may_ask(t->dns))
		code = CORRAL_DNS_REFUSED;
	if (code != CORRAL_DNS_NOERROR) {
		reply_code(l, &q, code);
		return;
	}
	watch(l, &l->guest, 0);
	l->deadline_ms = corral_now_ms() + CORRAL_NET_LINE_MS;
	l->server.fd = corral_net_dns_dial(t->dns);
	if (l->server.fd < 0)
		reply_code(l, &q, CORRAL_DNS_SERVFAIL);
	else
		watch(l, &l->server, EPOLLOUT);
}

static bool may_try_again(int code)
{
	return code == EAGAIN || code == EINTR;
}

static void guest_ready(struct corral_net_watch *w, uint32_t events)
{
	struct line *l = (struct line *)w;
	ssize_t n;

	(void)events;
	if (l->out) {
		n = send(w->fd, l->out + l->out_at, l->out_len - l->out_at, MSG_NOSIGNAL);
		if (n < 0 && may_try_again(errno))
			return;
		if (n < 0) {
			line_close(l);
			return;
		}
		l->out_at += (size_t)n;
		if (l->out_at < l->out_len)
			return;
		free(l->out);
		l->out = NULL;
		l->in_len = 0;
		watch(l, w, EPOLLIN);
		return;
	}
	/* No further than this question's end: the next is read when its turn comes. */
	n = recv(w->fd, l->in + l->in_len,
	         (l->in_len < LENGTH_SIZE ? LENGTH_SIZE : length_of(l->in)) - l->in_len, 0);
	if (n < 0 && may_try_again(errno))
		return;
	if (n <= 0) {
		line_close(l);
		return;
	}
	l->in_len += (size_t)n;
	if (l->in_len < LENGTH_SIZE)
		return;
	/* Longer than any question, or none. */
	if (length_of(l->in) > sizeof(l->in) || length_of(l->in) == LENGTH_SIZE)
		line_close(l);
	else if (l->in_len == length_of(l->in))
		question_carry(l);
}

/* The first bytes of a new connection: there is room for all of them. */
static bool question_send(struct line *l)
{
	socklen_t len = sizeof(int);
	int code = 0;

	if (getsockopt(l->server.fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0 || code ||
	    send(l->server.fd, l->in, l->in_len, MSG_NOSIGNAL) != (ssize_t)l->in_len)
		return false;
	l->sent = true;
	watch(l, &l->server, EPOLLIN);
	return true;
}

static void server_ready(struct corral_net_watch *w, uint32_t events)
{
	struct line *l = (void *)((char *)w - offsetof(struct line, server));
	ssize_t n;

	(void)events;
	if (!l->sent) {
		if (!question_send(l))
			reply_failed(l);
		return;
	}
	n = recv(w->fd, l->out + l->out_len,
	         (l->out_len < LENGTH_SIZE ? LENGTH_SIZE : length_of(l->out)) - l->out_len, 0);
	if (n < 0 && may_try_again(errno))
		return;
	if (n <= 0) {
		reply_failed(l);
		return;
	}
	l->out_len += (size_t)n;
	if (l->out_len >= LENGTH_SIZE && l->out_len == length_of(l->out))
		reply(l);
}

static void line_open(struct corral_net_listener *listener, int take_fd)
{
	struct corral_net_dns_tcp *t = (struct corral_net_dns_tcp *)listener;

	for (size_t i = 0; i < CORRAL_NET_LINES_MAX; i++) {
		struct line *l = &t->lines[i];

		if (l->guest.fd >= 0)
			continue;
		l->guest.fd = take_fd;
		l->deadline_ms = corral_now_ms() + CORRAL_NET_LINE_MS;
		if (corral_net_loop_watch(&t->child->loop, &l->guest, EPOLLIN, NULL) < 0)
			corral_fd_closep(&l->guest.fd);
		return;
	}
	(void)close(take_fd);
}

static void patience(struct corral_net_tick *tick, uint64_t now_ms)
{
	struct corral_net_dns_tcp *t =
	        (void *)((char *)tick - offsetof(struct corral_net_dns_tcp, tick));

	for (size_t i = 0; i < CORRAL_NET_LINES_MAX; i++)
		if (t->lines[i].guest.fd >= 0 && t->lines[i].deadline_ms < now_ms)
			line_close(&t->lines[i]);
}

int corral_net_dns_tcp_open(struct corral_net_dns *d, struct corral_net_child *c, int listener_fd,
                            struct corral_error *err)
{
	struct corral_net_dns_tcp *t = calloc(1, sizeof(*t));

	if (!t)
		return corral_error_set(err, ENOMEM, "network: out of memory");
	t->child = c;
	t->dns = d;
	t->tick.tick = patience;
	for (size_t i = 0; i < CORRAL_NET_LINES_MAX; i++) {
		t->lines[i].owner = t;
		t->lines[i].guest = (struct corral_net_watch) { .fd = -1, .ready = guest_ready };
		t->lines[i].server = (struct corral_net_watch) { .fd = -1, .ready = server_ready };
	}
	corral_net_loop_tick(&c->loop, &t->tick);
	return corral_net_listener_open(&t->listener, &c->loop, listener_fd, line_open, err);
}
