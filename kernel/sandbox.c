/*
 * The life of a sandbox and its end: commands, what is heard of them, and the receipt.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"
#include "kernel/sandbox_state.h"

/* After a kill was asked of guest init and nothing came of it, everything is killed from outside.
 */
#define KILL_GRACE_MS 2000
#define WIPE_MS       5000
/* Longer than guest init takes to end a tree in the confined tier, two seconds. */
#define CONFINED_END_MS 3000

static int timer_set(struct corral_sandbox *s, uint64_t ms, struct corral_error *err)
{
	struct itimerspec when = { .it_value = { (time_t)(ms / 1000),
		                                 (long)(ms % 1000) * 1000000 } };
	struct epoll_event ev = { .events = EPOLLIN };

	if (s->timer_fd < 0) {
		s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		ev.data.fd = s->timer_fd;
		if (s->timer_fd < 0 || epoll_ctl(s->event_fd, EPOLL_CTL_ADD, s->timer_fd, &ev) < 0)
			return corral_error_sys(err, errno, "set the time limit");
	}
	if (timerfd_settime(s->timer_fd, 0, &when, NULL) < 0)
		return corral_error_sys(err, errno, "set the time limit");
	return 0;
}

int corral_sandbox_start(struct corral_sandbox *s, const struct corral_command *command,
                         struct corral_error *err)
{
	const struct corral_start alone = { .report_fd = -1, .program_fd = -1 };
	int tty_fd = -1, r;

	if (s->phase != CORRAL_PHASE_READY)
		return corral_error_set(err, s->phase == CORRAL_PHASE_GONE ? EPIPE : EBUSY, "%s",
		                        s->phase == CORRAL_PHASE_GONE
		                                ? "the sandbox is gone"
		                                : "a command is running already");
	if (!command->argv || !command->argv[0])
		return corral_error_set(err, EINVAL, "no command");
	corral_course_begin(s, &s->course);
	s->grace = false;
	s->course.no_statistics = command->last && command->no_statistics;
	r = corral_start_send(s, command, &alone, err);
	corral_launcher_sweep_once(s->launcher);
	if ((r == 0 || r == -EPIPE) && s->plan)
		r = corral_sandbox_ready(s, err);
	if (r == 0 && corral_start_is_heard(command))
		r = corral_start_wait(s, command, s->socket_fd, 0, &s->course.receipt, &tty_fd,
		                      err);
	if (r < 0)
		return r;
	corral_fd_closep(&s->tty_fd);
	s->tty_fd = tty_fd;
	s->phase = CORRAL_PHASE_RUNNING;
	if (corral_start_is_heard(command))
		corral_course_started(&s->course);
	else
		corral_course_asked(s, &s->course, command);
	return s->limits.timeout_ms ? timer_set(s, s->limits.timeout_ms, err) : 0;
}

int corral_sandbox_tty(const struct corral_sandbox *s)
{
	return s->tty_fd;
}

int corral_sandbox_event_fd(const struct corral_sandbox *s)
{
	return s->event_fd;
}

static void ended(struct corral_sandbox *s)
{
	if (s->timer_fd >= 0)
		(void)timerfd_settime(s->timer_fd, 0, &(struct itimerspec) { 0 }, NULL);
	if (s->phase == CORRAL_PHASE_RUNNING)
		s->phase = CORRAL_PHASE_READY;
}

static void gone(struct corral_sandbox *s)
{
	if (!s->course.ended)
		corral_course_gone(s, &s->course);
	ended(s);
	s->phase = CORRAL_PHASE_GONE;
}

static int hear(struct corral_sandbox *s, struct corral_error *err)
{
	union corral_wire_end m;
	corral_autofd int fd = -1;
	ssize_t n;
	int r;

	n = corral_wire_receive(s->socket_fd, &m, sizeof(m), &fd, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return 0;
	if (n == 0) {
		/* Wait for its death, so that the group's statistics are final. */
		struct pollfd pfd = { .fd = s->pidfd, .events = POLLIN };

		(void)poll(&pfd, 1, KILL_GRACE_MS);
		gone(s);
		return 0;
	}
	if (n < 0)
		return corral_error_sys(err, (int)-n, "hear from guest init");
	if (s->phase != CORRAL_PHASE_RUNNING)
		return 0;
	r = corral_course_heard(s, &s->course, &m, (size_t)n, err);
	if (s->course.ended)
		ended(s);
	return r;
}

void corral_sandbox_kill_all(struct corral_sandbox *s)
{
	if (s->has_cgroup)
		(void)corral_cgroup_kill(&s->cgroup, NULL);
	/* Nobody else would end its tree: guest init does so when it hears that we are gone. */
	if (s->confined && !s->has_cgroup) {
		(void)shutdown(s->socket_fd, SHUT_RDWR);
		return;
	}
	(void)syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
}

static int timer_rang(struct corral_sandbox *s, struct corral_error *err)
{
	uint64_t times;

	if (read(s->timer_fd, &times, sizeof(times)) != sizeof(times))
		return 0;
	if (s->grace) {
		corral_sandbox_kill_all(s);
		return 0;
	}
	return corral_sandbox_kill(s, CORRAL_REASON_TIMEOUT, err);
}

void corral_sandbox_oom(struct corral_sandbox *s)
{
	uint64_t count;

	(void)!read(s->oom_fd, &count, sizeof(count));
	pthread_mutex_lock(&s->lock);
	s->oom = true;
	pthread_mutex_unlock(&s->lock);
	corral_sandbox_kill_all(s);
}

int corral_sandbox_dispatch(struct corral_sandbox *s, struct corral_error *err)
{
	struct epoll_event events[4];
	int n, r = 0;

	if (s->course.ended)
		return 1;
	if (s->phase == CORRAL_PHASE_GONE)
		return corral_error_set(err, EPIPE, "the sandbox is gone");
	n = epoll_wait(s->event_fd, events, CORRAL_COUNT(events), 0);
	if (n < 0)
		return errno == EINTR ? 0 : corral_error_sys(err, errno, "wait for the sandbox");
	for (int i = 0; i < n && r == 0; i++) {
		int fd = events[i].data.fd;

		if (fd == s->socket_fd) {
			r = hear(s, err);
		} else if (fd == s->timer_fd) {
			r = timer_rang(s, err);
		} else if (fd == s->oom_fd) {
			corral_sandbox_oom(s);
		}
		/* The pidfd needs no hand of its own: the socket ends with the process. */
		if (fd == s->pidfd && !s->course.ended && s->phase == CORRAL_PHASE_RUNNING)
			r = hear(s, err);
	}
	return r < 0 ? r : s->course.ended;
}

int corral_sandbox_wait(struct corral_sandbox *s, struct corral_error *err)
{
	struct pollfd pfd = { .fd = s->event_fd, .events = POLLIN };
	int r;

	for (;;) {
		r = corral_sandbox_dispatch(s, err);
		if (r != 0)
			return r < 0 ? r : 0;
		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			return corral_error_sys(err, errno, "wait for the sandbox");
	}
}

int corral_sandbox_number_send(struct corral_sandbox *s, uint32_t type, uint32_t n, uint32_t id,
                               struct corral_error *err)
{
	struct corral_wire_number m = { { type, sizeof(m) }, n, 0, 0, id };

	/* Whoever wants something ended does not wait for a guest init that may be held up. */
	return corral_wire_send_now(s->socket_fd, &m, sizeof(m), err);
}

int corral_sandbox_signal(struct corral_sandbox *s, int signo, struct corral_error *err)
{
	if (s->phase != CORRAL_PHASE_RUNNING)
		return corral_error_set(err, ESRCH, "no command is running");
	if (signo < 1 || signo > 64)
		return corral_error_set(err, EINVAL, "signal %d", signo);
	return corral_sandbox_number_send(s, CORRAL_WIRE_SIGNAL, (uint32_t)signo, 0, err);
}

int corral_sandbox_kill(struct corral_sandbox *s, enum corral_reason reason,
                        struct corral_error *err)
{
	if (s->phase != CORRAL_PHASE_RUNNING)
		return 0;
	if (!s->course.has_pending) {
		s->course.pending = reason;
		s->course.has_pending = true;
	}
	if (corral_sandbox_number_send(s, CORRAL_WIRE_KILL, 0, 0, NULL) < 0)
		corral_sandbox_kill_all(s);
	s->grace = true;
	return timer_set(s, KILL_GRACE_MS, err);
}

const struct corral_receipt *corral_sandbox_receipt(const struct corral_sandbox *s)
{
	return &s->course.receipt;
}

void corral_sandbox_count_output(struct corral_sandbox *s, uint64_t bytes)
{
	s->course.output_bytes += bytes;
	s->course.receipt.output_bytes = s->course.output_bytes;
}

pid_t corral_sandbox_pid(const struct corral_sandbox *s)
{
	return s->pid;
}

void corral_sandbox_end(struct corral_sandbox *s)
{
	struct pollfd pfd = { .fd = s->pidfd, .events = POLLIN };
	siginfo_t info;

	if (s->pidfd < 0)
		return;
	if (s->confined) {
		/* Not killed, since it ends its tree first; nor closed alone, since a child of the
		 * caller's may hold a copy. */
		(void)shutdown(s->socket_fd, SHUT_RDWR);
		(void)poll(&pfd, 1, CONFINED_END_MS);
	}
	(void)syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
	corral_fd_closep(&s->socket_fd);
	if (poll(&pfd, 1, WIPE_MS) == 0)
		corral_sandbox_kill_all(s);
	while (waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	corral_fd_closep(&s->pidfd);
	s->phase = CORRAL_PHASE_GONE;
}

void corral_sandbox_wipe(struct corral_sandbox *s)
{
	struct corral_error err = { 0 };

	corral_sandbox_end(s);
	/* Its links take the kernel a while, in which the rest can go. */
	corral_network_let_go(&s->network);
	if (s->launcher->flags & CORRAL_LAUNCHER_ONE_SHOT)
		corral_network_helper_let_go(s->launcher->network);
	if (s->has_cgroup && corral_cgroup_close(&s->cgroup, WIPE_MS, &err) < 0)
		corral_trace(CORRAL_TRACE_CGROUP, "left behind for the next sweep: %s", err.text);
	/* Not into a pool: what a guest left with the user namespace, its users' keyrings, would be
	 * the next one's. */
	corral_ids_close(&s->ids);
	corral_network_end(&s->network, s->has_ports);
	free(s->told);
	s->told = NULL;
	corral_receipt_done(&s->course.receipt);
	corral_fd_closep(&s->netns_fd);
	corral_fd_closep(&s->socket_fd);
	corral_fd_closep(&s->event_fd);
	corral_fd_closep(&s->timer_fd);
	corral_fd_closep(&s->oom_fd);
	corral_fd_closep(&s->tty_fd);
	corral_keep_close(&s->keep);
	corral_fd_closep(&s->disk_fd);
	corral_plan_free(s->plan);
	free(s->env);
	free(s->work_dir);
	free(s->stack);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

void corral_sandbox_close(struct corral_sandbox *s, struct corral_receipt *ret_receipt)
{
	uint64_t t = corral_now_nsec(), done;

	if (!s)
		return;
	if (ret_receipt) {
		*ret_receipt = s->course.receipt;
		s->course.receipt.ledger = NULL;
	}
	/* Dead at once; what it held is given back behind the caller's back where there is a
	 * keeper. Not so a directory of changes or a disk, which the next may be waiting for. */
	if (s->pidfd >= 0 && s->confined)
		(void)shutdown(s->socket_fd, SHUT_RDWR);
	else if (s->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
	if (s->keep.fd < 0 && s->disk_fd < 0 && corral_launcher_wipe_later(s->launcher, s))
		return;
	corral_sandbox_end(s);
	done = corral_now_nsec();
	corral_sandbox_wipe(s);
	if (ret_receipt) {
		ret_receipt->stage_usec[CORRAL_STAGE_KILL] += (done - t) / 1000;
		ret_receipt->stage_usec[CORRAL_STAGE_WIPE] = (corral_now_nsec() - done) / 1000;
	}
}
