/*
 * One command, told over standard input (backends/docker/frame.h).
 *
 * Theory of operation: two processes, we and the command, and whatever that starts; we are the
 * reaper of all of it. One loop carries between our two streams and the command's. It never waits
 * for one of them alone: what comes from the host is always read, since the host sends no more
 * input than we have room for, so a KILL is heard however stuck all else is. What goes to the host
 * has one buffer, and while that is full the command's output stays in its pipes.
 *
 * The command is complete when its main process ends. Then all it left is killed, what is in the
 * pipes is carried, and EXITED is the last word about it; the next START is waited for then, since
 * starting us costs the engine a hundred times what starting a command costs us. When the host is
 * gone before that, everything is killed and we end; only in the background we go on alone, and
 * leave the end in a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "backends/docker/frame.h"
#include "backends/docker/inside/child.h"
#include "backends/docker/inside/program.h"
#include "backends/docker/inside/tree.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/base/parse.h"

#define OUT_SIZE     (2 * CORRAL_DOCKER_FRAME_DATA)
#define OUT_RESERVE  1024u /* for what we have to say ourselves */
#define OUT_WORTH    4096u /* less room is not worth a read */
#define TREE_KILL_MS 3000
/* After the end of the tree its pipes are at their end, unless it gave one of them to somebody
 * else; and somebody else may write without end. */
#define DRAIN_MS     200
#define DRAIN_ALL_MS 2000

enum phase {
	PHASE_WAITING,  /* for START */
	PHASE_STARTING, /* until the exec */
	PHASE_RUNNING,
	PHASE_DRAINING, /* the tree is dead */
	PHASE_LAST,     /* what is in the buffer is all there is to say */
};

/* Of one command; all of it is zero before the next. */
struct course {
	bool kill, main_ended, stdin_ended, stdin_broken, stdin_broken_told;
	bool tty, background;
	int status;
	char *exit_path;
	uint32_t survivors, ungranted;
	uint64_t user_usec, system_usec, memory_peak_bytes; /* of the dead */
	uint64_t idle_until_ms, drain_until_ms, looked_ms;
};

struct run {
	enum phase phase;
	bool gone; /* the host */
	int signals_fd;
	struct corral_docker_frames frames;
	struct inside_child child;
	struct course now;
	/* Output: frames in order, sent from out_at on. */
	size_t out_at, out_len;
	char out[OUT_SIZE];
	/* Input of the command: a ring. */
	size_t ring_at, ring_len;
	char ring[CORRAL_DOCKER_STDIN_WINDOW];
	char in[CORRAL_DOCKER_FRAME_DATA];
};

/* --- To the host --- */

static size_t out_room(struct run *r)
{
	if (r->out_at == r->out_len)
		r->out_at = r->out_len = 0;
	if (r->out_at && OUT_SIZE - r->out_len < OUT_SIZE / 2) {
		memmove(r->out, r->out + r->out_at, r->out_len - r->out_at);
		r->out_len -= r->out_at;
		r->out_at = 0;
	}
	return OUT_SIZE - r->out_len;
}

static bool out_has_room_to_read(struct run *r)
{
	return r->gone ||
	       out_room(r) >= sizeof(struct corral_docker_frame_head) + OUT_RESERVE + OUT_WORTH;
}

/* There is room: OUT_RESERVE is kept for these. */
static void say(struct run *r, enum corral_docker_frame_type type, const void *data, size_t len)
{
	const struct corral_docker_frame_head head = corral_docker_frame_head(type, len);

	if (r->gone || out_room(r) < sizeof(head) + len)
		return;
	memcpy(r->out + r->out_len, &head, sizeof(head));
	if (len)
		memcpy(r->out + r->out_len + sizeof(head), data, len);
	r->out_len += sizeof(head) + len;
}

static void say_number(struct run *r, enum corral_docker_frame_type type, uint32_t number)
{
	say(r, type, &number, sizeof(number));
}

static void host_lost(struct run *r);

static void out_send(struct run *r)
{
	while (!r->gone && r->out_at < r->out_len) {
		ssize_t n = write(STDOUT_FILENO, r->out + r->out_at, r->out_len - r->out_at);

		if (n >= 0)
			r->out_at += (size_t)n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			host_lost(r);
	}
}

/* --- The command's end --- */

/* Whole or not there at all: whoever looks for it sees the end or nothing. */
static void exit_write(const struct run *r)
{
	char text[40], path[4096];
	corral_autofd int fd = -1;
	int n;

	if (snprintf(path, sizeof(path), "%s~", r->now.exit_path) >= (int)sizeof(path))
		return;
	if (WIFSIGNALED(r->now.status))
		n = snprintf(text, sizeof(text), "signal %d\n", WTERMSIG(r->now.status));
	else
		n = snprintf(text, sizeof(text), "code %d\n", WEXITSTATUS(r->now.status));
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && write(fd, text, (size_t)n) == n)
		(void)rename(path, r->now.exit_path);
}

static uint64_t usec_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_usec;
}

static void conclude(struct run *r)
{
	struct corral_docker_exited m = { .user_usec = r->now.user_usec,
		                          .system_usec = r->now.system_usec,
		                          .memory_peak_bytes = r->now.memory_peak_bytes,
		                          .survivors = r->now.survivors };

	if (WIFSIGNALED(r->now.status))
		m.signal = (uint32_t)WTERMSIG(r->now.status);
	else
		m.exit_code = (uint32_t)WEXITSTATUS(r->now.status);
	if (r->now.exit_path)
		exit_write(r);
	for (int i = 0; i < 2; i++)
		corral_fd_closep(&r->child.out_fds[i]);
	say(r, CORRAL_DOCKER_EXITED, &m, sizeof(m));
	r->phase = PHASE_LAST;
}

static void died(void *ctx, pid_t pid, int status, const struct rusage *used)
{
	const uint64_t peak = (uint64_t)used->ru_maxrss * 1024u;
	struct run *r = ctx;

	r->now.user_usec += usec_of(&used->ru_utime);
	r->now.system_usec += usec_of(&used->ru_stime);
	r->now.memory_peak_bytes =
	        peak > r->now.memory_peak_bytes ? peak : r->now.memory_peak_bytes;
	if (pid != r->child.pid || r->now.main_ended)
		return;
	r->now.main_ended = true;
	r->now.status = status;
}

static bool pipes_closed(const struct run *r)
{
	return r->child.out_fds[0] < 0 && r->child.out_fds[1] < 0;
}

static void tree_end(struct run *r)
{
	r->now.survivors = inside_tree_kill(died, r, TREE_KILL_MS);
	/* Even what cannot be ended: nobody waits for it any longer. */
	if (!r->now.main_ended)
		r->now.status = SIGKILL;
	r->now.main_ended = true;
	corral_fd_closep(&r->child.in_fd);
	r->ring_len = 0;
	r->phase = PHASE_DRAINING;
	r->now.looked_ms = corral_now_ms();
	r->now.idle_until_ms = r->now.looked_ms + DRAIN_MS;
	r->now.drain_until_ms = r->now.looked_ms + DRAIN_ALL_MS;
}

/* Nobody hears us any more. */
static void host_lost(struct run *r)
{
	int null;

	if (r->gone)
		return;
	r->gone = true;
	if (r->now.background && (r->phase == PHASE_STARTING || r->phase == PHASE_RUNNING)) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = 0; fd < 3; fd++)
			if (null < 0 || dup2(null, fd) < 0)
				(void)close(fd);
		if (null > 2)
			(void)close(null);
		return;
	}
	if (r->phase == PHASE_STARTING || r->phase == PHASE_RUNNING)
		tree_end(r);
	r->phase = PHASE_LAST;
}

/* --- From the host --- */

static void fail(struct run *r, const struct corral_docker_failed *why)
{
	say(r, CORRAL_DOCKER_FAILED, why, sizeof(*why));
	r->phase = PHASE_LAST;
}

static void exit_path_make(struct run *r, const char *out_path)
{
	const size_t len = strlen(out_path);

	r->now.exit_path = malloc(len + sizeof(".exit"));
	if (!r->now.exit_path)
		return;
	memcpy(r->now.exit_path, out_path, len);
	memcpy(r->now.exit_path + len, ".exit", sizeof(".exit"));
	(void)unlink(r->now.exit_path);
}

static int start(struct run *r, const void *data, size_t len)
{
	struct corral_docker_order o;
	struct corral_docker_failed why;
	int code;

	if (r->phase != PHASE_WAITING)
		return -EPROTO;
	code = corral_docker_order_parse(data, len, &o);
	if (code < 0)
		return code;
	r->now.tty = o.flags & CORRAL_DOCKER_ORDER_TTY;
	r->now.background = o.flags & CORRAL_DOCKER_ORDER_BACKGROUND;
	if (r->now.background)
		exit_path_make(r, o.out_path);
	r->phase = PHASE_STARTING;
	if (inside_child_start(&o, &r->child, &why) < 0)
		fail(r, &why);
	corral_docker_order_done(&o);
	return 0;
}

static int input_take(struct run *r, const char *data, size_t len)
{
	size_t at, first;

	if (len > sizeof(r->ring) - r->ring_len || r->now.stdin_ended)
		return -EPROTO;
	if (r->child.in_fd < 0)
		return 0; /* it reads no more */
	at = (r->ring_at + r->ring_len) % sizeof(r->ring);
	first = len < sizeof(r->ring) - at ? len : sizeof(r->ring) - at;
	memcpy(r->ring + at, data, first);
	memcpy(r->ring, data + first, len - first);
	r->ring_len += len;
	return 0;
}

static void child_signal(const struct run *r, uint32_t signo)
{
	if (r->now.main_ended || r->child.pid <= 0 || signo < 1 || signo > 64)
		return;
	/* Until it leads its session there is no such group. */
	if (kill(-r->child.pid, (int)signo) < 0)
		(void)kill(r->child.pid, (int)signo);
}

static int heard(void *ctx, enum corral_docker_frame_type type, const void *data, size_t len)
{
	struct run *r = ctx;
	struct winsize size = { 0 };
	uint32_t number = len == sizeof(number) ? corral_docker_frame_number(data) : 0;

	if (type == CORRAL_DOCKER_START)
		return start(r, data, len);
	if (r->phase == PHASE_WAITING)
		return 0; /* what was meant for the command before, and met its end */
	if (type == CORRAL_DOCKER_STDIN) {
		return input_take(r, data, len);
	} else if (type == CORRAL_DOCKER_STDIN_END) {
		r->now.stdin_ended = true;
	} else if (type == CORRAL_DOCKER_OUT_CLOSED) {
		if (number != 1 && number != 2)
			return -EPROTO;
		if (!r->now.tty)
			corral_fd_closep(&r->child.out_fds[number - 1]);
	} else if (type == CORRAL_DOCKER_SIGNAL) {
		child_signal(r, number);
	} else if (type == CORRAL_DOCKER_RESIZE) {
		size.ws_row = (unsigned short)(number >> 16);
		size.ws_col = (unsigned short)number;
		if (r->now.tty && r->child.out_fds[0] >= 0)
			(void)ioctl(r->child.out_fds[0], TIOCSWINSZ, &size);
	} else if (type == CORRAL_DOCKER_KILL) {
		r->now.kill = true;
	} else {
		return -EPROTO;
	}
	return 0;
}

static void in_read(struct run *r)
{
	ssize_t n = read(STDIN_FILENO, r->in, sizeof(r->in));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || corral_docker_frames_feed(&r->frames, r->in, (size_t)n) < 0)
		host_lost(r);
}

/* --- Between --- */

/* What a terminal takes for the end of its input, if it looks for one. */
static void terminal_end(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) == 0 && t.c_lflag & ICANON)
		(void)!write(fd, &t.c_cc[VEOF], 1);
}

static void input_write(struct run *r)
{
	struct inside_child *c = &r->child;

	while (c->in_fd >= 0 && r->ring_len) {
		size_t len = sizeof(r->ring) - r->ring_at;
		ssize_t n;

		len = len < r->ring_len ? len : r->ring_len;
		n = write(c->in_fd, r->ring + r->ring_at, len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			r->now.stdin_broken = true;
			r->ring_len = 0;
			corral_fd_closep(&c->in_fd);
			return;
		}
		r->ring_at = (r->ring_at + (size_t)n) % sizeof(r->ring);
		r->ring_len -= (size_t)n;
		r->now.ungranted += (uint32_t)n;
	}
	if (c->in_fd >= 0 && r->now.stdin_ended) {
		if (r->now.tty)
			terminal_end(c->in_fd);
		corral_fd_closep(&c->in_fd);
	}
}

static void output_read(struct run *r, int which)
{
	const enum corral_docker_frame_type type =
	        which ? CORRAL_DOCKER_STDERR : CORRAL_DOCKER_STDOUT;
	int *fd = &r->child.out_fds[which];
	struct corral_docker_frame_head head;
	size_t room = out_room(r);
	ssize_t n;

	if (r->gone || room < sizeof(head) + OUT_RESERVE + OUT_WORTH)
		return;
	room -= sizeof(head) + OUT_RESERVE;
	if (room > CORRAL_DOCKER_FRAME_DATA)
		room = CORRAL_DOCKER_FRAME_DATA;
	n = read(*fd, r->out + r->out_len + sizeof(head), room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* A terminal that nobody has open gives EIO. */
		corral_fd_closep(fd);
		return;
	}
	head = corral_docker_frame_head(type, (size_t)n);
	memcpy(r->out + r->out_len, &head, sizeof(head));
	r->out_len += sizeof(head) + (size_t)n;
	r->now.idle_until_ms = corral_now_ms() + DRAIN_MS;
}

/* Before anything else is told of the command. */
static void exec_hear(struct run *r)
{
	struct corral_docker_failed why;
	ssize_t n;

	if (r->phase != PHASE_STARTING)
		return;
	n = read(r->child.exec_fd, &why, sizeof(why));
	if (n < 0)
		return;
	corral_fd_closep(&r->child.exec_fd);
	if (n == (ssize_t)sizeof(why)) {
		(void)waitpid(r->child.pid, NULL, 0);
		fail(r, &why);
		return;
	}
	r->phase = PHASE_RUNNING;
	say_number(r, CORRAL_DOCKER_STARTED, (uint32_t)r->child.pid);
}

static void dead_reap(struct run *r)
{
	struct signalfd_siginfo info[8];

	while (read(r->signals_fd, info, sizeof(info)) > 0)
		;
	if (r->phase == PHASE_STARTING || r->phase == PHASE_RUNNING)
		(void)inside_tree_reap(died, r);
}

/* What follows from what has happened. */
static void advance(struct run *r)
{
	exec_hear(r);
	if (r->phase == PHASE_RUNNING && (r->now.main_ended || r->now.kill))
		tree_end(r);
	else if (r->phase == PHASE_STARTING && r->now.kill)
		(void)kill(r->child.pid, SIGKILL); /* its end is that of the pipe */
	if (r->phase == PHASE_RUNNING && r->now.ungranted >= CORRAL_DOCKER_FRAME_DATA &&
	    out_room(r) >= OUT_RESERVE) {
		say_number(r, CORRAL_DOCKER_GRANT, r->now.ungranted);
		r->now.ungranted = 0;
	}
	if (r->phase == PHASE_RUNNING && r->now.stdin_broken && !r->now.stdin_broken_told &&
	    out_room(r) >= OUT_RESERVE) {
		say(r, CORRAL_DOCKER_STDIN_CLOSED, NULL, 0);
		r->now.stdin_broken_told = true;
	}
	if (r->phase == PHASE_DRAINING) {
		const uint64_t now = corral_now_ms();

		/* While the host keeps us from reading, no time passes. */
		if (!out_has_room_to_read(r)) {
			r->now.idle_until_ms += now - r->now.looked_ms;
			r->now.drain_until_ms += now - r->now.looked_ms;
		}
		r->now.looked_ms = now;
		if (pipes_closed(r) || now >= r->now.idle_until_ms || now >= r->now.drain_until_ms)
			conclude(r);
	}
}

static int wait_ms(struct run *r)
{
	uint64_t until = r->now.idle_until_ms < r->now.drain_until_ms ? r->now.idle_until_ms
	                                                              : r->now.drain_until_ms;

	if (r->phase != PHASE_DRAINING || !out_has_room_to_read(r))
		return -1;
	return until <= r->now.looked_ms ? 0 : (int)(until - r->now.looked_ms);
}

enum { P_IN, P_OUT, P_SIGNALS, P_EXEC, P_STDIN, P_STDOUT, P_STDERR, P_COUNT };

static void turn(struct run *r)
{
	const bool read_on = r->phase >= PHASE_RUNNING && out_has_room_to_read(r);
	struct inside_child *c = &r->child;
	struct pollfd p[P_COUNT] = {
		[P_IN] = { r->gone ? -1 : STDIN_FILENO, POLLIN, 0 },
		/* Asked for or not, a reader that is gone shows. */
		[P_OUT] = { r->gone ? -1 : STDOUT_FILENO, r->out_at < r->out_len ? POLLOUT : 0, 0 },
		[P_SIGNALS] = { r->signals_fd, POLLIN, 0 },
		[P_EXEC] = { c->exec_fd, POLLIN, 0 },
		[P_STDIN] = { r->ring_len ? c->in_fd : -1, POLLOUT, 0 },
		[P_STDOUT] = { read_on ? c->out_fds[0] : -1, POLLIN, 0 },
		[P_STDERR] = { read_on ? c->out_fds[1] : -1, POLLIN, 0 },
	};

	if (poll(p, P_COUNT, wait_ms(r)) < 0)
		return;
	if (p[P_IN].revents)
		in_read(r);
	else if (p[P_OUT].revents & (POLLERR | POLLNVAL))
		host_lost(r);
	exec_hear(r);
	if (p[P_SIGNALS].revents)
		dead_reap(r);
	for (int i = 0; i < 2; i++)
		if (p[P_STDOUT + i].revents && c->out_fds[i] >= 0)
			output_read(r, i);
	if (r->phase == PHASE_RUNNING)
		input_write(r);
	advance(r);
	out_send(r);
}

/* Descriptors of the command's must not come to be at the places of ours. */
static void streams_fill(void)
{
	int fd;

	do
		fd = open("/", O_PATH | O_CLOEXEC);
	while (fd >= 0 && fd < 3);
	if (fd >= 0)
		(void)close(fd);
}

/* Ready for another command; false when there will be none, or what the last one left could not be
 * ended. */
static bool anew(struct run *r)
{
	if (r->gone || r->now.survivors)
		return false;
	corral_fd_closep(&r->child.in_fd);
	corral_fd_closep(&r->child.exec_fd);
	for (int i = 0; i < 2; i++)
		corral_fd_closep(&r->child.out_fds[i]);
	free(r->now.exit_path);
	r->now = (struct course) { 0 };
	r->child = (struct inside_child) { -1, -1, { -1, -1 }, -1 };
	r->ring_at = r->ring_len = 0;
	r->phase = PHASE_WAITING;
	return true;
}

int inside_run(void)
{
	static struct run run; /* of zeros, so that its pages are not there until used */
	sigset_t set;

	run.child = (struct inside_child) { -1, -1, { -1, -1 }, -1 };
	streams_fill();
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	run.signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run.signals_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return 1;
	(void)setsid();
	(void)fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	(void)fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
	corral_docker_frames_init(&run.frames, true, heard, &run);
	while (anew(&run))
		while (run.phase != PHASE_LAST || (!run.gone && run.out_at < run.out_len))
			turn(&run);
	return 0;
}

int inside_signal(const char *pid_text, const char *signo_text)
{
	uint64_t pid, signo;
	long above;

	if (corral_parse_u64(pid_text, INT32_MAX, &pid, NULL) < 0 ||
	    corral_parse_u64(signo_text, 64, &signo, NULL) < 0 || pid < 2)
		return 2;
	/* The number may have gone to somebody else: whose child it is tells. */
	above = inside_tree_parent((pid_t)pid);
	if (above <= 0 || !inside_tree_is_ours((pid_t)above))
		return 1;
	return kill(-(pid_t)pid, (int)signo) < 0;
}

int inside_sweep(const char *pid_text, const char *what)
{
	uint64_t pid;

	if (corral_parse_u64(pid_text, INT32_MAX, &pid, NULL) < 0 || pid < 2)
		return 2;
	/* Where the main process is ours, nobody else's orphans come to it. */
	inside_tree_sweep((pid_t)pid, !strcmp(what, "all") || inside_tree_is_ours(1), TREE_KILL_MS);
	return 0;
}
