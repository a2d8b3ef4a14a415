#include "tools/talk.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/sandbox_state.h"

int corral_talk_send(int socket_fd, json_t *words, const int *fds, unsigned int n_fds,
                     struct corral_error *err)
{
	corral_autofree char *text = words ? json_dumps(words, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;
	int r;

	json_decref(words);
	if (!text)
		return corral_error_sys(err, ENOMEM, "make a message");
	if (len > CORRAL_TALK_MAX)
		return corral_error_set(err, EMSGSIZE, "a message of %zu bytes: at most %u", len,
		                        CORRAL_TALK_MAX);
	/* Its own words on what went wrong speak of guest init. */
	r = corral_wire_send(socket_fd, text, len, fds, n_fds, NULL);
	return r < 0 ? corral_error_sys(err, -r, "send a message") : 0;
}

static int take_fds(struct msghdr *msg, struct corral_talk *t)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int fds[CORRAL_TALK_FDS_MAX];
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		n = n < CORRAL_TALK_FDS_MAX ? n : CORRAL_TALK_FDS_MAX;
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		for (size_t i = 0; i < n; i++)
			if (t->n_fds < CORRAL_TALK_FDS_MAX)
				t->fds[t->n_fds++] = fds[i];
			else
				(void)close(fds[i]);
	}
	/* More of them than there is room for: the kernel has closed the rest. */
	return msg->msg_flags & (MSG_CTRUNC | MSG_TRUNC) ? -EPROTO : 0;
}

int corral_talk_receive(int socket_fd, int flags, struct corral_talk *ret, struct corral_error *err)
{
	corral_autofree char *text = malloc(CORRAL_TALK_MAX);
	struct corral_talk t = { NULL, { -1 }, 0 };
	struct iovec iov = { text, CORRAL_TALK_MAX };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * CORRAL_TALK_FDS_MAX)];
	} control;
	struct msghdr msg = { .msg_iov = &iov,
		              .msg_iovlen = 1,
		              .msg_control = &control,
		              .msg_controllen = sizeof(control) };
	ssize_t n;

	if (!text)
		return corral_error_sys(err, ENOMEM, "receive a message");
	do {
		n = recvmsg(socket_fd, &msg, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return 0;
	if (n < 0)
		return corral_error_sys(err, errno, "receive a message");
	if (take_fds(&msg, &t) == 0)
		t.words = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(t.words)) {
		corral_talk_done(&t);
		return corral_error_set(err, EPROTO, "what came is no message");
	}
	*ret = t;
	return 1;
}

int corral_talk_await(int socket_fd, int timeout_ms, struct corral_talk *ret,
                      struct corral_error *err)
{
	struct pollfd pfd = { .fd = socket_fd, .events = POLLIN };
	int n;

	do {
		n = poll(&pfd, 1, timeout_ms);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return corral_error_sys(err, errno, "wait for an answer");
	if (n == 0)
		return corral_error_set(err, ETIMEDOUT, "no answer within %g s",
		                        (double)timeout_ms / 1000);
	return corral_talk_receive(socket_fd, 0, ret, err);
}

void corral_talk_done(struct corral_talk *t)
{
	json_decref(t->words);
	t->words = NULL;
	for (unsigned int i = 0; i < t->n_fds; i++)
		corral_fd_closep(&t->fds[i]);
	t->n_fds = 0;
}

int corral_talk_take_fd(struct corral_talk *t, unsigned int i)
{
	return i < t->n_fds ? corral_take_fd(&t->fds[i]) : -1;
}

const char *corral_talk_text(const json_t *words, const char *key)
{
	return json_string_value(json_object_get(words, key));
}

int64_t corral_talk_number(const json_t *words, const char *key, int64_t fallback)
{
	const json_t *n = json_object_get(words, key);

	return json_is_integer(n) && json_integer_value(n) >= 0 ? json_integer_value(n) : fallback;
}
