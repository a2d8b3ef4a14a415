/*
 * The weaker tier, without namespaces: guest init is no PID 1 here, and the host's processes are in sight of it.
 *
 * Theory of operation: guest init stays outside of the Landlock fence and is its keeper; each command enters the fence between fork and
 * exec, so that no command can signal, trace or read guest init or anything else outside. Orphans come to guest init, which is their
 * subreaper, and so every process of a command stays a descendant of it, by which they are found in /proc and killed one by one. Those that
 * /proc hides from us (hidepid=, proc(5), and a process that made itself undumpable) are found once they are our own children, which they
 * become when all above them are dead. kill(-1), which ends a pid namespace, would end everything of this user: it is never called here
 * (kill_everything() in kernel/init/serve.c).
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/filter.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/wait.h>

#include "kernel/init/init.h"

#define OPEN_PATH_ (010000000 | 02000000) /* O_PATH|O_CLOEXEC */

/* From later headers than Debian 12's (landlock(7)). */
struct ruleset_attr {
	uint64_t access_fs, access_net, scoped;
};
struct path_beneath {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));
#define RULE_PATH_BENEATH     1
#define ACCESS_NET_ALL        3ull /* bind and connect of TCP */
#define SCOPE_ABSTRACT_SOCKET (1ull << 0)
#define SCOPE_SIGNAL          (1ull << 1)

/* More than two sweeps, and something forks as fast as it dies: everything is stopped first. */
#define PATIENT_SWEEPS 3
#define STOP_PASSES    64
#define END_NSEC       2000000000u
#define PAUSE_NSEC     5000000
#define LONG_NSEC      500000000

/*
 * What stands in for Landlock's signal scope before ABI 6: the command signals nobody, not even its own. A filter of its own, as guest init,
 * which has to kill, is under the other one.
 */
#define REFUSE(nr)                                       \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define REFUSE_SECOND(call, value)                                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 4),                                    \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),  \
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1),                          \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),                        \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
static const struct sock_filter no_signals[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	REFUSE(__NR_kill),
	REFUSE(__NR_tkill),
	REFUSE(__NR_tgkill),
	REFUSE(__NR_rt_sigqueueinfo),
	REFUSE(__NR_rt_tgsigqueueinfo),
	REFUSE(__NR_pidfd_send_signal),
	/* A descriptor that signals whoever is named its owner, with any signal (fcntl(2), F_SETSIG). */
	REFUSE_SECOND(__NR_fcntl, F_SETOWN),
	REFUSE_SECOND(__NR_fcntl, F_SETOWN_EX),
	REFUSE_SECOND(__NR_ioctl, 0x8901 /* FIOSETOWN */),
	REFUSE_SECOND(__NR_ioctl, 0x8902 /* SIOCSPGRP */),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static uint64_t handled_by(uint32_t abi)
{
	uint64_t handled = CORRAL_ALLOW_ABI_1;

	handled |= abi >= 2 ? CORRAL_ALLOW_REFER : 0;
	handled |= abi >= 3 ? CORRAL_ALLOW_TRUNCATE : 0;
	handled |= abi >= 5 ? CORRAL_ALLOW_IOCTL_DEV : 0;
	return handled;
}

static long rule_add(long ruleset, const struct corral_wire_allow *a, uint64_t handled)
{
	struct path_beneath rule = { a->access & handled, -1 };
	struct statx st;
	int is_dir;
	long r;

	r = sys4(__NR_openat, -100, a->path, OPEN_PATH_, 0);
	if (r < 0)
		return r == -ENOENT && a->flags & CORRAL_ALLOW_OPTIONAL ? 0 : r;
	rule.fd = (int32_t)r;
	r = sys5(__NR_statx, rule.fd, "", 0x1000 /* AT_EMPTY_PATH */, STATX_TYPE, &st);
	is_dir = r >= 0 && (st.stx_mode & S_IFMT) == S_IFDIR;
	if (r >= 0 && !is_dir && a->flags & CORRAL_ALLOW_DIRECTORY)
		r = -ENOTDIR;
	if (!is_dir)
		rule.access &= CORRAL_ALLOW_OF_FILES;
	if (r >= 0 && rule.access)
		r = sys4(__NR_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
	(void)sys1(__NR_close, rule.fd);
	return r;
}

/* "PID (name) S PPID ...": the parent and *ret_state; -errno when it is gone. The name may hold anything, ")" too. */
static long stat_read(const struct init *in, const char *pid, char *ret_state)
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

/* Up the chain of parents to ourselves. */
static int descends(const struct init *in, const char *pid, char *ret_state)
{
	char name[24], state;
	long self = sys0(__NR_getpid), parent = stat_read(in, pid, ret_state);

	for (int depth = 0; parent > 1 && depth < 10000; depth++) {
		if (parent == self)
			return 1;
		(void)text_add_number(name, sizeof(name), 0, (uint64_t)parent);
		parent = stat_read(in, name, &state);
	}
	return 0;
}

/* A pid may have gone to somebody else since it was read: the descriptor holds it, and then it is asked again. */
static int signal_if_ours(const struct init *in, const char *name, int signo)
{
	char state = 'Z';
	long pid = 0, fd, r = -1;

	if (!descends(in, name, &state) || state == 'Z' || state == 'X' || (signo == SIGSTOP && state == 'T'))
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

static unsigned int sweep(const struct init *in, int signo)
{
	static _Alignas(8) char entries[8192];
	struct entry {
		uint64_t ino;
		int64_t off;
		uint16_t size;
		uint8_t type;
		char name[];
	};
	unsigned int n = 0;
	long len;

	(void)sys3(__NR_lseek, in->proc_fd, 0, 0);
	while ((len = sys3(__NR_getdents64, in->proc_fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < len;) {
			const struct entry *e = (const void *)(entries + at);

			at += e->size;
			if (e->name[0] >= '1' && e->name[0] <= '9')
				n += signal_if_ours(in, e->name, signo) != 0;
		}
	return n;
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

/*
 * Our own children, by a list that hides none of them. Nobody else reaps them, so their pids are theirs until we do; and who runs ahead of a
 * sweep, by a fork and an exit of its parent over and over, has landed here each time.
 */
static void children_kill(const struct init *in)
{
	static char text[4096];
	long fd = children_open(in), pidfd, pid = 0, n;

	if (fd < 0)
		return;
	/* "PID PID ", and a number may be cut by the end of what one read gives. */
	while ((n = sys3(__NR_read, fd, text, sizeof(text))) > 0)
		for (long i = 0; i < n; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
				continue;
			}
			pidfd = pid ? sys2(__NR_pidfd_open, pid, 0) : -1;
			pid = 0;
			if (pidfd < 0)
				continue;
			(void)sys4(__NR_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
			(void)sys1(__NR_close, pidfd);
		}
	(void)sys1(__NR_close, fd);
}

void confined_kill(struct init *in)
{
	children_kill(in);
	/* Stopped, they keep their places below the limit of processes, so that a bomb comes to rest. */
	if (in->sweeps++ >= PATIENT_SWEEPS)
		for (int i = 0; i < STOP_PASSES && sweep(in, SIGSTOP); i++)
			;
	(void)sweep(in, SIGKILL);
}

void confined_end(struct init *in)
{
	uint64_t start = now_nsec();
	long r;

	/* What does not end (it waits for a disk, or runs ahead of us) keeps its keeper, who then looks less often. */
	for (;;) {
		struct timespec pause = { 0, now_nsec() - start < END_NSEC ? PAUSE_NSEC : LONG_NSEC };

		while ((r = sys4(__NR_wait4, -1, 0, WNOHANG | __WALL, 0)) > 0)
			;
		if (r == -ECHILD)
			return;
		confined_kill(in);
		(void)sys5(__NR_ppoll, 0, 0, &pause, 0, 8);
	}
}

/* Signals to the outside are refused by one or the other; without a /proc of our own pids nothing could be found and ended. */
static long keeper_prepare(struct init *in)
{
	char state, link[24], self[24];
	long r;

	r = sys4(__NR_openat, -100, "/proc", 0200000 | 02000000, 0); /* O_DIRECTORY|O_CLOEXEC */
	if (r < 0)
		return r;
	in->proc_fd = (int)r;
	r = sys4(__NR_readlinkat, in->proc_fd, "self", link, sizeof(link) - 1);
	if (r < 0)
		return r;
	link[r] = '\0';
	(void)text_add_number(self, sizeof(self), 0, (uint64_t)sys0(__NR_getpid));
	if (!text_equal(link, self) || stat_read(in, self, &state) < 0)
		return -ESRCH;
	/* A kernel without that list (CONFIG_PROC_CHILDREN) will do where /proc shows everybody. */
	r = children_open(in);
	if (r >= 0)
		(void)sys1(__NR_close, r);
	else if (stat_read(in, "1", &state) < 0)
		return -ESRCH;
	return sys5(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

long confined_landlock(struct init *in, const struct corral_step *s)
{
	uint64_t handled = handled_by(s->n[0]);
	struct ruleset_attr attr = { handled, s->n[1] ? ACCESS_NET_ALL : 0, 0 };
	size_t size = s->n[0] >= 6 ? 24 : s->n[0] >= 4 ? 16 : 8;
	const char *blob = init_text(in, s->blob);
	long r;

	r = keeper_prepare(in);
	if (r < 0)
		return r;
	if (s->n[0] >= 6)
		attr.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	r = sys3(__NR_landlock_create_ruleset, &attr, size, 0);
	if (r < 0)
		return r;
	in->ruleset_fd = (int)r;
	in->no_signals = s->n[0] < 6;
	r = 0;
	for (uint32_t at = 0; r >= 0 && at < s->blob_len;) {
		const struct corral_wire_allow *a = (const void *)(blob + at);

		in->detail++;
		r = rule_add(in->ruleset_fd, a, handled);
		at += a->size;
	}
	in->landlock = r >= 0;
	return r;
}

long confined_enter(const struct init *in)
{
	struct sock_fprog guard = { sizeof(no_signals) / sizeof(no_signals[0]),
				    (struct sock_filter *)(uintptr_t)no_signals };
	long r;

	/* The second net, should guest init be killed by somebody outside: no more than its own children hear of it. */
	r = sys5(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (r >= 0)
		r = sys2(__NR_landlock_restrict_self, in->ruleset_fd, 0);
	if (r >= 0 && in->no_signals)
		r = sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &guard);
	return r;
}
