/*
 * What guest init may say to the host once its guest has taken it over: any messages, of any size,
 * with descriptors or without, and silence. The host's side may answer with an error, never crash,
 * wait or keep what it was sent.
 *
 * Input: one byte that says who listens, then messages: two bytes of length, one of the number of
 * descriptors, and the bytes.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/plan_build.h"
#include "kernel/sandbox_state.h"
#include "policy/config.h"
#include "tests/fuzz/fuzz.h"

#define MESSAGES_MAX 16

enum listener { READY, START, START_TTY, COMMAND, UNHEARD, LISTENERS };

static void say(int fd, const void *data, size_t len, unsigned int n_fds)
{
	const int fds[] = { fd, fd, fd, fd, fd, fd };
	struct corral_error err = { 0 };

	(void)corral_wire_send(fd, data, len, fds,
	                       n_fds < CORRAL_COUNT(fds) ? n_fds : CORRAL_COUNT(fds), &err);
}

static void check_receipt(const struct corral_receipt *r)
{
	assert(r->reason <= CORRAL_REASON_KILLED && corral_reason_name(r->reason));
	assert(r->exit_code >= -1 && r->exit_code <= 255);
	assert(r->signal >= 0 && r->signal <= 127);
	assert(r->n_denials <= CORRAL_DENIALS_MAX);
}

static void listen_to(struct corral_sandbox *s, enum listener who)
{
	char *argv[] = { (char *)"true", NULL };
	const struct corral_command command = { .argv = argv,
		                                .guest_dir = "/w",
		                                .tty = who == START_TTY };
	struct corral_error err = { 0 };
	corral_autofd int tty = -1;
	int r = 0;

	switch (who) {
	case READY:
		r = corral_sandbox_ready(s, &err);
		break;
	case START:
	case START_TTY:
		r = corral_start_wait(s, &command, s->socket_fd, 0, &s->course.receipt, &tty, &err);
		assert(r < 0 || who == START || tty >= 0);
		r = r > 0 ? 0 : r;
		break;
	case UNHEARD:
		corral_course_begin(s, &s->course);
		corral_course_asked(s, &s->course, &command);
		/* fallthrough */
	case COMMAND:
		s->phase = CORRAL_PHASE_RUNNING;
		r = corral_sandbox_wait(s, &err);
		assert(r < 0 || s->course.ended);
		break;
	case LISTENERS:
		break;
	}
	assert((r < 0) == (err.code != 0));
	assert(r == 0 || (err.code == -r && err.text[0]));
	check_receipt(&s->course.receipt);
}

/* One with mounts of every kind, so that each way to tell of a failed step is taken. */
static struct corral_plan *plan_new(void)
{
	static const char json[] =
	        "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/a\"}],\"workspace\":\"/w\"}";
	static struct corral_policy *policy;
	static const struct corral_host host = { .features = ~0u,
		                                 .landlock_abi = 4,
		                                 .kernel_major = 6 };
	static const struct corral_etc etc = { .bind = { "/etc/ld.so.cache" }, .n_bind = 1 };
	const struct corral_plan_facts facts = { .host = &host,
		                                 .etc = &etc,
		                                 .scheme = CORRAL_ID_RANGE,
		                                 .base = 1u << 20,
		                                 .netns_ready = true };
	struct corral_plan *plan = NULL;
	struct corral_error err = { 0 };

	if (!policy) {
		struct corral_config *config = corral_config_new();

		assert(config);
		if (corral_config_parse(config, json, sizeof(json) - 1, &err) < 0)
			abort();
		if (corral_policy_compile(config, NULL, &policy, &err) < 0)
			abort();
		corral_config_free(config);
	}
	if (corral_plan_compile(policy, &facts, &plan, &err) < 0)
		abort();
	return plan;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct corral_launcher launcher = { 0 };
	struct corral_sandbox s = { .launcher = &launcher, .phase = CORRAL_PHASE_READY };
	struct epoll_event ev = { .events = EPOLLIN };
	int pair[2], before, after;
	enum listener who;
	size_t at = 1;

	if (size < 1)
		return 0;
	who = data[0] % LISTENERS;
	before = fcntl(0, F_DUPFD_CLOEXEC, 0);
	assert(before >= 0);
	(void)close(before);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	(void)pthread_mutex_init(&s.lock, NULL);
	s.socket_fd = pair[0];
	/* As if it had died: nobody waits for that. */
	s.pidfd = eventfd(1, EFD_CLOEXEC);
	s.event_fd = epoll_create1(EPOLL_CLOEXEC);
	s.plan = who == READY ? plan_new() : NULL;
	s.timer_fd = s.oom_fd = s.tty_fd = -1;
	s.keep = (struct corral_keep)CORRAL_KEEP_INIT;
	ev.data.fd = s.socket_fd;
	assert(epoll_ctl(s.event_fd, EPOLL_CTL_ADD, s.socket_fd, &ev) == 0);
	for (int n = 0; n < MESSAGES_MAX && at + 3 <= size; n++) {
		size_t len = data[at] | (size_t)data[at + 1] << 8;
		unsigned int fds = data[at + 2];

		at += 3;
		len = len > size - at ? size - at : len;
		say(pair[1], data + at, len, fds);
		at += len;
	}
	(void)close(pair[1]);
	listen_to(&s, who);
	corral_plan_free(s.plan);
	corral_fd_closep(&s.socket_fd);
	corral_fd_closep(&s.pidfd);
	corral_fd_closep(&s.event_fd);
	corral_fd_closep(&s.timer_fd);
	(void)pthread_mutex_destroy(&s.lock);
	after = fcntl(0, F_DUPFD_CLOEXEC, 0);
	assert(after == before); /* no descriptor stayed */
	(void)close(after);
	return 0;
}
