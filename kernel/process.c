#include "kernel/process.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/sandbox_state.h"

/* How long a tree gets to end: asked, then with its supervisor killed, then with the whole sandbox.
 */
#define ASKED_MS  1000
#define FORCED_MS 1000
#define GONE_MS   5000

struct corral_process {
	struct corral_sandbox *sandbox;
	struct corral_course course;
	uint32_t id;
	int pid; /* inside */
	int report_fd, event_fd, tty_fd;
};

static int events_open(struct corral_process *p, struct corral_error *err)
{
	const int fds[] = { p->report_fd, p->sandbox->oom_fd };
	struct epoll_event ev = { .events = EPOLLIN };

	p->event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->event_fd < 0)
		return corral_error_sys(err, errno, "create an epoll descriptor");
	for (size_t i = 0; i < CORRAL_COUNT(fds); i++) {
		ev.data.fd = fds[i];
		if (fds[i] >= 0 && epoll_ctl(p->event_fd, EPOLL_CTL_ADD, fds[i], &ev) < 0)
			return corral_error_sys(err, errno, "watch the command");
	}
	return 0;
}

static void discard(struct corral_process *p)
{
	corral_fd_closep(&p->report_fd);
	corral_fd_closep(&p->event_fd);
	corral_fd_closep(&p->tty_fd);
	corral_receipt_done(&p->course.receipt);
	free(p);
}

static int start(struct corral_process *p, struct corral_start *how,
                 const struct corral_command *command, struct corral_error *err)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return corral_error_sys(err, errno, "create a socket to guest init");
	p->report_fd = pair[0];
	how->report_fd = pair[1];
	r = events_open(p, err);
	corral_course_begin(p->sandbox, &p->course);
	if (r == 0)
		r = corral_start_send(p->sandbox, command, how, err);
	(void)close(pair[1]);
	corral_launcher_sweep_once(p->sandbox->launcher);
	if (r == 0 && !corral_start_is_heard(command)) {
		corral_course_asked(p->sandbox, &p->course, command);
		return 0;
	}
	if (r == 0)
		r = corral_start_wait(p->sandbox, command, p->report_fd, p->id, &p->course.receipt,
		                      &p->tty_fd, err);
	if (r < 0)
		return r;
	p->pid = r;
	corral_course_started(&p->course);
	return 0;
}

int corral_process_start_program(struct corral_sandbox *s, int program_fd,
                                 const struct corral_command *command, unsigned int flags,
                                 struct corral_process **ret, struct corral_error *err)
{
	struct corral_start how = { .report_fd = -1, .program_fd = program_fd };
	struct corral_command alone = *command;
	struct corral_process *p;
	int r;

	if (!command->argv || !command->argv[0])
		return corral_error_set(err, EINVAL, "no command");
	p = calloc(1, sizeof(*p));
	if (!p)
		return corral_error_set(err, ENOMEM, "start the command: out of memory");
	alone.last = false;
	p->sandbox = s;
	p->report_fd = p->event_fd = p->tty_fd = -1;
	/* 0 is the command on the main socket. */
	do {
		p->id = atomic_fetch_add(&s->next_id, 1) + 1;
	} while (!p->id);
	how.id = p->id;
	how.flags = flags & CORRAL_PROCESS_BACKGROUND ? CORRAL_START_BACKGROUND : 0;
	r = start(p, &how, &alone, err);
	if (r < 0)
		discard(p);
	else
		*ret = p;
	return r;
}

int corral_process_start(struct corral_sandbox *s, const struct corral_command *command,
                         unsigned int flags, struct corral_process **ret, struct corral_error *err)
{
	return corral_process_start_program(s, -1, command, flags, ret, err);
}

int corral_process_pid(const struct corral_process *p)
{
	return p->pid;
}

int corral_process_tty(const struct corral_process *p)
{
	return p->tty_fd;
}

int corral_process_event_fd(const struct corral_process *p)
{
	return p->event_fd;
}

static int hear(struct corral_process *p, struct corral_error *err)
{
	union corral_wire_end m;
	corral_autofd int fd = -1;
	ssize_t n;

	n = corral_wire_receive(p->report_fd, &m, sizeof(m), &fd, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return corral_error_sys(err, (int)-n, "hear from guest init");
	if (n == 0) {
		/* Guest init went without a word: wait for its death, so that the group's
		 * statistics are final. */
		struct pollfd pfd = { .fd = p->sandbox->pidfd, .events = POLLIN };

		(void)poll(&pfd, 1, GONE_MS);
		corral_course_gone(p->sandbox, &p->course);
		return p->course.ended;
	}
	n = corral_course_heard(p->sandbox, &p->course, &m, (size_t)n, err);
	return n < 0 ? (int)n : p->course.ended;
}

int corral_process_dispatch(struct corral_process *p, struct corral_error *err)
{
	struct epoll_event events[2];
	int n, r = 0;

	if (p->course.ended)
		return 1;
	n = epoll_wait(p->event_fd, events, CORRAL_COUNT(events), 0);
	if (n < 0)
		return errno == EINTR ? 0 : corral_error_sys(err, errno, "wait for the command");
	for (int i = 0; i < n && r == 0; i++) {
		if (events[i].data.fd == p->report_fd)
			r = hear(p, err);
		else
			corral_sandbox_oom(p->sandbox);
	}
	return r;
}

int corral_process_wait(struct corral_process *p, int timeout_ms, struct corral_error *err)
{
	uint64_t deadline = corral_now_ms() + (timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
	struct pollfd pfd = { .fd = p->event_fd, .events = POLLIN };

	for (;;) {
		int left = -1, r = corral_process_dispatch(p, err);

		if (r != 0)
			return r < 0 ? r : 0;
		if (timeout_ms >= 0) {
			uint64_t now = corral_now_ms();

			if (now >= deadline && (timeout_ms == 0 || now > deadline))
				return -ETIMEDOUT;
			left = (int)(deadline - now) + 1;
		}
		if (poll(&pfd, 1, left) < 0 && errno != EINTR)
			return corral_error_sys(err, errno, "wait for the command");
	}
}

int corral_process_signal(struct corral_process *p, int signo, struct corral_error *err)
{
	if (p->course.ended)
		return corral_error_set(err, ESRCH, "the command has ended");
	if (signo < 1 || signo > 64)
		return corral_error_set(err, EINVAL, "signal %d", signo);
	return corral_sandbox_number_send(p->sandbox, CORRAL_WIRE_SIGNAL, (uint32_t)signo, p->id,
	                                  err);
}

/* It has an end, if only that it never ran. */
static bool is_over(struct corral_process *p, int ms)
{
	return corral_process_wait(p, ms, NULL) == 0 || p->course.ended;
}

void corral_process_kill(struct corral_process *p, enum corral_reason reason)
{
	struct corral_sandbox *s = p->sandbox;

	if (p->course.ended)
		return;
	if (!p->course.has_pending) {
		p->course.pending = reason;
		p->course.has_pending = true;
	}
	if (corral_sandbox_number_send(s, CORRAL_WIRE_KILL, 0, p->id, NULL) == 0 &&
	    is_over(p, ASKED_MS))
		return;
	if (corral_sandbox_number_send(s, CORRAL_WIRE_KILL, 1, p->id, NULL) == 0 &&
	    is_over(p, FORCED_MS))
		return;
	corral_sandbox_kill_all(s);
	if (!is_over(p, GONE_MS))
		corral_course_gone(s, &p->course);
}

const struct corral_receipt *corral_process_receipt(const struct corral_process *p)
{
	return &p->course.receipt;
}

void corral_process_count_output(struct corral_process *p, uint64_t bytes)
{
	p->course.output_bytes += bytes;
	p->course.receipt.output_bytes = p->course.output_bytes;
}

void corral_process_close(struct corral_process *p)
{
	if (!p)
		return;
	corral_process_kill(p, CORRAL_REASON_KILLED);
	discard(p);
}
