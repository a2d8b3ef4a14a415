/*
 * Theory of operation. There is no thread of the client's own: of the calls that wait, one reads
 * the socket and hands each message to the call it belongs to; when it has what it waits for,
 * another takes its place. A call can hold no more than the window it granted, so the reader never
 * has to wait for a slow one. A call that was given up stays on the list of the abandoned until its
 * reply comes, so that late messages are known from invented ones, and a server that never replies
 * runs out of calls rather than us out of memory.
 *
 * Sending never blocks beyond the call's deadline; an honest server receives at all times.
 */
#include "kernel/files/client_wire.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/base/clock.h"
#include "kernel/files/internal.h"

#define CANCEL_POLL_MS 50
#define LAST_WORDS     8

struct abandoned {
	uint64_t id;   /* 0: none */
	uint64_t left; /* chunks that may still come */
};

struct corral_files_client {
	int sock;
	pthread_mutex_t lock;
	pthread_cond_t room;
	bool reading;
	struct files_call *calls;
	size_t n_calls;
	struct abandoned abandoned[CORRAL_FILES_OUTSTANDING];
	size_t n_abandoned;
	uint64_t next_id;
	int broken; /* -EPROTO or -EPIPE */
	const char *why;
	int64_t held;
	char *buf; /* the reader's */
};

int corral_files_client_new_take(int sock, struct corral_files_client **ret,
                                 struct corral_error *err)
{
	struct corral_files_client *c = calloc(1, sizeof(*c));

	if (c)
		c->buf = malloc(CORRAL_FILES_WIRE_MAX);
	if (!c || !c->buf) {
		free(c);
		(void)close(sock);
		return corral_error_set(err, ENOMEM, "out of memory");
	}
	c->sock = sock;
	(void)pthread_mutex_init(&c->lock, NULL);
	corral_cond_init(&c->room);
	*ret = c;
	return 0;
}

void corral_files_client_free(struct corral_files_client *c)
{
	if (!c)
		return;
	(void)close(c->sock);
	(void)pthread_cond_destroy(&c->room);
	(void)pthread_mutex_destroy(&c->lock);
	free(c->buf);
	free(c);
}

int corral_files_client_state(struct corral_files_client *c)
{
	int r;

	(void)pthread_mutex_lock(&c->lock);
	r = c->broken;
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

bool files_client_hold(struct corral_files_client *c, int64_t bytes)
{
	bool ok;

	(void)pthread_mutex_lock(&c->lock);
	ok = bytes < 0 || c->held + bytes <= CORRAL_FILES_HELD_MAX;
	if (ok)
		c->held += bytes;
	(void)pthread_mutex_unlock(&c->lock);
	return ok;
}

/* Under the lock; all that wait get to know. */
static void break_off(struct corral_files_client *c, int code, const char *why)
{
	if (c->broken)
		return;
	c->broken = code;
	c->why = why;
	/* A server that misbehaves gets no second word. */
	(void)shutdown(c->sock, SHUT_RDWR);
	for (struct files_call *call = c->calls; call; call = call->next)
		(void)pthread_cond_signal(&call->moved);
	(void)pthread_cond_broadcast(&c->room);
}

static int say_broken(const struct corral_files_client *c, struct corral_error *err)
{
	return corral_error_set(err, -c->broken, "file server: %s", c->why);
}

/* Milliseconds until the call has to look up. */
static int patience(const struct files_call *call)
{
	uint64_t now = corral_now_nsec(), ms;

	if (now >= call->stop.deadline_nsec)
		return 0;
	ms = (call->stop.deadline_nsec - now + 999999u) / 1000000u;
	if (call->stop.cancelled && ms > CANCEL_POLL_MS)
		ms = CANCEL_POLL_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* Waits for cond as long as the call may. Under the lock. */
static void wait_on(struct files_call *call, pthread_cond_t *cond)
{
	const struct timespec until = corral_clock_after((uint64_t)patience(call));

	call->waiting = true;
	(void)pthread_cond_timedwait(cond, &call->client->lock, &until);
	call->waiting = false;
}

static struct files_call *find(struct corral_files_client *c, uint64_t id)
{
	struct files_call *call = c->calls;

	while (call && call->id != id)
		call = call->next;
	return call;
}

static int queue_event(struct files_call *call, enum corral_files_wire_type type,
                       const char *message, size_t len)
{
	struct files_event *e = malloc(sizeof(*e) + len);

	if (!e)
		return -ENOMEM;
	memset(e, 0, sizeof(*e));
	memcpy(e->message, message, len);
	e->type = type;
	if (type == CORRAL_FILES_REPLY) {
		if (corral_files_reply_parse(e->message, len, &e->reply) < 0) {
			free(e);
			return -EPROTO;
		}
		e->data = e->reply.data;
		e->len = e->reply.data_len;
	} else {
		e->data = e->message + sizeof(struct corral_files_data);
		e->len = len - sizeof(struct corral_files_data);
	}
	*call->last = e;
	call->last = &e->next;
	return 0;
}

static int take_message(struct files_call *call, uint32_t type, const char *message, size_t len)
{
	struct corral_files_wire_grant g;
	struct corral_files_data d;

	if (call->replied)
		return -EPROTO;
	switch (type) {
	case CORRAL_FILES_GRANT:
		if (!call->uploads || len != sizeof(g))
			return -EPROTO;
		memcpy(&g, message, sizeof(g));
		if (g.total <= call->may_send || g.total > call->sent + CORRAL_FILES_WINDOW)
			return -EPROTO;
		call->may_send = g.total;
		return 0;
	case CORRAL_FILES_DATA:
		if (len <= sizeof(d) || len - sizeof(d) > CORRAL_FILES_CHUNK ||
		    call->got == call->granted)
			return -EPROTO;
		memcpy(&d, message, sizeof(d));
		if (d.seq != call->got)
			return -EPROTO;
		call->got++;
		return queue_event(call, CORRAL_FILES_DATA, message, len);
	case CORRAL_FILES_REPLY:
		call->replied = true;
		return queue_event(call, CORRAL_FILES_REPLY, message, len);
	default:
		return -EPROTO;
	}
}

/* A message for a call that nobody waits for any more. */
static int take_late(struct corral_files_client *c, uint64_t id, uint32_t type)
{
	for (size_t i = 0; i < CORRAL_FILES_OUTSTANDING; i++) {
		struct abandoned *a = &c->abandoned[i];

		if (a->id != id)
			continue;
		if (type == CORRAL_FILES_REPLY) {
			a->id = 0;
			c->n_abandoned--;
			(void)pthread_cond_signal(&c->room);
			return 0;
		}
		/* Chunks of the window, and the grants that they may cross. */
		return a->left-- ? 0 : -EPROTO;
	}
	return -EPROTO;
}

/* Under the lock. */
static void dispatch(struct corral_files_client *c, ssize_t len)
{
	struct corral_files_head head;
	struct files_call *call;
	int r;

	if (len < (ssize_t)sizeof(head) || len > (ssize_t)CORRAL_FILES_WIRE_MAX) {
		break_off(c, -EPROTO, "sent what is no answer");
		return;
	}
	memcpy(&head, c->buf, sizeof(head));
	if (head.size != (size_t)len || !head.id) {
		break_off(c, -EPROTO, "sent what is no answer");
		return;
	}
	call = find(c, head.id);
	r = call ? take_message(call, head.type, c->buf, (size_t)len)
	         : take_late(c, head.id, head.type);
	if (r == -ENOMEM)
		break_off(c, -EPROTO, "an answer found no memory");
	else if (r < 0)
		break_off(c, -EPROTO, "sent an answer that no server gives");
	else if (call)
		(void)pthread_cond_signal(&call->moved);
}

/* What it said before it ended tells why it did: a few messages, as it may go on without end. Under
 * the lock. */
static void hear_the_rest(struct corral_files_client *c)
{
	struct iovec part = { c->buf, CORRAL_FILES_WIRE_MAX };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t len;

	for (int i = 0; i < LAST_WORDS && !c->reading && !c->broken; i++) {
		len = recvmsg(c->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (len <= 0)
			return;
		if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
			break_off(c, -EPROTO, "sent what is no answer");
		else
			dispatch(c, len);
	}
}

/* One message, or none in time. Takes and gives the lock; only one thread at a time is here. */
static void read_one(struct files_call *me)
{
	struct corral_files_client *c = me->client;
	struct pollfd p = { .fd = c->sock, .events = POLLIN };
	struct iovec part = { c->buf, CORRAL_FILES_WIRE_MAX };
	/* Without room for control data, descriptors that come along never become ours. */
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	int timeout_ms = patience(me), code;
	ssize_t len = -1;

	c->reading = true;
	(void)pthread_mutex_unlock(&c->lock);
	code = EAGAIN;
	if (poll(&p, 1, timeout_ms) > 0) {
		len = recvmsg(c->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		code = errno;
	}
	(void)pthread_mutex_lock(&c->lock);
	c->reading = false;
	if (len < 0 && (code == EAGAIN || code == EINTR))
		return;
	if (len <= 0)
		break_off(c, -EPIPE, "it ended");
	else if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		break_off(c, -EPROTO, "sent what is no answer");
	else
		dispatch(c, len);
}

/* Somebody who waits becomes the reader. Under the lock. */
static void pass_on(struct corral_files_client *c, const struct files_call *me)
{
	if (c->reading)
		return;
	for (struct files_call *call = c->calls; call; call = call->next) {
		if (call != me && call->waiting && !call->first) {
			(void)pthread_cond_signal(&call->moved);
			return;
		}
	}
	(void)pthread_cond_signal(&c->room);
}

int files_call_next(struct files_call *call, struct files_event **ret, struct corral_error *err)
{
	struct corral_files_client *c = call->client;
	int r = 0;

	*ret = NULL;
	(void)pthread_mutex_lock(&c->lock);
	while (r == 0) {
		if (call->first) {
			*ret = call->first;
			call->first = call->first->next;
			if (!call->first)
				call->last = &call->first;
			break;
		}
		if (call->sending && call->may_send > call->sent)
			break;
		if (c->broken)
			r = say_broken(c, err);
		else if ((r = files_stopped(&call->stop, err)) < 0)
			break;
		else if (c->reading)
			wait_on(call, &call->moved);
		else
			read_one(call);
	}
	pass_on(c, call);
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

static int send_parts(struct files_call *call, struct iovec *parts, size_t n,
                      struct corral_error *err)
{
	struct corral_files_client *c = call->client;
	struct pollfd p = { .fd = c->sock, .events = POLLOUT };
	struct msghdr msg = { .msg_iov = parts, .msg_iovlen = n };

	for (;;) {
		int r;

		if (sendmsg(c->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) {
			r = errno;
			(void)pthread_mutex_lock(&c->lock);
			hear_the_rest(c);
			break_off(c, -EPIPE,
			          r == EPIPE || r == ECONNRESET ? "it ended" : "cannot be reached");
			r = say_broken(c, err);
			(void)pthread_mutex_unlock(&c->lock);
			return r;
		}
		r = files_stopped(&call->stop, err);
		if (r < 0)
			return r;
		(void)poll(&p, 1, patience(call));
	}
}

static int send_request(struct files_call *call, const struct files_ask *ask, uint64_t timeout_ms,
                        struct corral_error *err)
{
	struct corral_files_request q = {
		.head = { CORRAL_FILES_REQUEST, 0, call->id },
		.op = ask->op,
		.flags = ask->flags,
		.timeout_ms = timeout_ms ? timeout_ms : 1,
		.data_len = (uint32_t)ask->len,
		.more = ask->more,
	};
	struct iovec parts[5] = { { &q, sizeof(q) } };
	size_t size = sizeof(q) + ask->len;

	memcpy(q.n, ask->n, sizeof(q.n));
	for (int i = 0; i < 3; i++) {
		const char *text = ask->text[i] ? ask->text[i] : "";
		size_t len = strlen(text);

		q.text_len[i] = (uint32_t)len;
		parts[i + 1] = (struct iovec) { (void *)(uintptr_t)text, len + 1 };
		size += len + 1;
	}
	parts[4] = (struct iovec) { (void *)(uintptr_t)ask->data, ask->len };
	q.head.size = (uint32_t)size;
	return send_parts(call, parts, 5, err);
}

/* Waits for room among the outstanding, and enters. */
static int enter(struct files_call *call, struct corral_error *err)
{
	struct corral_files_client *c = call->client;
	int r = 0;

	(void)pthread_mutex_lock(&c->lock);
	for (;;) {
		if (c->broken)
			r = say_broken(c, err);
		else
			r = files_stopped(&call->stop, err);
		if (r < 0 || c->n_calls + c->n_abandoned < CORRAL_FILES_OUTSTANDING)
			break;
		/* With nobody reading, replies to what was given up make room only if we read. */
		if (c->reading)
			wait_on(call, &c->room);
		else
			read_one(call);
	}
	if (r == 0) {
		call->id = ++c->next_id;
		call->next = c->calls;
		c->calls = call;
		c->n_calls++;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

static uint64_t default_timeout_ms(enum corral_files_op op)
{
	switch (op) {
	case CORRAL_FILES_OP_GLOB:
	case CORRAL_FILES_OP_GREP:
		return CORRAL_FILES_SEARCH_TIMEOUT_MS;
	case CORRAL_FILES_OP_TAR_OUT:
	case CORRAL_FILES_OP_TAR_IN:
		return CORRAL_FILES_COPY_TIMEOUT_MS;
	case CORRAL_FILES_OP_EXISTS:
	case CORRAL_FILES_OP_STAT:
	case CORRAL_FILES_OP_LS:
	case CORRAL_FILES_OP_READ:
	case CORRAL_FILES_OP_READ_BYTES:
	case CORRAL_FILES_OP_WRITE:
	case CORRAL_FILES_OP_EDIT:
	case CORRAL_FILES_OP_MKDIR:
	case CORRAL_FILES_OP_REMOVE:
	case CORRAL_FILES_OP_RENAME:
	case CORRAL_FILES_OP_END:
		break;
	}
	return CORRAL_FILES_TIMEOUT_MS;
}

int files_call_begin(struct corral_files_client *c, const struct corral_files_bounds *b,
                     const struct files_ask *ask, struct files_call *call, struct corral_error *err)
{
	uint64_t timeout_ms = default_timeout_ms(ask->op);
	int r;

	for (int i = 0; i < 3; i++) {
		if (ask->text[i] && strlen(ask->text[i]) >= CORRAL_FILES_PATH_MAX)
			return corral_error_sys(err, ENAMETOOLONG, "'%.200s...'", ask->text[i]);
	}
	if (b && b->timeout_ms >= 0)
		timeout_ms = (uint64_t)b->timeout_ms < UINT32_MAX ? (uint64_t)b->timeout_ms
		                                                  : UINT32_MAX - 1;
	memset(call, 0, sizeof(*call));
	call->client = c;
	call->stop.cancelled = b ? b->cancelled : NULL;
	call->stop.deadline_nsec = corral_now_nsec() + timeout_ms * 1000000u;
	call->last = &call->first;
	call->granted = CORRAL_FILES_WINDOW;
	call->uploads = call->sending = ask->more;
	corral_cond_init(&call->moved);
	r = enter(call, err);
	if (r == 0)
		r = send_request(call, ask, timeout_ms, err);
	if (r < 0) {
		/* It was not sent: nothing will come. */
		call->replied = true;
		files_call_end(call);
	}
	return r;
}

int files_call_send(struct files_call *call, const void *data, size_t len, bool last,
                    struct corral_error *err)
{
	struct corral_files_data d = {
		.head = { CORRAL_FILES_DATA, (uint32_t)(sizeof(d) + len), call->id },
		.seq = call->sent,
		.last = last,
	};
	struct iovec parts[2] = { { &d, sizeof(d) }, { (void *)(uintptr_t)data, len } };

	/* Counted first: the grant for what follows may overtake us. */
	(void)pthread_mutex_lock(&call->client->lock);
	call->sent++;
	if (last)
		call->sending = false;
	(void)pthread_mutex_unlock(&call->client->lock);
	return send_parts(call, parts, 2, err);
}

int files_call_grant(struct files_call *call, struct corral_error *err)
{
	struct corral_files_wire_grant g = {
		.head = { CORRAL_FILES_GRANT, sizeof(g), call->id },
	};
	struct iovec part = { &g, sizeof(g) };

	(void)pthread_mutex_lock(&call->client->lock);
	g.total = ++call->granted;
	(void)pthread_mutex_unlock(&call->client->lock);
	return send_parts(call, &part, 1, err);
}

/* Tells the server, if it listens, and remembers the id until it has replied. Under the lock. */
static void abandon(struct files_call *call)
{
	struct corral_files_client *c = call->client;
	struct corral_files_head head = { CORRAL_FILES_CANCEL, sizeof(head), call->id };

	for (size_t i = 0; i < CORRAL_FILES_OUTSTANDING; i++) {
		if (c->abandoned[i].id)
			continue;
		c->abandoned[i].id = call->id;
		c->abandoned[i].left = 2ull * CORRAL_FILES_WINDOW;
		c->n_abandoned++;
		(void)send(c->sock, &head, sizeof(head), MSG_NOSIGNAL | MSG_DONTWAIT);
		return;
	}
	assert(false); /* calls and abandoned together have so much room */
}

void files_call_end(struct files_call *call)
{
	struct corral_files_client *c = call->client;

	(void)pthread_mutex_lock(&c->lock);
	for (struct files_call **p = &c->calls; *p; p = &(*p)->next) {
		if (*p == call) {
			*p = call->next;
			c->n_calls--;
			break;
		}
	}
	if (!call->replied && !c->broken)
		abandon(call);
	(void)pthread_cond_signal(&c->room);
	pass_on(c, call);
	(void)pthread_mutex_unlock(&c->lock);
	while (call->first) {
		struct files_event *next = call->first->next;

		free(call->first);
		call->first = next;
	}
	(void)pthread_cond_destroy(&call->moved);
}
