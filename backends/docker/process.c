/*
 * A command inside, from the caller's side. Theory of operation: the caller's thread says START and
 * waits for the answer; from then on the stream is the carrying thread's alone (process_carry.c),
 * and callers leave what they want under the lock and wake it.
 */
#include "backends/docker/process_state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define START_MS 20000
#define KILL_MS  5000

static void wake(const struct corral_docker_process *p)
{
	(void)eventfd_write(p->wake_fd, 1);
}

/* --- Its start --- */

static void discard(struct corral_docker_process *p)
{
	corral_docker_stream_close(p->spare);
	corral_docker_line_done(&p->line);
	corral_docker_frames_done(&p->frames);
	corral_docker_end_close(&p->in);
	for (int i = 0; i < 2; i++) {
		corral_docker_end_close(&p->outs[i].end);
		corral_buf_done(&p->outs[i].kept);
	}
	corral_fd_closep(&p->wake_fd);
	corral_fd_closep(&p->event_fd);
	corral_fd_closep(&p->tty_fd);
	(void)pthread_cond_destroy(&p->moved);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

static struct corral_docker_process *process_new(struct corral_docker_stream *stream,
                                                 bool multiplexed)
{
	struct corral_docker_process *p = calloc(1, sizeof(*p));

	if (!p) {
		corral_docker_stream_close(stream);
		return NULL;
	}
	corral_docker_line_init(&p->line, stream, multiplexed, corral_docker_process_heard, p);
	corral_docker_frames_init(&p->frames, false, corral_docker_process_frame, p);
	(void)pthread_mutex_init(&p->lock, NULL);
	corral_cond_init(&p->moved);
	p->wake_fd = p->event_fd = p->tty_fd = -1;
	p->in.fd = p->outs[0].end.fd = p->outs[1].end.fd = -1;
	p->credit = CORRAL_DOCKER_STDIN_WINDOW;
	p->start_nsec = corral_now_nsec();
	p->receipt = (struct corral_receipt) {
		.tier = CORRAL_TIER_CONTAINER,
		.memory_peak_bytes = UINT64_MAX,
		.pids_peak = UINT64_MAX,
		.written_bytes = UINT64_MAX,
		.oom_kills = UINT64_MAX,
		.pids_refused = UINT64_MAX,
		.throttled_usec = UINT64_MAX,
	};
	return p;
}

static int terminal_open(struct corral_docker_process *p)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p->tty_fd = pair[0];
	p->outs[0].end = (struct corral_docker_end) { pair[1], CORRAL_DOCKER_END_SOCKET };
	return corral_docker_end_open(&p->in, pair[1], O_RDONLY);
}

static int ends_open(struct corral_docker_process *p, const struct corral_docker_start *s,
                     struct corral_error *err)
{
	int r = 0;

	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0 || p->event_fd < 0)
		return corral_error_sys(err, errno, "eventfd");
	if (s->tty)
		r = terminal_open(p);
	else if (s->stdin_fd >= 0)
		r = corral_docker_end_open(&p->in, s->stdin_fd, O_RDONLY);
	if (r == 0 && !s->tty && s->stdout_fd >= 0)
		r = corral_docker_end_open(&p->outs[0].end, s->stdout_fd, O_WRONLY);
	if (r == 0 && !s->tty && s->stderr_fd >= 0 && s->stderr_fd != s->stdout_fd)
		r = corral_docker_end_open(&p->outs[1].end, s->stderr_fd, O_WRONLY);
	return r < 0 ? corral_error_sys(err, -r, "streams of the command") : 0;
}

static int order_make(struct corral_docker_process *p, const struct corral_docker_start *s,
                      struct corral_error *err)
{
	struct corral_docker_order o = {
		.rows = s->rows,
		.cols = s->cols,
		.argv = s->argv,
		.env = s->env,
		.guest_dir = s->guest_dir,
	};
	int r;

	if (s->tty)
		o.flags |= CORRAL_DOCKER_ORDER_TTY;
	else if (s->stdin_fd >= 0 && !s->background)
		o.flags |= CORRAL_DOCKER_ORDER_STDIN;
	if (!s->tty && s->stdout_fd >= 0 && s->stdout_fd == s->stderr_fd)
		o.flags |= CORRAL_DOCKER_ORDER_MERGED;
	if (s->background) {
		o.flags |= CORRAL_DOCKER_ORDER_BACKGROUND;
		o.out_path = s->out_path;
		o.err_path = s->err_path;
	}
	r = corral_docker_order_add(&p->line.out, &o);
	return r < 0 ? corral_error_sys(err, -r, "tell the command") : 0;
}

static int start_check(const struct corral_docker_start *s, struct corral_error *err)
{
	if (!s->argv || !s->argv[0])
		return corral_error_set(err, EINVAL, "no command");
	if (s->guest_dir && s->guest_dir[0] != '/')
		return corral_error_set(err, EINVAL, "work directory '%.200s' is not absolute",
		                        s->guest_dir);
	if (s->background && (s->tty || !s->out_path || s->out_path[0] != '/' ||
	                      (s->err_path && s->err_path[0] != '/')))
		return corral_error_set(err, EINVAL, "the background needs files for its output");
	return 0;
}

static int not_ours(struct corral_docker_process *p, int r, bool told, struct corral_error *err)
{
	const char *why = "what starts commands said what it never says";
	char aside[sizeof(p->line.aside)];

	corral_docker_line_aside(&p->line, aside, sizeof(aside));
	if (r == -EPIPE && told)
		r = -ECONNRESET;
	if (!strncmp(aside, "OCI runtime ", strlen("OCI runtime ")))
		return corral_error_set(err, -r, "engine: %s", aside);
	if (r == -ECONNRESET)
		why = "the connection ended while the command was started";
	else if (r == -EPIPE)
		why = "the connection ended before the command was started";
	else if (r == -ENOMEM)
		why = "out of memory";
	return aside[0] ? corral_error_set(err, -r, "%s: '%s'", why, aside)
	                : corral_error_set(err, -r, "%s", why);
}

/* Sends the order, and hears until the first word comes back. */
static int answer_wait(struct corral_docker_process *p, struct corral_error *err)
{
	const uint64_t until = corral_now_ms() + START_MS;
	bool told = false;

	while (!p->started && !p->failed) {
		/* First: one that has ended already was told nothing. */
		int r = corral_docker_line_read(&p->line);
		const uint64_t now = corral_now_ms();
		struct pollfd fd = { .fd = corral_docker_stream_fd(p->line.stream),
			             .events = POLLIN };

		/* A word that is followed by the end is a word. */
		if (r < 0 && (r != -EPIPE || (!p->started && !p->failed)))
			return not_ours(p, r, told, err);
		if (now >= until)
			return corral_error_set(err, ETIMEDOUT,
			                        "the command was not started in time");
		if (r == 1)
			continue;
		r = corral_docker_line_send(&p->line);
		if (r < 0 && !told)
			return not_ours(p, r, told, err);
		told |= r == 1;
		fd.events |= corral_docker_line_events(&p->line);
		(void)poll(&fd, 1, (int)(until - now));
	}
	return 0;
}

static int refused(const struct corral_docker_process *p, const char *program,
                   const char *guest_dir, struct corral_error *err)
{
	int code = (int)p->why.code;

	/* These say what the connection did, and that is not the inside's to say. */
	if (code == EPIPE || code == EPROTO || code == ECONNRESET)
		code = EIO;
	switch (p->why.stage) {
	case CORRAL_DOCKER_STAGE_EXEC:
		return corral_error_sys(err, code, "execute '%.250s'", program);
	case CORRAL_DOCKER_STAGE_DIRECTORY:
		return corral_error_sys(err, code, "enter the work directory '%.200s'",
		                        guest_dir ? guest_dir : "");
	case CORRAL_DOCKER_STAGE_FORK:
		return corral_error_sys(err, code, "fork");
	default:
		return corral_error_sys(err, code, "streams of the command");
	}
}

static int thread_start(struct corral_docker_process *p, struct corral_error *err)
{
	sigset_t all, before;
	int r;

	/* Signals are for the caller's threads; SIGPIPE is for nobody. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&p->thread, NULL, corral_docker_process_carry, p);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return corral_error_sys(err, r, "start a thread for the command");
	p->threaded = true;
	return 0;
}

static int start(struct corral_docker_process *p, const struct corral_docker_start *s,
                 struct corral_error *err)
{
	int r = start_check(s, err);

	p->tty = s->tty;
	p->background = s->background;
	if (r == 0)
		r = ends_open(p, s, err);
	if (r == 0)
		r = order_make(p, s, err);
	if (r == 0)
		r = answer_wait(p, err);
	if (r == 0 && p->failed) {
		r = refused(p, s->argv[0], s->guest_dir, err);
		if (s->ret_exec_error && p->why.stage == CORRAL_DOCKER_STAGE_EXEC)
			*s->ret_exec_error = -r;
	}
	return r < 0 ? r : thread_start(p, err);
}

int corral_docker_process_start_take(struct corral_docker_stream *stream, bool multiplexed,
                                     const struct corral_docker_start *s,
                                     struct corral_docker_process **ret, struct corral_error *err)
{
	struct corral_docker_process *p = process_new(stream, multiplexed);
	int r;

	if (!p)
		return corral_error_set(err, ENOMEM, "start the command: out of memory");
	r = start(p, s, err);
	if (r < 0)
		discard(p);
	else
		*ret = p;
	return r;
}

/* --- Its course --- */

int corral_docker_process_event_fd(const struct corral_docker_process *p)
{
	return p->event_fd;
}

int corral_docker_process_pid(const struct corral_docker_process *p)
{
	return (int)p->pid;
}

int corral_docker_process_tty(const struct corral_docker_process *p)
{
	return p->tty_fd;
}

int corral_docker_process_dispatch(struct corral_docker_process *p, struct corral_error *err)
{
	int r;

	(void)err;
	pthread_mutex_lock(&p->lock);
	r = p->ended;
	pthread_mutex_unlock(&p->lock);
	return r;
}

bool corral_docker_process_is_lost(const struct corral_docker_process *p)
{
	struct corral_docker_process *q = (struct corral_docker_process *)(uintptr_t)p;
	bool lost;

	pthread_mutex_lock(&q->lock);
	lost = q->over && q->lost;
	pthread_mutex_unlock(&q->lock);
	return lost;
}

int corral_docker_process_signal(struct corral_docker_process *p, int signo)
{
	int r = 0;

	if (signo < 1 || signo > 64)
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	if (p->over)
		r = -ESRCH;
	else
		p->signals |= 1ull << (signo - 1);
	pthread_mutex_unlock(&p->lock);
	wake(p);
	return r;
}

int corral_docker_process_resize(struct corral_docker_process *p, uint16_t rows, uint16_t cols)
{
	if (!p->tty)
		return -ENOTTY;
	pthread_mutex_lock(&p->lock);
	p->has_size = true;
	p->size = (uint32_t)rows << 16 | cols;
	pthread_mutex_unlock(&p->lock);
	wake(p);
	return 0;
}

const struct corral_receipt *corral_docker_process_receipt(const struct corral_docker_process *p)
{
	return &p->receipt;
}

int corral_docker_process_output_error(const struct corral_docker_process *p, int stream)
{
	return p->tty ? 0 : atomic_load(&p->outs[stream == 2].error);
}

/* --- Its end --- */

int corral_docker_process_wait(struct corral_docker_process *p, int timeout_ms,
                               struct corral_error *err)
{
	const struct timespec until = corral_clock_after(timeout_ms > 0 ? (uint64_t)timeout_ms : 0);
	int r = 0;

	(void)err;
	pthread_mutex_lock(&p->lock);
	while (!p->ended && r == 0) {
		if (timeout_ms < 0)
			r = pthread_cond_wait(&p->moved, &p->lock);
		else
			r = pthread_cond_timedwait(&p->moved, &p->lock, &until);
	}
	r = p->ended ? 0 : -ETIMEDOUT;
	pthread_mutex_unlock(&p->lock);
	return r;
}

void corral_docker_process_kill(struct corral_docker_process *p, enum corral_reason reason)
{
	const struct timespec until = corral_clock_after(KILL_MS);
	int r = 0;

	pthread_mutex_lock(&p->lock);
	if (!p->kill && !p->over)
		p->kill_reason = reason;
	p->kill = true;
	wake(p);
	while (!p->ended && r == 0)
		r = pthread_cond_timedwait(&p->moved, &p->lock, &until);
	/* It was stopped, or whoever is between us does not move: given up, which ends it there if
	 * anything can. */
	p->abandon = !p->over;
	wake(p);
	while (!p->ended)
		(void)pthread_cond_wait(&p->moved, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

struct corral_docker_stream *corral_docker_process_stream_take(struct corral_docker_process *p)
{
	struct corral_docker_stream *s;

	pthread_mutex_lock(&p->lock);
	s = p->spare;
	p->spare = NULL;
	pthread_mutex_unlock(&p->lock);
	return s;
}

void corral_docker_process_close(struct corral_docker_process *p)
{
	if (!p)
		return;
	if (!p->background)
		corral_docker_process_kill(p, CORRAL_REASON_KILLED);
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_mutex_unlock(&p->lock);
	wake(p);
	(void)pthread_join(p->thread, NULL);
	discard(p);
}
