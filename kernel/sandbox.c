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

/* After a kill was asked of guest init and nothing came of it, everything is killed from outside. */
#define KILL_GRACE_MS  2000
#define WIPE_MS        5000
/* Longer than guest init takes to end a tree in the confined tier, two seconds. */
#define CONFINED_END_MS 3000
#define DISK_FULL_LEFT 65536u

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int timer_set(struct corral_sandbox *s, uint64_t ms, struct corral_error *err)
{
	struct itimerspec when = { .it_value = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 } };
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

static uint32_t text_list_add(struct corral_buf *b, char *const *list, uint32_t *ret_n)
{
	uint32_t at = (uint32_t)b->len, n = 0;

	for (; list && list[n]; n++)
		corral_buf_add(b, list[n], strlen(list[n]) + 1);
	*ret_n = n;
	return at;
}

static const char *path_of(char *const *env)
{
	for (; env && *env; env++)
		if (!strncmp(*env, "PATH=", 5))
			return *env + 5;
	return PATH_DEFAULT;
}

static int start_send(struct corral_sandbox *s, const struct corral_command *c, struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	char *const *env = c->env ? c->env : s->env;
	struct corral_wire_start head = { .head = { CORRAL_WIRE_START, 0 } };
	const int stdio[3] = { c->stdin_fd, c->stdout_fd, c->stderr_fd };
	int fds[3];
	unsigned int n = 0;

	corral_buf_add(&b, &head, sizeof(head));
	head.argv = text_list_add(&b, c->argv, &head.n_argv);
	head.env = text_list_add(&b, env, &head.n_env);
	head.path = (uint32_t)b.len;
	corral_buf_add(&b, path_of(env), strlen(path_of(env)) + 1);
	head.dir = (uint32_t)b.len;
	corral_buf_add(&b, c->guest_dir ? c->guest_dir : s->work_dir,
		       strlen(c->guest_dir ? c->guest_dir : s->work_dir) + 1);
	if (b.failed)
		return corral_error_set(err, ENOMEM, "start the command: out of memory");
	if (b.len > CORRAL_WIRE_MAX)
		return corral_error_set(err, E2BIG, "arguments and environment of %zu bytes: at most %u", b.len,
					CORRAL_WIRE_MAX);
	if (c->tty) {
		head.flags = CORRAL_START_TTY;
		head.tty_rows = c->tty_rows;
		head.tty_cols = c->tty_cols;
	} else {
		for (unsigned int i = 0; i < 3; i++)
			if (stdio[i] >= 0) {
				head.flags |= CORRAL_START_STDIN << i;
				fds[n++] = stdio[i];
			}
	}
	head.flags |= c->last ? CORRAL_START_LAST : 0;
	head.head.size = (uint32_t)b.len;
	memcpy(b.data, &head, sizeof(head));
	return corral_sandbox_send(s, b.data, b.len, fds, n, err);
}

static int not_started(struct corral_sandbox *s, const struct corral_command *c,
		       const struct corral_wire_number *m, struct corral_error *err)
{
	int code = m->error > 0 && m->error < 4096 ? m->error : EIO;

	s->receipt.exec_error = code;
	s->receipt.exit_code = -1;
	if (m->detail == 1)
		return corral_error_sys(err, code, "working directory '%s'",
					c->guest_dir ? c->guest_dir : s->work_dir);
	if (m->detail == 2)
		return corral_error_sys(err, code, "put the command behind its fence (Landlock)");
	if (code == ENOENT && !strchr(c->argv[0], '/'))
		return corral_error_set(err, code, "'%s': no such program in the sandbox's PATH", c->argv[0]);
	return corral_error_sys(err, code, "execute '%s'", c->argv[0]);
}

static int started_wait(struct corral_sandbox *s, const struct corral_command *c, struct corral_error *err)
{
	union {
		struct corral_wire_head head;
		struct corral_wire_number number;
		struct corral_wire_exited exited;
	} m;
	corral_autofd int fd = -1;
	ssize_t n;

	n = corral_sandbox_receive(s, &m, sizeof(m), &fd, 0);
	if (n == 0)
		return corral_error_set(err, EPIPE, "the sandbox is gone");
	if (n < 0)
		return corral_error_sys(err, (int)-n, "hear from guest init");
	if (m.head.type == CORRAL_WIRE_NOT_STARTED && (size_t)n == sizeof(m.number))
		return not_started(s, c, &m.number, err);
	if (m.head.type != CORRAL_WIRE_STARTED)
		return corral_error_set(err, EPROTO, "guest init said something unexpected");
	if (c->tty && fd < 0)
		return corral_error_set(err, EPROTO, "guest init sent no terminal");
	corral_fd_closep(&s->tty_fd);
	s->tty_fd = corral_take_fd(&fd);
	return 0;
}

/* What stays the same from command to command: how it is contained. */
static void receipt_begin(struct corral_sandbox *s)
{
	struct corral_receipt *r = &s->receipt;
	const uint64_t keep[] = { CORRAL_STAGE_EXEC, CORRAL_STAGE_RUN, CORRAL_STAGE_KILL, CORRAL_STAGE_WIPE };

	r->reason = CORRAL_REASON_EXIT;
	r->exit_code = r->signal = r->exec_error = 0;
	r->n_denials = 0;
	r->denials_dropped = r->output_bytes = 0;
	for (size_t i = 0; i < CORRAL_COUNT(keep); i++)
		r->stage_usec[keep[i]] = 0;
	s->ended = s->has_pending = s->grace = false;
	s->output_bytes = 0;
}

int corral_sandbox_start(struct corral_sandbox *s, const struct corral_command *command,
			 struct corral_error *err)
{
	int r;

	if (s->phase != CORRAL_PHASE_READY)
		return corral_error_set(err, s->phase == CORRAL_PHASE_GONE ? EPIPE : EBUSY, "%s",
					s->phase == CORRAL_PHASE_GONE ? "the sandbox is gone"
								      : "a command is running already");
	if (!command->argv || !command->argv[0])
		return corral_error_set(err, EINVAL, "no command");
	receipt_begin(s);
	s->no_statistics = command->last && command->no_statistics;
	s->start_nsec = corral_now_nsec();
	r = start_send(s, command, err);
	/* While guest init and the other core are busy with the command. */
	if (!s->launcher->has_keeper && !s->launcher->swept) {
		s->launcher->swept = true;
		corral_cgroup_host_sweep(s->launcher->cgroups);
	}
	if ((r == 0 || r == -EPIPE) && s->plan)
		r = corral_sandbox_ready(s, err);
	if (r == 0)
		r = started_wait(s, command, err);
	if (r < 0)
		return r;
	s->phase = CORRAL_PHASE_RUNNING;
	s->receipt.stage_usec[CORRAL_STAGE_EXEC] = (corral_now_nsec() - s->start_nsec) / 1000;
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

static void statistics_unknown(struct corral_receipt *r)
{
	if (r->memory_peak_bytes == 0)
		r->memory_peak_bytes = UINT64_MAX;
	r->pids_peak = UINT64_MAX;
}

static void statistics_take(struct corral_sandbox *s, uint64_t *ret_oom, uint64_t *ret_pids)
{
	struct corral_cgroup_stats st;
	struct corral_receipt *r = &s->receipt;

	*ret_oom = *ret_pids = 0;
	statistics_unknown(r);
	if (!s->has_cgroup || corral_cgroup_read(&s->cgroup, &st, NULL) < 0)
		return;
	if (st.memory_peak_bytes != UINT64_MAX)
		r->memory_peak_bytes = st.memory_peak_bytes;
	r->pids_peak = st.pids_peak;
	r->throttled_usec = st.throttled_usec != UINT64_MAX ? st.throttled_usec : 0;
	if (st.oom_kills != UINT64_MAX) {
		*ret_oom = st.oom_kills - s->oom_before;
		s->oom_before = st.oom_kills;
	}
	if (st.pids_events != UINT64_MAX) {
		*ret_pids = st.pids_events - s->pids_before;
		s->pids_before = st.pids_events;
	}
	r->oom_kills = *ret_oom;
	r->pids_refused = *ret_pids;
}

static enum corral_reason reason_of(const struct corral_sandbox *s, uint64_t oom, uint64_t pids,
				    bool disk_full)
{
	const struct corral_receipt *r = &s->receipt;
	bool failed = r->exit_code != 0;

	if (s->has_pending)
		return s->pending;
	if (oom && failed)
		return CORRAL_REASON_OOM;
	if (disk_full && failed && (r->signal == 0 || r->signal == SIGBUS))
		return CORRAL_REASON_DISK;
	if (pids && failed && r->signal == 0)
		return CORRAL_REASON_PIDS;
	return r->signal ? CORRAL_REASON_SIGNAL : CORRAL_REASON_EXIT;
}

static void finish(struct corral_sandbox *s, int status, bool disk_full)
{
	struct corral_receipt *r = &s->receipt;
	uint64_t oom = 0, pids = 0;

	r->wall_usec = (corral_now_nsec() - s->start_nsec) / 1000;
	r->stage_usec[CORRAL_STAGE_RUN] = r->wall_usec > r->stage_usec[CORRAL_STAGE_EXEC]
						  ? r->wall_usec - r->stage_usec[CORRAL_STAGE_EXEC]
						  : 0;
	r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	r->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	/* Half a dozen files to be opened. What went wrong is looked into in any case. */
	if (!s->no_statistics || s->has_pending || r->signal || r->exit_code)
		statistics_take(s, &oom, &pids);
	else
		statistics_unknown(r);
	/* Heard of when memory ran out, we may have killed the group before the kernel took its first victim. */
	if (s->has_pending && s->pending == CORRAL_REASON_OOM && !r->oom_kills)
		r->oom_kills = 1;
	r->reason = reason_of(s, oom, pids, disk_full);
	r->output_bytes = s->output_bytes;
	if (s->timer_fd >= 0)
		(void)timerfd_settime(s->timer_fd, 0, &(struct itimerspec){ 0 }, NULL);
	s->ended = true;
	if (s->phase == CORRAL_PHASE_RUNNING)
		s->phase = CORRAL_PHASE_READY;
}

static void exited(struct corral_sandbox *s, const struct corral_wire_exited *m)
{
	struct corral_receipt *r = &s->receipt;
	bool disk_full = s->limits.disk_bytes && m->scratch_free_bytes < DISK_FULL_LEFT;

	disk_full |= s->limits.disk_inodes && m->scratch_free_inodes == 0;
	r->user_usec = m->user_usec;
	r->system_usec = m->system_usec;
	r->written_bytes = m->written_bytes;
	r->memory_peak_bytes = m->maxrss_kb < (1ull << 40) ? m->maxrss_kb * 1024 : UINT64_MAX;
	r->n_denials = m->n_denials < CORRAL_DENIALS_MAX ? m->n_denials : CORRAL_DENIALS_MAX;
	r->denials_dropped = m->denials_dropped;
	for (uint32_t i = 0; i < r->n_denials; i++)
		r->denials[i] = (struct corral_denial){ m->denials[i].call, m->denials[i].error,
							m->denials[i].count };
	if (m->gone_nsec > m->end_nsec)
		r->stage_usec[CORRAL_STAGE_KILL] = (m->gone_nsec - m->end_nsec) / 1000;
	finish(s, m->status, disk_full);
}

/* Guest init is dead: by our hand, out of memory, or by somebody on the host. */
static void gone(struct corral_sandbox *s)
{
	s->phase = CORRAL_PHASE_GONE;
	if (s->ended)
		return;
	s->receipt.written_bytes = UINT64_MAX;
	finish(s, SIGKILL, false);
	if (!s->has_pending && s->receipt.reason == CORRAL_REASON_SIGNAL)
		s->receipt.reason = CORRAL_REASON_KILLED;
}

static int hear(struct corral_sandbox *s, struct corral_error *err)
{
	struct corral_wire_exited m;
	corral_autofd int fd = -1;
	ssize_t n;

	n = corral_sandbox_receive(s, &m, sizeof(m), &fd, MSG_DONTWAIT);
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
	if (m.head.type == CORRAL_WIRE_EXITED && (size_t)n == sizeof(m) &&
	    s->phase == CORRAL_PHASE_RUNNING)
		exited(s, &m);
	return 0;
}

static void kill_all(struct corral_sandbox *s)
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
		kill_all(s);
		return 0;
	}
	return corral_sandbox_kill(s, CORRAL_REASON_TIMEOUT, err);
}

int corral_sandbox_dispatch(struct corral_sandbox *s, struct corral_error *err)
{
	struct epoll_event events[4];
	uint64_t count;
	int n, r = 0;

	if (s->ended)
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
			(void)!read(s->oom_fd, &count, sizeof(count));
			if (!s->ended) {
				s->pending = CORRAL_REASON_OOM;
				s->has_pending = true;
				kill_all(s);
			}
		}
		/* The pidfd needs no hand of its own: the socket ends with the process. */
		if (fd == s->pidfd && !s->ended && s->phase == CORRAL_PHASE_RUNNING)
			r = hear(s, err);
	}
	return r < 0 ? r : s->ended;
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

static int number_send(struct corral_sandbox *s, uint32_t type, uint32_t n, struct corral_error *err)
{
	struct corral_wire_number m = { { type, sizeof(m) }, n, 0, 0, 0 };

	return corral_sandbox_send(s, &m, sizeof(m), NULL, 0, err);
}

int corral_sandbox_signal(struct corral_sandbox *s, int signo, struct corral_error *err)
{
	if (s->phase != CORRAL_PHASE_RUNNING)
		return corral_error_set(err, ESRCH, "no command is running");
	if (signo < 1 || signo > 64)
		return corral_error_set(err, EINVAL, "signal %d", signo);
	return number_send(s, CORRAL_WIRE_SIGNAL, (uint32_t)signo, err);
}

int corral_sandbox_kill(struct corral_sandbox *s, enum corral_reason reason, struct corral_error *err)
{
	if (s->phase != CORRAL_PHASE_RUNNING)
		return 0;
	if (!s->has_pending) {
		s->pending = reason;
		s->has_pending = true;
	}
	if (number_send(s, CORRAL_WIRE_KILL, 0, NULL) < 0)
		kill_all(s);
	s->grace = true;
	return timer_set(s, KILL_GRACE_MS, err);
}

const struct corral_receipt *corral_sandbox_receipt(const struct corral_sandbox *s)
{
	return &s->receipt;
}

void corral_sandbox_count_output(struct corral_sandbox *s, uint64_t bytes)
{
	s->output_bytes += bytes;
	s->receipt.output_bytes = s->output_bytes;
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
		/* Not killed, since it ends its tree first; nor closed alone, since a child of the caller's may hold a copy. */
		(void)shutdown(s->socket_fd, SHUT_RDWR);
		(void)poll(&pfd, 1, CONFINED_END_MS);
	}
	(void)syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
	corral_fd_closep(&s->socket_fd);
	if (poll(&pfd, 1, WIPE_MS) == 0)
		kill_all(s);
	while (waitid(P_PIDFD, (id_t)s->pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	corral_fd_closep(&s->pidfd);
	s->phase = CORRAL_PHASE_GONE;
}

void corral_sandbox_wipe(struct corral_sandbox *s)
{
	struct corral_error err = { 0 };

	corral_sandbox_end(s);
	if (s->has_cgroup && corral_cgroup_close(&s->cgroup, WIPE_MS, &err) < 0)
		corral_trace(CORRAL_TRACE_CGROUP, "left behind for the next sweep: %s", err.text);
	if (s->ids.lease_fd >= 0)
		corral_launcher_return_ids(s->launcher, &s->ids);
	corral_fd_closep(&s->socket_fd);
	corral_fd_closep(&s->event_fd);
	corral_fd_closep(&s->timer_fd);
	corral_fd_closep(&s->oom_fd);
	corral_fd_closep(&s->tty_fd);
	corral_plan_free(s->plan);
	free(s->env);
	free(s->work_dir);
	free(s->stack);
	free(s);
}

void corral_sandbox_close(struct corral_sandbox *s, struct corral_receipt *ret_receipt)
{
	uint64_t t = corral_now_nsec(), done;

	if (!s)
		return;
	if (ret_receipt)
		*ret_receipt = s->receipt;
	/* Dead at once; what it held is given back behind the caller's back where there is a keeper. */
	if (s->pidfd >= 0 && s->confined)
		(void)shutdown(s->socket_fd, SHUT_RDWR);
	else if (s->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, s->pidfd, SIGKILL, NULL, 0);
	if (corral_launcher_wipe_later(s->launcher, s))
		return;
	corral_sandbox_end(s);
	done = corral_now_nsec();
	corral_sandbox_wipe(s);
	if (ret_receipt) {
		ret_receipt->stage_usec[CORRAL_STAGE_KILL] += (done - t) / 1000;
		ret_receipt->stage_usec[CORRAL_STAGE_WIPE] = (corral_now_nsec() - done) / 1000;
	}
}
