/*
 * The trees of processes below us, as /proc shows them. Whoever loses its parent comes to the
 * nearest reaper above it, which is guest init or one of its supervisors; so all that a command
 * ever started can be found from there, and what runs ahead of a look has landed as our own child
 * by the next.
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/signal.h>

#include "kernel/init/tree.h"

/* More than two sweeps, and something forks as fast as it dies: everything is stopped first. */
#define PATIENT_SWEEPS 3
#define STOP_PASSES    64

struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t size;
	uint8_t type;
	char name[];
};

static const char *number_of(char *buf, long pid)
{
	(void)text_add_number(buf, 24, 0, (uint64_t)pid);
	return buf;
}

/* "PID (name) S PPID ...". The name may hold anything, ")" too. */
long tree_parent(const struct init *in, const char *pid, char *ret_state)
{
	char path[32], text[512], *p;
	size_t len = text_add(path, sizeof(path), 0, pid);
	long fd, n, parent = 0;

	(void)text_add(path, sizeof(path), len, "/stat");
	fd = sys4(__NR_openat, in->proc_fd, path, 02000000, 0);
	if (fd < 0)
		return fd;
	n = sys3(__NR_read, fd, text, sizeof(text) - 1);
	(void)sys1(__NR_close, fd);
	if (n <= 0)
		return n < 0 ? n : -ESRCH;
	text[n] = '\0';
	for (p = text + n; p > text && *p != ')'; p--)
		;
	if (p == text || p + 4 > text + n)
		return -ESRCH;
	*ret_state = p[2];
	for (p += 4; *p >= '0' && *p <= '9'; p++)
		parent = parent * 10 + (*p - '0');
	return parent;
}

long tree_ancestor(const struct init *in, long pid, const long *wanted, unsigned int n)
{
	char name[24], state;

	for (int depth = 0; pid > 1 && depth < TREE_DEPTH_MAX; depth++) {
		for (unsigned int i = 0; i < n; i++)
			if (pid == wanted[i])
				return pid;
		pid = tree_parent(in, number_of(name, pid), &state);
	}
	return 0;
}

/* Below us, not ourselves. */
static int descends(const struct init *in, const char *pid, char *ret_state)
{
	long self = sys0(__NR_getpid), parent = tree_parent(in, pid, ret_state);

	return parent > 0 && tree_ancestor(in, parent, &self, 1) == self;
}

/* A pid may have gone to somebody else since it was read: the descriptor holds it, and then it is
 * asked again. */
static int signal_if_ours(const struct init *in, const char *name, int signo)
{
	char state = 'Z';
	long pid = 0, fd, r = -1;

	if (!descends(in, name, &state) || state == 'Z' || state == 'X' ||
	    (signo == SIGSTOP && state == 'T'))
		return 0;
	for (const char *p = name; *p; p++)
		pid = pid * 10 + (*p - '0');
	fd = sys2(__NR_pidfd_open, pid, 0);
	if (fd < 0)
		return 0;
	if (descends(in, name, &state))
		r = sys4(__NR_pidfd_send_signal, fd, signo, 0, 0);
	(void)sys1(__NR_close, fd);
	return r >= 0;
}

/* Calls each(in, name, arg) for every process in /proc; the sum of what it returns. */
static unsigned int each_process(const struct init *in,
                                 int (*each)(const struct init *, const char *, int), int arg)
{
	static _Alignas(8) char entries[8192];
	unsigned int n = 0;
	long len;

	(void)sys3(__NR_lseek, in->proc_fd, 0, 0);
	while ((len = sys3(__NR_getdents64, in->proc_fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < len;) {
			const struct entry *e = (const void *)(entries + at);

			at += e->size;
			if (e->name[0] >= '1' && e->name[0] <= '9')
				n += each(in, e->name, arg) != 0;
		}
	return n;
}

unsigned int tree_signal(const struct init *in, int signo)
{
	return each_process(in, signal_if_ours, signo);
}

static long children_open(const struct init *in)
{
	char path[64];
	uint64_t self = (uint64_t)sys0(__NR_getpid);
	size_t len = text_add_number(path, sizeof(path), 0, self);

	len = text_add(path, sizeof(path), len, "/task/");
	len = text_add_number(path, sizeof(path), len, self);
	(void)text_add(path, sizeof(path), len, "/children");
	return sys4(__NR_openat, in->proc_fd, path, 02000000, 0);
}

int tree_lists_children(const struct init *in)
{
	long fd = children_open(in);

	if (fd >= 0)
		(void)sys1(__NR_close, fd);
	return fd >= 0;
}

static const long *spared;
static unsigned int n_spared;

/* Nobody else reaps our children, so their pids are theirs until we do. */
static int child_kill(long pid)
{
	for (unsigned int i = 0; i < n_spared; i++)
		if (pid == spared[i])
			return 0;
	(void)sys2(__NR_kill, pid, SIGKILL);
	return 1;
}

static int kill_if_child(const struct init *in, const char *name, int unused)
{
	char state;
	long pid = 0;

	(void)unused;
	if (tree_parent(in, name, &state) != sys0(__NR_getpid))
		return 0;
	for (const char *p = name; *p; p++)
		pid = pid * 10 + (*p - '0');
	return child_kill(pid);
}

unsigned int tree_kill_children(const struct init *in, const long *spare, unsigned int n_spare)
{
	static char text[4096];
	long fd = children_open(in), pid = 0, n;
	unsigned int met = 0;

	spared = spare;
	n_spared = n_spare;
	if (fd < 0) /* a kernel without CONFIG_PROC_CHILDREN */
		return each_process(in, kill_if_child, 0);
	/* "PID PID ", and a number may be cut by the end of what one read gives. */
	while ((n = sys3(__NR_read, fd, text, sizeof(text))) > 0)
		for (long i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			met += pid ? child_kill(pid) != 0 : 0;
			pid = 0;
		}
	(void)sys1(__NR_close, fd);
	return met;
}

void tree_kill(struct init *in)
{
	(void)tree_kill_children(in, 0, 0);
	/* Stopped, they keep their places below the limit of processes, so that a bomb comes to
	 * rest. */
	if (in->sweeps++ >= PATIENT_SWEEPS)
		for (int i = 0; i < STOP_PASSES && tree_signal(in, SIGSTOP); i++)
			;
	(void)tree_signal(in, SIGKILL);
}
