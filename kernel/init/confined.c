/*
 * The weaker tier, without namespaces: guest init is no PID 1 here, and the host's processes are in
 * sight of it.
 *
 * Theory of operation: guest init stays outside of the Landlock fence and is its keeper; each
 * command enters the fence between fork and exec, so that no command can signal, trace or read
 * guest init or anything else outside. Orphans come to guest init, which is their subreaper, and so
 * every process of a command stays a descendant of it, by which they are found in /proc and killed
 * one by one. Those that /proc hides from us (hidepid=, proc(5), and a process that made itself
 * undumpable) are found once they are our own children, which they become when all above them are
 * dead. kill(-1), which ends a pid namespace, would end everything of this user: it is never called
 * here (kill_everything() in kernel/init/serve.c).
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

#include "kernel/init/tree.h"

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

#define END_NSEC   2000000000u
#define PAUSE_NSEC 5000000
#define LONG_NSEC  500000000

/*
 * What stands in for Landlock's signal scope before ABI 6: the command signals nobody, not even its
 * own. A filter of its own, as guest init, which has to kill, is under the other one.
 */
#define REFUSE(nr)                                       \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), \
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define REFUSE_SECOND(call, value)                                                          \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 4),                                  \
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])), \
	        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1),                         \
	        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),                       \
	        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
static const struct sock_filter no_signals[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	REFUSE(__NR_kill),
	REFUSE(__NR_tkill),
	REFUSE(__NR_tgkill),
	REFUSE(__NR_rt_sigqueueinfo),
	REFUSE(__NR_rt_tgsigqueueinfo),
	REFUSE(__NR_pidfd_send_signal),
	/* A descriptor that signals whoever is named its owner, with any signal (fcntl(2),
	   F_SETSIG). */
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

void confined_end(struct init *in)
{
	uint64_t start = now_nsec();
	long r;

	/* What does not end (it waits for a disk, or runs ahead of us) keeps its keeper, who then
	 * looks less often. */
	for (;;) {
		struct timespec pause = { 0,
			                  now_nsec() - start < END_NSEC ? PAUSE_NSEC : LONG_NSEC };

		while ((r = sys4(__NR_wait4, -1, 0, WNOHANG | __WALL, 0)) > 0)
			;
		if (r == -ECHILD)
			return;
		tree_kill(in);
		(void)sys5(__NR_ppoll, 0, 0, &pause, 0, 8);
	}
}

/* Signals to the outside are refused by one or the other; without a /proc of our own pids nothing
 * could be found and ended. */
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
	if (!text_equal(link, self) || tree_parent(in, self, &state) < 0)
		return -ESRCH;
	/* A kernel without that list (CONFIG_PROC_CHILDREN) will do where /proc shows everybody. */
	if (!tree_lists_children(in) && tree_parent(in, "1", &state) < 0)
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

	/* The second net, should guest init be killed by somebody outside: no more than its own
	 * children hear of it. */
	r = sys5(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (r >= 0)
		r = sys2(__NR_landlock_restrict_self, in->ruleset_fd, 0);
	if (r >= 0 && in->no_signals)
		r = sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &guard);
	return r;
}
