/*
 * One command of the process that runs this: guest init itself, or a supervisor. It is complete
 * when its main process has ended and everything that it started has been killed and reaped.
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/futex.h>
#include <linux/resource.h>
#include <linux/signal.h>
#include <linux/time.h>
#include <linux/wait.h>

#include "kernel/init/command.h"
#include "kernel/init/supervisor.h"
#include "kernel/init/tree.h"

#define ARGS_MAX 20000

#define TIOCSCTTY_   0x540E
#define TIOCSWINSZ_  0x5414
#define TIOCSPTLCK_  0x40045431
#define TIOCGPTPEER_ 0x5441

/*
 * Not CLONE_VFORK: a guest that stops everything it sees would stop the child before its exec, and
 * the parent, which the kernel makes wait for that, would be deaf to its caller's death. Guarded by
 * tests/real/test_sandbox_cli.c.
 */
#define SPAWN_FLAGS \
	(0x00000100 /* CLONE_VM */ | 0x00200000 /* CLONE_CHILD_CLEARTID */ | 17 /* SIGCHLD */)
#define EXEC_LOOK_NSEC 20000000
#define EXEC_LOOKS     100 /* and then it is killed */

struct window {
	uint16_t rows, cols, x, y;
};

struct command {
	struct init *in;
	const struct corral_wire_start *start;
	const char *path, *dir;
	char **env;   /* in vector, behind argv */
	int program;  /* -1: argv[0] is looked up */
	int stdio[3]; /* -1: /dev/null */
	int tty_slave;
	int error, detail; /* set by the child, whose memory is ours */
	int tid;           /* 0: its memory is its own, as it has executed or ended */
};

/* Of the stack the last page is used, of the vector the first. */
static _Alignas(4096) struct {
	char stack[16384];
	char *vector[ARGS_MAX];
} child;

static HOT struct running running;
static HOT struct command command; /* the one that running tells of, while it starts */

struct fs_numbers {
	long type, bsize, blocks, bfree, bavail, files, ffree;
	long fsid, namelen, frsize, flags, spare[4];
};

static void root_numbers(struct fs_numbers *st)
{
	memset(st, 0, sizeof(*st));
	(void)sys2(__NR_statfs, "/", st);
}

/* argv at [0], NULL, then env, NULL. Offsets and counts come from the caller, yet are checked:
 * -E2BIG. */
static long vector_fill(const struct corral_wire_start *st, char ***ret_env)
{
	char *request = (char *)(uintptr_t)st;
	size_t size = st->head.size;
	uint32_t offsets[2] = { st->argv, st->env }, counts[2] = { st->n_argv, st->n_env };
	size_t at = 0;

	for (int i = 0; i < 2; i++) {
		char *p = request + offsets[i], *end = request + size;

		if (counts[i] > ARGS_MAX || at + counts[i] + 1 > ARGS_MAX || offsets[i] > size)
			return -E2BIG;
		if (i == 1)
			*ret_env = &child.vector[at];
		for (uint32_t k = 0; k < counts[i]; k++) {
			child.vector[at++] = p;
			while (p < end && *p)
				p++;
			if (p++ >= end)
				return -E2BIG;
		}
		child.vector[at++] = 0;
	}
	return st->n_argv ? 0 : -EINVAL;
}

/* execvp(3)'s rules: a name with a slash is itself; else each directory of PATH; EACCES is
 * remembered. */
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

/* In the child, which shares our memory and has its own stack, descriptors and working directory.
 */
static void command_child(void *arg)
{
	struct command *c = arg;
	uint64_t none = 0;
	long r;

	(void)sys0(__NR_setsid);
	r = stdio_set(c);
	(void)sys4(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
	if (r >= 0) {
		r = sys1(__NR_chdir, c->dir);
		if (r < 0)
			c->detail = 1;
	}
	if (r >= 0 && !c->in->confined) {
		r = streams_fence(c->in, c->stdio, c->program);
		if (r < 0)
			c->detail = 2;
	}
	if (r >= 0 && c->in->confined) {
		r = confined_enter(c->in);
		if (r < 0)
			c->detail = 2;
	}
	if (r >= 0 && c->program >= 0)
		r = sys5(__NR_execveat, c->program, "", child.vector, c->env,
		         0x1000 /* AT_EMPTY_PATH */);
	else if (r >= 0)
		r = exec_search(c->path, child.vector, c->env);
	c->error = (int)-r;
	die(127);
}

/* In the confined tier the host's own terminals are all there is; others of them cannot be opened
 * behind the fence. */
static long tty_open(struct command *c, int *ret_master)
{
	struct window size = { c->start->tty_rows, c->start->tty_cols, 0, 0 };
	long master, slave;
	int unlocked = 0;

	master = sys4(__NR_openat, -100, c->in->confined ? "/dev/ptmx" : "/dev/pts/ptmx",
	              02 | 0400 | 02000000, 0);
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

static void say_started(long pid, int master)
{
	struct corral_wire_number m = {
		{ CORRAL_WIRE_STARTED, sizeof(m) }, (uint32_t)pid, 0, 0, running.id
	};

	(void)wire_send(running.report_fd, &m, sizeof(m), master);
}

static void say_not_started(long error, int detail)
{
	struct corral_wire_number m = {
		{ CORRAL_WIRE_NOT_STARTED, sizeof(m) }, 0, (int32_t)-error, detail, running.id
	};

	(void)wire_send(running.report_fd, &m, sizeof(m), -1);
}

static int next(const int *fds, unsigned int n_fds, unsigned int *slot)
{
	return *slot < n_fds ? fds[(*slot)++] : -1;
}

static long command_prepare(struct command *c, const void *request, size_t size, const int *fds,
                            unsigned int n_fds)
{
	const struct corral_wire_start *st = request;
	unsigned int slot = 0;

	if (size < sizeof(*st) || st->head.size != size || st->path >= size || st->dir >= size ||
	    ((const char *)request)[size - 1])
		return -EINVAL;
	running.id = st->id;
	running.report_fd = CORRAL_WIRE_FD;
	if (st->flags & CORRAL_START_REPORT)
		running.report_fd =
		        (int)sys3(__NR_fcntl, next(fds, n_fds, &slot), F_DUPFD_CLOEXEC, 4);
	if (running.report_fd < 0)
		return -EINVAL;
	if (st->flags & CORRAL_START_PROGRAM)
		c->program = next(fds, n_fds, &slot);
	for (unsigned int i = 0; i < 3; i++)
		if (st->flags & (CORRAL_START_STDIN << i))
			c->stdio[i] = next(fds, n_fds, &slot);
	c->path = (const char *)request + st->path;
	c->dir = (const char *)request + st->dir;
	return vector_fill(st, &c->env);
}

static void report_close(void)
{
	if (running.report_fd > CORRAL_WIRE_FD)
		(void)sys1(__NR_close, running.report_fd);
	running.report_fd = CORRAL_WIRE_FD;
}

/* Until the child has executed or ended: then our memory is ours alone. One that was stopped goes
 * on, and one that does not come to it is killed. */
static void exec_await(struct command *c, long pid)
{
	struct timespec look = { 0, EXEC_LOOK_NSEC };
	int held, looks = 0;

	while ((held = __atomic_load_n(&c->tid, __ATOMIC_ACQUIRE)) != 0) {
		long r = sys4(__NR_futex, &c->tid, FUTEX_WAIT, held, &look);

		if (r != -ETIMEDOUT || ++looks < EXEC_LOOKS / 20)
			continue;
		if (looks >= EXEC_LOOKS) {
			/* Where somebody waits, that is told; otherwise it may have executed just
			 * now, and ends as what was killed. */
			if (!(c->start->flags & CORRAL_START_QUIET))
				c->error = EINTR;
			(void)sys2(__NR_kill, pid, SIGKILL);
		} else {
			(void)sys2(__NR_kill, pid, SIGCONT);
		}
	}
}

int command_starts(void)
{
	return running.pid && __atomic_load_n(&command.tid, __ATOMIC_ACQUIRE) != 0;
}

void command_go_on(void)
{
	if (command_starts())
		(void)sys2(__NR_kill, running.pid, SIGCONT);
}

void command_settle(void)
{
	if (running.pid)
		exec_await(&command, running.pid);
}

void command_ready(void)
{
	populate(child.stack + sizeof(child.stack) - 4096, 8192);
}

int command_start(struct init *in, const void *request, size_t size, const int *fds,
                  unsigned int n_fds)
{
	struct command *c = &command;
	struct fs_numbers st;
	int master = -1, quiet = 0;
	long r, pid = 0;

	if (running.pid)
		return 0; /* who asked for a second one has lost count */
	*c = (struct command) {
		.in = in, .start = request, .program = -1, .stdio = { -1, -1, -1 }, .tty_slave = -1
	};
	r = command_prepare(c, request, size, fds, n_fds);
	if (r >= 0) {
		quiet = (c->start->flags & CORRAL_START_QUIET) != 0;
		if (c->start->flags & CORRAL_START_TTY)
			r = tty_open(c, &master);
	}
	if (r >= 0) {
		root_numbers(&st);
		running.blocks_before = (uint64_t)(st.blocks - st.bfree);
		(void)sys2(__NR_getrusage, RUSAGE_CHILDREN, &running.before);
		running.exec_nsec = now_nsec();
		c->tid = 1;
		pid = spawn_shared(command_child, c, child.stack + sizeof(child.stack), SPAWN_FLAGS,
		                   &c->tid);
		if (pid > 0 && !quiet)
			exec_await(c, pid);
		r = pid < 0 ? pid : quiet ? 0 : -__atomic_load_n(&c->error, __ATOMIC_RELAXED);
	}
	if (pid > 0 && r < 0)
		(void)sys4(__NR_wait4, pid, 0, 0, 0);
	if (r >= 0) {
		running.pid = pid;
		running.ending = running.killed = 0;
		in->sweeps = 0;
		running.last = (c->start->flags & CORRAL_START_LAST) != 0;
		if (!quiet)
			say_started(pid, master);
	} else {
		say_not_started(r, c->detail);
		report_close();
	}
	if (c->tty_slave >= 0)
		(void)sys1(__NR_close, c->tty_slave);
	if (master >= 0)
		(void)sys1(__NR_close, master);
	return r >= 0;
}

static uint64_t usec_of(const struct __kernel_old_timeval *after,
                        const struct __kernel_old_timeval *before)
{
	return (uint64_t)((after->tv_sec - before->tv_sec) * 1000000 +
	                  (after->tv_usec - before->tv_usec));
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
	m.user_usec =
	        usec_of((const void *)&after.ru_utime, (const void *)&running.before.ru_utime);
	m.system_usec =
	        usec_of((const void *)&after.ru_stime, (const void *)&running.before.ru_stime);
	m.maxrss_kb = (uint64_t)after.ru_maxrss;
	m.written_bytes = used > running.blocks_before
	                          ? (used - running.blocks_before) * (uint64_t)st.bsize
	                          : 0;
	m.scratch_free_bytes = (uint64_t)st.bavail * (uint64_t)st.bsize;
	m.scratch_free_inodes = (uint64_t)st.ffree;
	/* Of a root of its own only: the host's file system is everybody's. */
	if (in->confined)
		m.written_bytes = m.scratch_free_bytes = m.scratch_free_inodes = ~0ull;
	m.n_denials = in->refusals->n;
	m.denials_dropped = in->refusals->dropped;
	memcpy(m.denials, in->refusals->list, m.n_denials * sizeof(m.denials[0]));
	in->refusals->n = 0;
	in->refusals->dropped = 0;
	(void)wire_send(running.report_fd, &m, sizeof(m), -1);
	report_close();
}

/*
 * All that may end with the command: in a pid namespace where nothing else runs, in one sweep that
 * no fork slips through: a fork fails while a fatal signal is pending (kill(2), NOTES on pid -1).
 * In the confined tier that call would reach every process of this user on the host. 0 when nothing
 * is left.
 */
static unsigned int kill_everything(struct init *in)
{
	long supervisors[SUPERVISORS_MAX];
	unsigned int n = in->is_supervisor ? 0 : supervisors_list(supervisors);

	if (n)
		return tree_kill_children(in, supervisors, n);
	if (in->confined || in->is_supervisor) {
		tree_kill(in);
		return 1;
	}
	if (sys0(__NR_getpid) != 1)
		die(126);
	(void)sys2(__NR_kill, -1, SIGKILL);
	return 1;
}

/* All that came to us but the command that runs here and the supervisors: 0 when there is nobody.
 */
static unsigned int kill_strays(struct init *in)
{
	long spare[SUPERVISORS_MAX + 1];
	unsigned int n = supervisors_list(spare);

	if (running.pid)
		spare[n++] = running.pid;
	return tree_kill_children(in, spare, n);
}

/* Reaps whatever died. Once main has, everything else is killed, until no child is left but
 * supervisors. */
void command_reap(struct init *in)
{
	int status;
	long pid;

	while ((pid = sys4(__NR_wait4, -1, &status, WNOHANG | __WALL, 0)) > 0) {
		if (!in->is_supervisor && supervisor_reaped(in, pid, status))
			continue;
		if (pid != running.pid || running.ending)
			continue;
		if (command.error) {
			/* It never was anything else but our child: nothing else is to be ended. */
			running.pid = 0;
			running.killed = 0;
			say_not_started(-command.error, command.detail);
			report_close();
			continue;
		}
		running.status = status;
		running.end_nsec = now_nsec();
		running.ending = 1;
	}
	/* Orphans of a supervisor that was killed. Those of a command that runs here cannot be told
	 * from them, and go as well. */
	if (in->strays)
		in->strays = pid != -ECHILD &&
		             (running.pid ? kill_strays(in) : kill_everything(in)) != 0;
	if (!running.ending && !running.killed)
		return;
	if (running.ending && (pid == -ECHILD || kill_everything(in) == 0)) {
		running.pid = 0;
		running.ending = running.killed = 0;
		say_exited(in);
		if (running.last)
			die(0);
		return;
	}
	if (!running.ending)
		(void)kill_everything(in); /* the rest is heard of by SIGCHLD */
}

void command_signal(uint32_t id, int signo)
{
	if (!running.pid || running.ending || running.id != id)
		return;
	/* As a terminal would: the whole foreground group, which the command leads unless it left.
	 */
	if (sys2(__NR_kill, -running.pid, signo) < 0)
		(void)sys2(__NR_kill, running.pid, signo);
}

int command_kill(struct init *in, uint32_t id)
{
	if (!running.pid || running.id != id)
		return 0;
	running.killed = 1;
	(void)kill_everything(in);
	return 1;
}

int command_busy(void)
{
	return running.pid != 0;
}

uint32_t command_id(void)
{
	return running.id;
}

int command_ends(void)
{
	return running.ending || running.killed;
}

void command_forget(void)
{
	memset(&running, 0, sizeof(running));
}
