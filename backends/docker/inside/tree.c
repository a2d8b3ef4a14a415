#include "backends/docker/inside/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* More than so many sweeps, and something forks as fast as it dies: everything is stopped first. */
#define PATIENT_SWEEPS 3
#define STOP_PASSES    64
#define PROCESSES_MAX  (1u << 17)
#define PAUSE_MAX_MS   20
#define PROGRAM        "corral-inside"

/* Flags of /proc/PID/stat: it ends, or a signal has told it to. The kernel's include/linux/sched.h
 * has had these values since before there were containers. */
#define PF_EXITING  0x4u
#define PF_SIGNALED 0x400u

enum kin { KIN_UNKNOWN, KIN_OURS, KIN_STRANGER };

struct process {
	pid_t pid, parent, session;
	unsigned long long started; /* with the pid, who it is */
	char state;
	unsigned char kin;
	bool is_dead;   /* all of it */
	bool is_inside; /* a program of ours */
	bool is_dying; /* it is told to end and has not yet: on a busy machine that takes a while */
};

static struct {
	struct process *list;
	size_t n, size;
} seen;

/* To the end of the field that is n further on. */
static char *skip(char *p, int n)
{
	while (p && n-- > 0)
		p = strchr(p + 1, ' ');
	return p;
}

/* "PID (name) S PPID ...". The name may hold anything, ")" too. */
static bool stat_read(pid_t pid, struct process *ret)
{
	char path[32], text[1024], *p, *open_at;
	corral_autofd int fd = -1;
	unsigned long flags, waiting;
	long threads;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	open_at = strchr(text, '(');
	p = strrchr(text, ')');
	if (!open_at || !p || p < open_at || p[1] != ' ')
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->is_inside = !strncmp(open_at + 1, PROGRAM ")", strlen(PROGRAM) + 1);
	ret->pid = pid;
	ret->state = p[2];
	if (!ret->state)
		return false;
	/* Parent, process group, session. */
	ret->parent = (pid_t)strtol(p + 3, &p, 10);
	(void)strtol(p, &p, 10);
	ret->session = (pid_t)strtol(p, &p, 10);
	/* Anybody can take the name. But what an engine started has its parent outside, and a guest
	 * has no such children. */
	ret->is_inside &= ret->parent == 0;
	/* The session was the sixth field, the flags are the ninth, the number of its threads is
	 * the 20th, the time of its start the 22nd, and the signals that wait for it are the 31st
	 * (proc(5)). */
	p = skip(p, 2);
	flags = p ? strtoul(p, &p, 10) : 0;
	p = skip(p, 10);
	threads = p ? strtol(p, &p, 10) : 0;
	p = skip(p, 1);
	ret->started = p ? strtoull(p, &p, 10) : 0;
	p = skip(p, 8);
	waiting = p ? strtoul(p, &p, 10) : 0;
	/* Its main thread may have ended, and others go on. */
	ret->is_dead = ret->state == 'Z' && threads <= 1;
	ret->is_dying = flags & (PF_EXITING | PF_SIGNALED) || waiting & 1ul << (SIGKILL - 1);
	return p != NULL;
}

long inside_tree_parent(pid_t pid)
{
	struct process p;

	return stat_read(pid, &p) ? p.parent : -ESRCH;
}

static int by_pid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static struct process *find(pid_t pid)
{
	const struct process key = { .pid = pid };

	return seen.n ? bsearch(&key, seen.list, seen.n, sizeof(key), by_pid) : NULL;
}

static bool room_for_one(void)
{
	size_t size = seen.size ? seen.size * 2 : 256;
	struct process *list;

	if (seen.n < seen.size)
		return true;
	list = size > PROCESSES_MAX ? NULL : realloc(seen.list, size * sizeof(*list));
	if (!list)
		return false;
	seen.list = list;
	seen.size = size;
	return true;
}

/* Ours is whose line of parents comes to us. What one walk finds out, the next ones use. */
static void kin_find(struct process *p, pid_t self)
{
	unsigned char kin = KIN_STRANGER;

	/* A line that was read while it changed may go in circles. */
	for (struct process *q = p; q && q->kin != KIN_STRANGER;) {
		if (q->kin == KIN_OURS || q->parent == self) {
			kin = KIN_OURS;
			break;
		}
		q->kin = KIN_STRANGER;
		q = find(q->parent);
	}
	for (struct process *q = p; q && q->kin != KIN_OURS && kin == KIN_OURS;
	     q = find(q->parent)) {
		q->kin = KIN_OURS;
		if (q->parent == self)
			break;
	}
}

/* All processes there are, with ours marked. False without /proc. */
static bool look(void)
{
	const pid_t self = getpid();
	DIR *dir = opendir("/proc");
	const struct dirent *e;

	seen.n = 0;
	if (!dir)
		return false;
	while ((e = readdir(dir)) && room_for_one()) {
		const pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 0 && pid != self && stat_read(pid, &seen.list[seen.n]))
			seen.n++;
	}
	(void)closedir(dir);
	if (seen.n)
		qsort(seen.list, seen.n, sizeof(*seen.list), by_pid);
	for (size_t i = 0; i < seen.n; i++)
		if (seen.list[i].kin == KIN_UNKNOWN)
			kin_find(&seen.list[i], self);
	return seen.n > 0;
}

/*
 * Nobody else reaps our own children, so their numbers are theirs until we do. Another's may have
 * gone to a stranger since it was read: the descriptor holds it, and then it is asked again.
 */
static bool signal_one(const struct process *p, int signo)
{
	corral_autofd int fd = -1;
	struct process again;

	if (p->parent == getpid())
		return kill(p->pid, signo) == 0;
	fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (fd < 0 && errno == ESRCH)
		return false;
	if (!stat_read(p->pid, &again) || again.started != p->started)
		return false;
	if (fd < 0) /* no pidfds: an old kernel, or a filter of its time */
		return kill(p->pid, signo) == 0;
	return syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0) == 0;
}

/* How many were there to get it. The dead may have threads that live, so SIGKILL is for all. */
static uint32_t signal_all(int signo)
{
	uint32_t n = 0;

	for (size_t i = 0; i < seen.n; i++) {
		const struct process *p = &seen.list[i];

		if (p->kin != KIN_OURS || (signo == SIGSTOP && strchr("TZX", p->state)))
			continue;
		n += signal_one(p, signo);
	}
	return n;
}

static uint32_t living(void)
{
	uint32_t n = 0;

	if (look())
		for (size_t i = 0; i < seen.n; i++)
			n += seen.list[i].kin == KIN_OURS;
	return n ? n : 1;
}

int inside_tree_reap(void (*dead)(void *ctx, pid_t pid, int status, const struct rusage *used),
                     void *ctx)
{
	for (;;) {
		struct rusage used;
		int status;
		pid_t pid = wait4(-1, &status, WNOHANG, &used);

		if (pid > 0)
			dead(ctx, pid, status, &used);
		else if (pid == 0 || errno != EINTR)
			return pid == 0;
	}
}

static void wait_for_death(uint64_t ms)
{
	const struct timespec pause = { .tv_nsec = (long)ms * 1000000 };
	sigset_t child;

	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigtimedwait(&child, NULL, &pause);
}

uint32_t inside_tree_kill(void (*dead)(void *ctx, pid_t pid, int status, const struct rusage *used),
                          void *ctx, uint64_t limit_ms)
{
	const uint64_t until = corral_now_ms() + limit_ms;
	uint64_t pause_ms = 1;

	for (unsigned int sweep = 0; inside_tree_reap(dead, ctx); sweep++) {
		if (corral_now_ms() >= until)
			return living();
		/* Stopped, they keep their places below the limit of processes, so that a bomb
		 * comes to rest. */
		for (int i = 0; sweep >= PATIENT_SWEEPS && i < STOP_PASSES; i++)
			if (!look() || !signal_all(SIGSTOP))
				break;
		if (look())
			(void)signal_all(SIGKILL);
		if (!inside_tree_reap(dead, ctx))
			break;
		wait_for_death(pause_ms);
		if (pause_ms < PAUSE_MAX_MS && sweep >= PATIENT_SWEEPS)
			pause_ms *= 2;
	}
	return 0;
}

/* A program of ours that ends its command's processes itself: not one that was stopped, by a signal
 * or a tracer, nor one that was killed and has not had its turn to die. */
static bool goes_on(const struct process *p)
{
	return p->is_inside && !strchr("TtZX", p->state) && !p->is_dying;
}

/* Whose line of parents comes to the main process, or to a program of ours that does not go on:
 * until that one is dead they are not the main process's, and it may be long in dying. */
static bool is_orphan(const struct process *p)
{
	for (size_t i = 0; p && i < seen.n; i++) {
		if (p->is_inside)
			return !goes_on(p);
		if (p->parent == 1)
			return true;
		p = find(p->parent);
	}
	return false;
}

static uint32_t sweep(pid_t session, bool orphans)
{
	uint32_t n = 0;

	if (!look())
		return 0;
	for (size_t i = 0; i < seen.n; i++) {
		const struct process *p = &seen.list[i];

		if (p->pid == 1 || p->pid == getpid() || p->is_dead || goes_on(p))
			continue;
		if (p->is_inside || p->session == session || (orphans && is_orphan(p)))
			n += signal_one(p, SIGKILL);
	}
	return n;
}

bool inside_tree_is_ours(pid_t pid)
{
	struct process p;

	return stat_read(pid, &p) && p.is_inside;
}

void inside_tree_sweep(pid_t session, bool orphans, uint64_t limit_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const uint64_t until = corral_now_ms() + limit_ms;

	while (sweep(session, orphans) && corral_now_ms() < until)
		(void)nanosleep(&pause, NULL);
}
