/*
 * What guest init does for the rest of its life: starts commands, reaps everything, answers refused calls, and dies with its caller. A
 * command is complete when its main process has ended and every process of the sandbox has been killed and reaped.
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/resource.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/wait.h>

#include "kernel/init/init.h"

#define ARGS_MAX 20000

#define TIOCSCTTY_   0x540E
#define TIOCSWINSZ_  0x5414
#define TIOCSPTLCK_  0x40045431
#define TIOCGPTPEER_ 0x5441

#define VFORK_FLAGS (0x00000100 /* CLONE_VM */ | 0x00004000 /* CLONE_VFORK */ | 17 /* SIGCHLD */)


struct window {
	uint16_t rows, cols, x, y;
};

struct command {
	struct init *in;
	const struct corral_wire_start *start;
	const char *path, *dir;
	int stdio[3]; /* -1: /dev/null */
	int tty_slave;
	int error, detail; /* set by the child, whose memory is ours */
};

static _Alignas(16) char request[CORRAL_WIRE_MAX];
static _Alignas(16) char child_stack[16384];
static char *vector[ARGS_MAX];

static struct {
	long pid;      /* of the command's main process, 0 when there is none */
	int ending;    /* main is gone, its tree is dying */
	int last;      /* and we go with it */
	int status;
	uint64_t exec_nsec, end_nsec;
	struct rusage before;
	uint64_t blocks_before;
} running;

struct fs_numbers {
	long type, bsize, blocks, bfree, bavail, files, ffree;
	long fsid, namelen, frsize, flags, spare[4];
};

static void root_numbers(struct fs_numbers *st)
{
	memset(st, 0, sizeof(*st));
	(void)sys2(__NR_statfs, "/", st);
}

/* argv at [0], NULL, then env, NULL. Offsets and counts come from the caller, yet are checked: -E2BIG. */
static long vector_fill(size_t size, const struct corral_wire_start *st, char ***ret_env)
{
	uint32_t offsets[2] = { st->argv, st->env }, counts[2] = { st->n_argv, st->n_env };
	size_t at = 0;

	for (int i = 0; i < 2; i++) {
		char *p = request + offsets[i], *end = request + size;

		if (counts[i] > ARGS_MAX || at + counts[i] + 1 > ARGS_MAX || offsets[i] > size)
			return -E2BIG;
		if (i == 1)
			*ret_env = &vector[at];
		for (uint32_t k = 0; k < counts[i]; k++) {
			vector[at++] = p;
			while (p < end && *p)
				p++;
			if (p++ >= end)
				return -E2BIG;
		}
		vector[at++] = 0;
	}
	return st->n_argv ? 0 : -EINVAL;
}

/* execvp(3)'s rules: a name with a slash is itself; else each directory of PATH; EACCES is remembered. */
static long exec_search(const char *path, char **argv, char **env)
{
	static char file[4096 + 512];
	long r, found = -ENOENT;
	size_t len;

	for (const char *p = argv[0]; *p; p++)
		if (*p == '/')
			return sys3(__NR_execve, argv[0], argv, env);
	if (!*argv[0])
		return -ENOENT;
	while (*path) {
		const char *end = path;

		while (*end && *end != ':')
			end++;
		len = (size_t)(end - path);
		if (len && len < 4096) {
			memcpy(file, path, len);
			file[len++] = '/';
			if (text_add(file, sizeof(file), len, argv[0]) < sizeof(file)) {
				r = sys3(__NR_execve, file, argv, env);
				if (r != -ENOENT && r != -ENOTDIR && r != -EACCES)
					return r;
				if (r == -EACCES)
					found = r;
			}
		}
		path = *end ? end + 1 : end;
	}
	return found;
}

static long stdio_set(const struct command *c)
{
	long r = 0;

	for (int i = 0; i < 3 && r >= 0; i++) {
		int from = c->tty_slave >= 0 ? c->tty_slave : c->stdio[i];

		if (from >= 0)
			r = sys3(__NR_dup3, from, i, 0);
		/* otherwise /dev/null, which our own 0, 1 and 2 are */
	}
	if (r >= 0 && c->tty_slave >= 0)
		r = sys3(__NR_ioctl, 0, TIOCSCTTY_, 0);
	return r;
}

/* In the child, which shares our memory and has its own stack, descriptors and working directory. */
static void command_child(void *arg)
{
	struct command *c = arg;
	char **env = 0;
	uint64_t none = 0;
	long r;

	(void)vector_fill(c->start->head.size, c->start, &env);
	(void)sys0(__NR_setsid);
	r = stdio_set(c);
	(void)sys4(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
	if (r >= 0) {
		r = sys1(__NR_chdir, c->dir);
		if (r < 0)
			c->detail = 1;
	}
	if (r >= 0 && c->in->confined) {
		r = confined_enter(c->in);
		if (r < 0)
			c->detail = 2;
	}
	if (r >= 0)
		r = exec_search(c->path, vector, env);
	c->error = (int)-r;
	die(127);
}

/* In the confined tier the host's own terminals are all there is; others of them cannot be opened behind the fence. */
static long tty_open(struct command *c, int *ret_master)
{
	struct window size = { c->start->tty_rows, c->start->tty_cols, 0, 0 };
	long master, slave;
	int unlocked = 0;

	master = sys4(__NR_openat, -100, c->in->confined ? "/dev/ptmx" : "/dev/pts/ptmx", 02 | 0400 | 02000000, 0);
	if (master < 0)
		return master;
	(void)sys3(__NR_ioctl, master, TIOCSPTLCK_, &unlocked);
	/* By the master alone: the name in /dev/pts could be swapped (CVE-2025-52565). */
	slave = sys3(__NR_ioctl, master, TIOCGPTPEER_, 02 | 0400 | 02000000);
	if (slave < 0) {
		(void)sys1(__NR_close, master);
		return slave;
	}
	if (size.rows && size.cols)
		(void)sys3(__NR_ioctl, master, TIOCSWINSZ_, &size);
	c->tty_slave = (int)slave;
	*ret_master = (int)master;
	return 0;
}

static void say(uint32_t type, long error, int detail, int fd)
{
	struct corral_wire_number m = { { type, sizeof(m) }, 0, (int32_t)-error, detail, 0 };

	(void)wire_send(&m, sizeof(m), fd);
}

static long command_prepare(struct command *c, size_t size, const int *fds, unsigned int n_fds)
{
	const struct corral_wire_start *st = c->start;
	unsigned int slot = 0;
	char **env;

	if (running.pid)
		return -EBUSY;
	if (size < sizeof(*st) || st->head.size != size || st->path >= size || st->dir >= size ||
	    request[size - 1])
		return -EINVAL;
	for (unsigned int i = 0; i < 3; i++)
		if (st->flags & (CORRAL_START_STDIN << i))
			c->stdio[i] = slot < n_fds ? fds[slot++] : -1;
	c->path = request + st->path;
	c->dir = request + st->dir;
	return vector_fill(size, st, &env);
}

static void command_start(struct init *in, size_t size, const int *fds, unsigned int n_fds)
{
	struct command c = { in, (const void *)request, 0, 0, { -1, -1, -1 }, -1, 0, 0 };
	struct fs_numbers st;
	int master = -1;
	long r, pid = 0;

	r = command_prepare(&c, size, fds, n_fds);
	if (r >= 0 && c.start->flags & CORRAL_START_TTY)
		r = tty_open(&c, &master);
	if (r >= 0) {
		root_numbers(&st);
		running.blocks_before = (uint64_t)(st.blocks - st.bfree);
		(void)sys2(__NR_getrusage, RUSAGE_CHILDREN, &running.before);
		running.exec_nsec = now_nsec();
		pid = spawn_vfork(command_child, &c, child_stack + sizeof(child_stack), VFORK_FLAGS);
		r = pid < 0 ? pid : -c.error;
	}
	if (pid > 0 && r < 0)
		(void)sys4(__NR_wait4, pid, 0, 0, 0);
	if (r >= 0) {
		running.pid = pid;
		running.ending = 0;
		in->sweeps = 0;
		running.last = (c.start->flags & CORRAL_START_LAST) != 0;
		say(CORRAL_WIRE_STARTED, 0, 0, master);
	} else {
		say(CORRAL_WIRE_NOT_STARTED, r, c.detail, -1);
	}
	if (c.tty_slave >= 0)
		(void)sys1(__NR_close, c.tty_slave);
	if (master >= 0)
		(void)sys1(__NR_close, master);
}

static uint64_t usec_of(const struct __kernel_old_timeval *after, const struct __kernel_old_timeval *before)
{
	return (uint64_t)((after->tv_sec - before->tv_sec) * 1000000 + (after->tv_usec - before->tv_usec));
}

static void say_exited(struct init *in)
{
	static struct corral_wire_exited m;
	struct rusage after;
	struct fs_numbers st;
	uint64_t used;

	memset(&m, 0, sizeof(m));
	root_numbers(&st);
	(void)sys2(__NR_getrusage, RUSAGE_CHILDREN, &after);
	used = (uint64_t)(st.blocks - st.bfree);
	m.head.type = CORRAL_WIRE_EXITED;
	m.head.size = sizeof(m);
	m.status = running.status;
	m.exec_nsec = running.exec_nsec;
	m.end_nsec = running.end_nsec;
	m.gone_nsec = now_nsec();
	m.user_usec = usec_of((const void *)&after.ru_utime, (const void *)&running.before.ru_utime);
	m.system_usec = usec_of((const void *)&after.ru_stime, (const void *)&running.before.ru_stime);
	m.maxrss_kb = (uint64_t)after.ru_maxrss;
	m.written_bytes = used > running.blocks_before
				  ? (used - running.blocks_before) * (uint64_t)st.bsize
				  : 0;
	m.scratch_free_bytes = (uint64_t)st.bavail * (uint64_t)st.bsize;
	m.scratch_free_inodes = (uint64_t)st.ffree;
	/* Of a root of its own only: the host's file system is everybody's. */
	if (in->confined)
		m.written_bytes = m.scratch_free_bytes = m.scratch_free_inodes = ~0ull;
	m.n_denials = in->n_denials;
	m.denials_dropped = in->denials_dropped;
	memcpy(m.denials, in->denials, in->n_denials * sizeof(m.denials[0]));
	in->n_denials = 0;
	in->denials_dropped = 0;
	(void)wire_send(&m, sizeof(m), -1);
}

/*
 * All but ourselves. In a pid namespace in one sweep that no fork slips through: a fork fails while a fatal signal is pending (kill(2),
 * NOTES on pid -1). Without one that call would reach every process of this user on the host.
 */
static void kill_everything(struct init *in)
{
	if (in->confined) {
		confined_kill(in);
		return;
	}
	if (sys0(__NR_getpid) != 1)
		die(126);
	(void)sys2(__NR_kill, -1, SIGKILL);
}

/* Reaps whatever died. Once main has, everything else is killed, until no child is left. */
static void reap(struct init *in)
{
	int status;
	long pid;

	while ((pid = sys4(__NR_wait4, -1, &status, WNOHANG | __WALL, 0)) > 0) {
		if (pid != running.pid || running.ending)
			continue;
		running.status = status;
		running.end_nsec = now_nsec();
		running.ending = 1;
	}
	if (!running.ending)
		return;
	if (pid == -ECHILD) {
		running.pid = 0;
		running.ending = 0;
		say_exited(in);
		if (running.last)
			die(0);
		return;
	}
	kill_everything(in); /* the rest is heard of by SIGCHLD */
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
		command_start(in, (size_t)size, fds, n_fds);
		break;
	case CORRAL_WIRE_SIGNAL:
		if (!running.pid || running.ending || size < (long)sizeof(*number))
			break;
		/* As a terminal would: the whole foreground group, which the command leads unless it left. */
		if (sys2(__NR_kill, -running.pid, number->n) < 0)
			(void)sys2(__NR_kill, running.pid, number->n);
		break;
	case CORRAL_WIRE_KILL:
		if (running.pid)
			kill_everything(in);
		break;
	default:
		break;
	}
	for (unsigned int i = 0; i < n_fds; i++)
		(void)sys1(__NR_close, fds[i]);
}

_Noreturn void serve(struct init *in)
{
	uint64_t sigchld = 1ull << (SIGCHLD - 1);
	static char info[1024];
	struct pollfd fds[3];
	long signals;

	signals = sys4(__NR_signalfd4, -1, &sigchld, 8, 02004000 /* SFD_CLOEXEC|SFD_NONBLOCK */);
	for (;;) {
		/* An orphan comes to us without a word: while a tree dies in the confined tier, we look again. */
		int look = in->confined && running.ending;
		struct timespec again = { 0, 20000000 };
		unsigned int n = 2;

		fds[0] = (struct pollfd){ CORRAL_WIRE_FD, POLLIN, 0 };
		fds[1] = (struct pollfd){ (int)signals, POLLIN, 0 };
		if (in->listener_fd >= 0)
			fds[n++] = (struct pollfd){ in->listener_fd, POLLIN, 0 };
		if (sys5(__NR_ppoll, fds, n, look ? &again : 0, 0, 8) <= 0) {
			if (look)
				reap(in);
			continue;
		}
		if (fds[0].revents)
			request_handle(in);
		if (fds[1].revents) {
			(void)sys3(__NR_read, signals, info, sizeof(info));
			reap(in);
		}
		if (n > 2 && fds[2].revents & POLLIN)
			deny_answer(in);
	}
}
