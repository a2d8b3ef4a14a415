/*
 * The thread of one process: carries between its stream and the caller's descriptors. Nothing it
 * does blocks but its one poll(2), from which it is woken for what the caller asks. It keeps no
 * more of the output than one read brought: while the caller does not take it, the stream is not
 * read, and whatever writes inside comes to rest. Once it is to be killed the stream is read in any
 * case, and what finds no room is dropped: the word that it is dead is behind it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/docker/process_state.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* Of one stream, when nobody waits for it any more. */
#define KEPT_MAX (64u << 10)
#define PID_MAX  (1u << 22)

/* --- Output --- */

static size_t kept(const struct corral_docker_out *o)
{
	return o->kept.len - o->kept_at;
}

/* What its reader left is told inside, where the next write shall fail as it would on a pipe. */
static void out_broken(struct corral_docker_out *o, int error)
{
	atomic_store(&o->error, error);
	corral_docker_end_close(&o->end);
	o->kept.len = o->kept_at = 0;
	o->closed_untold = true;
}

static void out_flush(struct corral_docker_out *o)
{
	while (o->end.fd >= 0 && kept(o)) {
		long n = corral_docker_end_write(&o->end, o->kept.data + o->kept_at, kept(o));

		if (n == -EAGAIN)
			return;
		if (n < 0)
			out_broken(o, (int)-n);
		else
			o->kept_at += (size_t)n;
	}
	o->kept.len = o->kept_at = 0;
}

static int out_put(struct corral_docker_process *p, struct corral_docker_out *o, const char *data,
                   size_t len)
{
	while (o->end.fd >= 0 && !kept(o) && len) {
		long n = corral_docker_end_write(&o->end, data, len);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			out_broken(o, (int)-n);
		} else {
			data += n;
			len -= (size_t)n;
		}
	}
	if (o->end.fd < 0 || !len || (p->killing && kept(o) + len > KEPT_MAX))
		return 0;
	corral_buf_add(&o->kept, data, len);
	return o->kept.failed ? -ENOMEM : 0;
}

/* --- What is heard --- */

int corral_docker_process_heard(void *ctx, const void *data, size_t len)
{
	struct corral_docker_process *p = ctx;

	return corral_docker_frames_feed(&p->frames, data, len);
}

static int ended_check(const struct corral_docker_exited *m)
{
	return m->exit_code > 255 || m->signal > 64 || (m->signal && m->exit_code) ? -EPROTO : 0;
}

int corral_docker_process_frame(void *ctx, enum corral_docker_frame_type type, const void *data,
                                size_t len)
{
	struct corral_docker_process *p = ctx;
	const bool first = type == CORRAL_DOCKER_STARTED || type == CORRAL_DOCKER_FAILED;

	if (p->failed || p->exited || p->started == first)
		return -EPROTO;
	if (type == CORRAL_DOCKER_STDOUT)
		return out_put(p, &p->outs[0], data, len);
	if (type == CORRAL_DOCKER_STDERR)
		return out_put(p, &p->outs[1], data, len);
	if (type == CORRAL_DOCKER_STARTED) {
		p->pid = corral_docker_frame_number(data);
		p->started = true;
		return p->pid > 0 && p->pid <= PID_MAX ? 0 : -EPROTO;
	}
	if (type == CORRAL_DOCKER_FAILED) {
		memcpy(&p->why, data, sizeof(p->why));
		p->failed = true;
		return p->why.code > 0 && p->why.code < 4096 ? 0 : -EPROTO;
	}
	if (type == CORRAL_DOCKER_GRANT) {
		const uint32_t n = corral_docker_frame_number(data);

		if (n > CORRAL_DOCKER_STDIN_WINDOW - p->credit)
			return -EPROTO;
		p->credit += n;
		return 0;
	}
	if (type == CORRAL_DOCKER_STDIN_CLOSED) {
		corral_docker_end_close(&p->in);
		p->in_ended = true;
		return 0;
	}
	memcpy(&p->exit, data, sizeof(p->exit));
	p->exited = true;
	return ended_check(&p->exit);
}

/* --- Its end --- */

static void receipt_fill(struct corral_docker_process *p)
{
	struct corral_receipt *r = &p->receipt;

	r->wall_usec = (corral_now_nsec() - p->start_nsec) / 1000;
	r->signal = SIGKILL;
	if (p->lost) {
		r->user_usec = r->system_usec = UINT64_MAX;
	} else {
		r->signal = (int)p->exit.signal;
		r->user_usec = p->exit.user_usec;
		r->system_usec = p->exit.system_usec;
		if (p->exit.memory_peak_bytes)
			r->memory_peak_bytes = p->exit.memory_peak_bytes;
	}
	r->exit_code = r->signal ? -1 : (int)p->exit.exit_code;
	if (p->kill)
		r->reason = p->kill_reason;
	else if (p->lost)
		r->reason = CORRAL_REASON_KILLED;
	else
		r->reason = r->signal ? CORRAL_REASON_SIGNAL : CORRAL_REASON_EXIT;
	/* What could not be ended is somebody else's to end, as is what is out of reach. */
	p->lost |= p->exit.survivors > 0;
}

/* Nothing more comes. */
static void over(struct corral_docker_process *p, bool lost)
{
	pthread_mutex_lock(&p->lock);
	p->lost = lost;
	receipt_fill(p);
	/* Nothing may follow the last word before another order. */
	if (!p->lost && p->frames.n_head == 0)
		p->spare = corral_docker_line_take(&p->line);
	p->over = true;
	pthread_cond_broadcast(&p->moved);
	pthread_mutex_unlock(&p->lock);
	corral_docker_line_done(&p->line);
	/* A terminal's other side may still be written to: that must not be a SIGPIPE. */
	if (!p->tty)
		corral_docker_end_close(&p->in);
}

/* The caller's descriptors are given back, so that who reads sees the end. */
static void outs_close(struct corral_docker_process *p)
{
	if (p->tty && p->outs[0].end.fd >= 0)
		(void)shutdown(p->outs[0].end.fd, SHUT_WR);
	else
		for (int i = 0; i < 2; i++)
			corral_docker_end_close(&p->outs[i].end);
}

static void ended(struct corral_docker_process *p)
{
	pthread_mutex_lock(&p->lock);
	if (!p->ended)
		(void)eventfd_write(p->event_fd, 1);
	p->ended = true;
	pthread_cond_broadcast(&p->moved);
	pthread_mutex_unlock(&p->lock);
}

/* --- What is said --- */

struct asked {
	bool stop, abandon, kill, has_size;
	uint64_t signals;
	uint32_t size;
};

static struct asked asked_take(struct corral_docker_process *p)
{
	struct asked a;
	eventfd_t n;

	(void)eventfd_read(p->wake_fd, &n);
	pthread_mutex_lock(&p->lock);
	a = (struct asked) { p->stop, p->abandon, p->kill, p->has_size, p->signals, p->size };
	/* What has no room yet stays asked for. */
	if (!corral_docker_line_events(&p->line)) {
		p->signals = 0;
		p->has_size = false;
	}
	pthread_mutex_unlock(&p->lock);
	return a;
}

static void input_say(struct corral_docker_process *p)
{
	size_t room = p->credit < sizeof(p->chunk) ? p->credit : sizeof(p->chunk);
	long n;

	if (p->in.fd < 0 || p->in_ended || !room)
		return;
	n = corral_docker_end_read(&p->in, p->chunk, room);
	if (n == -EAGAIN)
		return;
	if (n > 0) {
		p->credit -= (uint32_t)n;
		corral_docker_frame_add(&p->line.out, CORRAL_DOCKER_STDIN, p->chunk, (size_t)n);
		return;
	}
	corral_docker_frame_add(&p->line.out, CORRAL_DOCKER_STDIN_END, NULL, 0);
	p->in_ended = true;
	/* A terminal's is read on, for its writer's sake. */
	if (!p->tty)
		corral_docker_end_close(&p->in);
}

/* Only when all before it was sent, so that this stays small. */
static void say(struct corral_docker_process *p, const struct asked *a)
{
	struct corral_buf *out = &p->line.out;

	if (corral_docker_line_events(&p->line))
		return;
	if (a->kill && !p->kill_told)
		corral_docker_frame_add(out, CORRAL_DOCKER_KILL, NULL, 0);
	p->kill_told = a->kill;
	for (uint32_t n = 1; a->signals && n <= 64; n++)
		if (a->signals & 1ull << (n - 1))
			corral_docker_frame_add_number(out, CORRAL_DOCKER_SIGNAL, n);
	if (a->has_size)
		corral_docker_frame_add_number(out, CORRAL_DOCKER_RESIZE, a->size);
	for (uint32_t i = 0; i < 2; i++) {
		if (p->outs[i].closed_untold)
			corral_docker_frame_add_number(out, CORRAL_DOCKER_OUT_CLOSED, i + 1);
		p->outs[i].closed_untold = false;
	}
	input_say(p);
}

/* --- The loop --- */

static bool may_read(const struct corral_docker_process *p)
{
	return p->killing || kept(&p->outs[0]) + kept(&p->outs[1]) < KEPT_MAX;
}

/* 1 when there may be more to read at once. */
static int exchange(struct corral_docker_process *p, const struct asked *a)
{
	int r, more = 0;

	say(p, a);
	r = p->line.out.failed ? -ENOMEM : corral_docker_line_send(&p->line);
	if (r < 0)
		p->in_ended = true;
	/* Its last words may be there although it takes none. */
	if (may_read(p))
		more = corral_docker_line_read(&p->line);
	if (p->exited)
		over(p, more < 0 && more != -EPIPE);
	else if (more < 0 || (r < 0 && more == 0 && may_read(p)) || a->abandon)
		over(p, true);
	return more > 0;
}

/* What the caller writes into a terminal that is no more. */
static void terminal_drain(struct corral_docker_process *p)
{
	char rest[4096];
	long n;

	do
		n = corral_docker_end_read(&p->in, rest, sizeof(rest));
	while (n > 0);
	p->in_ended = n != -EAGAIN;
}

enum { P_WAKE, P_LINE, P_IN, P_OUT, P_ERR, P_COUNT };

static void wait_for(struct corral_docker_process *p, bool more)
{
	const bool idle = p->over || (p->credit && !corral_docker_line_events(&p->line));
	struct pollfd fds[P_COUNT] = {
		[P_WAKE] = { p->wake_fd, POLLIN, 0 },
		[P_LINE] = { -1, corral_docker_line_events(&p->line), 0 },
		[P_IN] = { idle && !p->in_ended ? p->in.fd : -1, POLLIN, 0 },
		[P_OUT] = { kept(&p->outs[0]) ? p->outs[0].end.fd : -1, POLLOUT, 0 },
		[P_ERR] = { kept(&p->outs[1]) ? p->outs[1].end.fd : -1, POLLOUT, 0 },
	};

	if (!p->over) {
		fds[P_LINE].fd = corral_docker_stream_fd(p->line.stream);
		if (may_read(p))
			fds[P_LINE].events |= POLLIN;
		/* An end would show whether asked for or not, and is not to be read yet. */
		else if (!fds[P_LINE].events)
			fds[P_LINE].fd = -1;
	}
	(void)poll(fds, P_COUNT, more ? 0 : -1);
}

void *corral_docker_process_carry(void *arg)
{
	struct corral_docker_process *p = arg;
	bool more = true;

	for (;;) {
		const struct asked a = asked_take(p);
		bool given;

		if (a.stop)
			break;
		p->killing = a.kill;
		if (!p->over)
			more = exchange(p, &a);
		for (int i = 0; i < 2; i++)
			out_flush(&p->outs[i]);
		given = !kept(&p->outs[0]) && !kept(&p->outs[1]);
		if (p->over && given)
			outs_close(p);
		if (p->over && (given || a.kill))
			ended(p);
		if (p->over && p->tty && !p->in_ended)
			terminal_drain(p);
		wait_for(p, more && !p->over);
	}
	return NULL;
}
