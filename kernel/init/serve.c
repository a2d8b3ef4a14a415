/*
 * What guest init does for the rest of its life: starts commands, reaps everything, answers refused
 * calls, and dies with its caller. One command at a time is its own; those beside it have
 * supervisors (kernel/init/supervisor.c).
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/time.h>

#include "kernel/init/command.h"
#include "kernel/init/supervisor.h"
#include "kernel/init/tree.h"

#define LOOK_AGAIN_NSEC 20000000
#define GO_ON_NSEC      100000000
#define NAME_ONLY       (010000000 | 02000000) /* O_PATH|O_CLOEXEC */

static _Alignas(4096) char request[CORRAL_WIRE_MAX];
static HOT struct refusals own_refusals;

static void start(struct init *in, size_t size, const int *fds, unsigned int n_fds)
{
	const struct corral_wire_start *st = (const void *)request;

	/* Who cannot be told apart by a report socket is the only one. */
	if (size >= sizeof(*st) && st->flags & CORRAL_START_REPORT &&
	    (command_busy() || st->flags & CORRAL_START_BACKGROUND))
		supervisor_start(in, request, size, fds, n_fds);
	else
		(void)command_start(in, request, size, fds, n_fds);
}

static void request_handle(struct init *in)
{
	const struct corral_wire_number *number = (const void *)request;
	const struct corral_wire_head *head = (const void *)request;
	int fds[CORRAL_WIRE_FDS_MAX];
	unsigned int n_fds = 0;
	long size;

	size = wire_receive(request, sizeof(request), fds, &n_fds);
	if (size <= 0) {
		/* The caller is gone, and so are we, and with us everything in here. */
		if (in->confined)
			confined_end(in);
		die(0);
	}
	switch (size >= (long)sizeof(*head) ? head->type : 0) {
	case CORRAL_WIRE_START:
		start(in, (size_t)size, fds, n_fds);
		break;
	case CORRAL_WIRE_SIGNAL:
		if (size < (long)sizeof(*number))
			break;
		command_signal(number->id, (int)number->n);
		if (number->id)
			supervisor_signal(number->id, (int)number->n);
		break;
	case CORRAL_WIRE_KILL:
		if (size >= (long)sizeof(*number) && !command_kill(in, number->id))
			supervisor_kill(number->id, number->n != 0);
		break;
	default:
		break;
	}
	for (unsigned int i = 0; i < n_fds; i++)
		(void)sys1(__NR_close, fds[i]);
}

static int signals_open(uint64_t set)
{
	return (int)sys4(__NR_signalfd4, -1, &set, 8, 02004000 /* SFD_CLOEXEC|SFD_NONBLOCK */);
}

_Noreturn void serve_one(struct init *in)
{
	const uint64_t ends = 1ull << (SUPERVISOR_ENDS - 1),
	               forward = 1ull << (SUPERVISOR_FORWARD - 1);
	struct signalfd_siginfo info;
	struct pollfd pfd;

	in->signals_fd = signals_open(1ull << (SIGCHLD - 1) | ends | forward);
	for (;;) {
		int starts = command_starts();
		struct timespec again = { 0, starts ? GO_ON_NSEC : LOOK_AGAIN_NSEC };

		pfd = (struct pollfd) { in->signals_fd, POLLIN, 0 };
		if (sys5(__NR_ppoll, &pfd, 1, starts || command_ends() ? &again : 0, 0, 8) == 0)
			command_go_on();
		while (sys3(__NR_read, in->signals_fd, &info, sizeof(info)) == sizeof(info)) {
			if (info.ssi_signo == SUPERVISOR_ENDS)
				(void)command_kill(in, command_id());
			else if (info.ssi_signo == SUPERVISOR_FORWARD)
				command_signal(command_id(), info.ssi_int);
		}
		command_reap(in);
		if (!command_busy())
			die(0);
	}
}

/*
 * What nearly every program begins with. The first look for a name goes through all layers of the
 * root, and is a fifth of what a first command takes longer than a second: done ahead, unless
 * somebody waits already. By name alone: nothing of the guest's is opened.
 */
static void names_look_up(const struct init *in)
{
	static const char *const names[] = {
		"/bin/sh",
		"/etc/ld.so.cache",
#if defined(__x86_64__)
		"/lib64/ld-linux-x86-64.so.2",
		"/lib/x86_64-linux-gnu/libc.so.6"
#elif defined(__aarch64__)
		"/lib/ld-linux-aarch64.so.1",
		"/lib/aarch64-linux-gnu/libc.so.6"
#endif
	};
	struct pollfd pfd = { CORRAL_WIRE_FD, POLLIN, 0 };
	struct timespec none = { 0, 0 };

	if (!call_is_allowed(in, __NR_openat, 0, NAME_ONLY) ||
	    !call_is_allowed(in, __NR_close, 0, 0))
		return;
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		long fd;

		if (sys5(__NR_ppoll, &pfd, 1, &none, 0, 8) != 0)
			return;
		fd = sys4(__NR_openat, -100, names[i], NAME_ONLY, 0);
		if (fd >= 0)
			(void)sys1(__NR_close, fd);
	}
}

_Noreturn void serve(struct init *in)
{
	static char info[1024];
	struct pollfd fds[3];

	populate(request, 4096);
	command_ready();
	in->refusals = &own_refusals;
	in->signals_fd = signals_open(1ull << (SIGCHLD - 1));
	if (in->proc_fd < 0)
		in->proc_fd = (int)sys4(__NR_openat, -100, "/proc", 0200000 | 02000000,
		                        0); /* O_DIRECTORY|O_CLOEXEC */
	if (!in->confined)
		names_look_up(in);
	for (;;) {
		/* An orphan comes to us without a word: while a tree dies that the kernel does not
		 * end at once, we look again. */
		int starts = command_starts(),
		    look = (in->confined && command_ends()) || in->strays || starts;
		struct timespec again = { 0, starts ? GO_ON_NSEC : LOOK_AGAIN_NSEC };
		unsigned int n = 2;

		fds[0] = (struct pollfd) { CORRAL_WIRE_FD, POLLIN, 0 };
		fds[1] = (struct pollfd) { in->signals_fd, POLLIN, 0 };
		if (in->listener_fd >= 0)
			fds[n++] = (struct pollfd) { in->listener_fd, POLLIN, 0 };
		if (sys5(__NR_ppoll, fds, n, look ? &again : 0, 0, 8) <= 0) {
			if (look)
				command_reap(in);
			command_go_on();
			continue;
		}
		if (fds[0].revents) {
			command_settle();
			request_handle(in);
		}
		if (fds[1].revents) {
			(void)sys3(__NR_read, in->signals_fd, info, sizeof(info));
			command_reap(in);
		}
		if (n > 2 && fds[2].revents & POLLIN)
			deny_answer(in);
	}
}
