/*
 * Theory of operation: one thread, one question at a time. The asker writes a question into one end
 * of a pair of sockets and waits for the answer there; the thread sits at the other.
 */
#include "kernel/network/helper/far_side.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/network/helper/confine.h"

#define STACK_SIZE (128u << 10)

struct question {
	int family, type;
};

struct corral_net_far_side {
	int ours, theirs, net_ns_fd;
	struct corral_error err; /* of the thread's, until it is ready */
};

static int go(struct corral_net_far_side *f)
{
	if (setns(f->net_ns_fd, CLONE_NEWNET) < 0)
		return corral_error_sys(&f->err, errno, "enter the sandbox's network");
	return corral_net_confine_thread(0, &f->err);
}

static void *thread_run(void *arg)
{
	struct corral_net_far_side *f = arg;
	struct question q;
	int answer = go(f);

	while (send(f->theirs, &answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer) &&
	       recv(f->theirs, &q, sizeof(q), 0) == sizeof(q)) {
		answer = socket(q.family, q.type, 0);
		if (answer < 0)
			answer = -errno;
	}
	return NULL;
}

static int answer_await(struct corral_net_far_side *f)
{
	ssize_t n;
	int answer;

	do {
		n = recv(f->ours, &answer, sizeof(answer), 0);
	} while (n < 0 && errno == EINTR);
	return n == sizeof(answer) ? answer : -EPIPE;
}

int corral_net_far_side_open(int net_ns_fd, struct corral_net_far_side **ret,
                             struct corral_error *err)
{
	struct corral_net_far_side *f = calloc(1, sizeof(*f));
	int pair[2], r;
	pthread_attr_t attr;
	pthread_t thread;

	if (!f)
		return corral_error_set(err, ENOMEM, "network: out of memory");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		r = errno;
		free(f);
		return corral_error_sys(err, r, "start a thread in the sandbox's network");
	}
	*f = (struct corral_net_far_side) { pair[0], pair[1], net_ns_fd, { 0 } };
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, thread_run, f);
	(void)pthread_attr_destroy(&attr);
	if (r)
		return corral_error_sys(err, r, "start a thread in the sandbox's network");
	r = answer_await(f);
	if (r < 0)
		return corral_error_wrap(err, corral_error_set(err, -r, "%s", f->err.text),
		                         "the thread in the sandbox's network");
	*ret = f;
	return 0;
}

int corral_net_far_side_socket(struct corral_net_far_side *f, int family, int type)
{
	const struct question q = { family, type };

	if (send(f->ours, &q, sizeof(q), MSG_NOSIGNAL) != sizeof(q))
		return -EPIPE;
	return answer_await(f);
}
