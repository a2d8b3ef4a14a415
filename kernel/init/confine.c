/*
 * The steps after the root stands: who the guest is and what it may ask of the kernel. The order is
 * the plan's; seccomp is last.
 */
#include <linux/errno.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/keyctl.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <linux/seccomp.h>

#include "kernel/init/init.h"

#define FILTER_MAX 4096

/* Two of them: the one that answers by errno, and behind it the one that notifies. */
static _Alignas(4096) struct sock_filter filters[2 * FILTER_MAX];

/*
 * What the caller ignores is ignored across exec: Python's SIGPIPE, nohup's SIGHUP; and with
 * SIGCHLD ignored nobody could be waited for. The kernel's sigaction begins with the handler; the
 * rest is zero.
 */
static void signals_reset(void)
{
	unsigned long action[4] = { 0, 0, 0, 0 };

	for (int signo = 1; signo <= 64; signo++)
		(void)sys4(__NR_rt_sigaction, signo, action, 0, 8);
}

long step_session(struct init *in, const struct corral_step *s)
{
	int priority = 0;
	long r;

	(void)in;
	(void)s;
	signals_reset();
	(void)sys1(__NR_umask, 022);
	(void)sys0(__NR_setsid);
	/* Nobody's real-time priority is inherited: SCHED_OTHER is everybody's to ask for
	 * (sched(7)). */
	(void)sys3(__NR_sched_setscheduler, 0, 0, &priority);
	/* A keyring of its own: the caller's would be searched by request_key(2). Absent from some
	 * kernels. */
	r = sys2(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
	return r < 0 && r != -ENOSYS && r != -EPERM && r != -EACCES ? r : 0;
}

static long map_write(struct init *in, const char *file, const char *text)
{
	long fd, r;

	fd = sys4(__NR_openat, in->proc_self_fd, file, 01 | 02000000, 0); /* O_WRONLY|O_CLOEXEC */
	if (fd < 0)
		return fd;
	r = sys3(__NR_write, fd, text, text_len(text));
	(void)sys1(__NR_close, fd);
	return r < 0 ? r : 0;
}

static const char *map_line(char *buf, uint32_t inside, uint32_t outside, uint32_t count)
{
	size_t len = text_add_number(buf, 48, 0, inside);

	len = text_add(buf, 48, len, " ");
	len = text_add_number(buf, 48, len, outside);
	len = text_add(buf, 48, len, " ");
	(void)text_add_number(buf, 48, len, count);
	return buf;
}

/*
 * Ids as they are, in a namespace one below; written from above, as a range takes CAP_SETUID there
 * (user_namespaces(7)). The map above has two pieces, the caller and the subordinate ids, and no
 * line may span both.
 */
static long map_by_child(struct init *in, uint32_t count)
{
	char lines[96], go = 0;
	size_t len;
	int pipe_fd[2];
	int status = 0;
	long pid, r;

	r = sys2(__NR_pipe2, pipe_fd, 02000000);
	if (r < 0)
		return r;
	pid = sys5(__NR_clone, 17 /* SIGCHLD */, 0, 0, 0, 0);
	if (pid == 0) {
		(void)sys1(__NR_close, pipe_fd[1]);
		r = sys3(__NR_read, pipe_fd[0], &go, 1);
		len = text_add(lines, sizeof(lines), 0, map_line(lines + 48, 0, 0, 1));
		lines[len++] = '\n';
		(void)map_line(lines + len, 1, 1, count - 1);
		if (r == 1)
			r = map_write(in, "uid_map", lines);
		if (r >= 0)
			r = map_write(in, "gid_map", lines);
		die(r < 0 ? (int)-r : 0);
	}
	(void)sys1(__NR_close, pipe_fd[0]);
	r = pid < 0 ? pid : sys1(__NR_unshare, CLONE_NEWUSER);
	if (r >= 0)
		r = sys3(__NR_write, pipe_fd[1], "g", 1);
	(void)sys1(__NR_close, pipe_fd[1]);
	if (pid > 0 && sys4(__NR_wait4, pid, &status, 0, 0) == pid && r >= 0 && status)
		r = -(status >> 8 & 0xff);
	return r < 0 ? r : 0;
}

/*
 * Entered last, so that every mount belongs to the outside: even all capabilities in here cannot
 * change or remove one, nor set the host name or the network.
 */
long step_userns(struct init *in, const struct corral_step *s)
{
	char line[48];
	long r;

	if (s->fd >= 0)
		return sys2(__NR_setns, init_fd(in, s->fd), CLONE_NEWUSER);
	if (s->n[0] > 1)
		return map_by_child(in, s->n[0]);
	r = sys1(__NR_unshare, CLONE_NEWUSER);
	if (r < 0)
		return r;
	r = map_write(in, "setgroups", "deny");
	if (r >= 0 || r == -EPERM) /* already denied above, which is inherited */
		r = map_write(in, "gid_map", map_line(line, s->gid, 0, 1));
	if (r >= 0)
		r = map_write(in, "uid_map", map_line(line, s->uid, 0, 1));
	return r;
}

long step_ids(struct init *in, const struct corral_step *s)
{
	int image = (int)s->n[0] - 1; /* held to the end, as the lease of s->fd is */
	uint32_t n_groups;
	long r;

	/* The last use of all the others: a small limit of open files must hold for the guest, and
	 * may come next. */
	(void)init_fd(in, s->fd);
	(void)init_fd(in, image);
	for (unsigned int i = 0; i < in->n_fds; i++)
		if ((int)i != s->fd && (int)i != image)
			(void)sys1(__NR_close, in->fds[i]);
	in->n_fds = 0;
	n_groups = s->blob_len / sizeof(uint32_t);
	r = sys2(__NR_setgroups, n_groups, n_groups ? init_text(in, s->blob) : 0);
	/* Denied in a namespace of one id without privilege; the caller's groups stay then
	 * (CVE-2014-8989 is why). */
	if (r < 0 && (r != -EPERM || n_groups))
		return r;
	/* Leaving the namespace's root would take the capabilities that dropping the bounding set
	 * needs. */
	(void)sys5(__NR_prctl, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
	r = sys3(__NR_setresgid, s->gid, s->gid, s->gid);
	if (r >= 0)
		r = sys3(__NR_setresuid, s->uid, s->uid, s->uid);
	/* setresuid made us as dumpable as the host's suid_dumpable says. */
	(void)sys5(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	return r;
}

long step_rlimits(struct init *in, const struct corral_step *s)
{
	const uint64_t *pair = (const uint64_t *)(const void *)init_text(in, s->blob);
	uint64_t old[2], want[2];
	long r;

	for (uint32_t i = 0; i + 16 <= s->blob_len; i += 16, pair += 2) {
		in->detail = (int)pair[0];
		r = sys4(__NR_prlimit64, 0, pair[0], 0, old);
		if (r < 0)
			return r;
		/* Never above what we came with: raising takes CAP_SYS_RESOURCE. */
		want[0] = want[1] = pair[1] < old[1] ? pair[1] : old[1];
		r = sys4(__NR_prlimit64, 0, pair[0], want, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * After the user namespace, which gives a full bounding set and default securebits again. Ambient
 * and inheritable sets are emptied in all modes (CVE-2022-29162).
 */
long step_caps(struct init *in, const struct corral_step *s)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];
	long r;

	r = sys5(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (r < 0 && r != -EINVAL)
		return r;
	for (unsigned int cap = 0; cap < 64; cap++) {
		if (s->attr >> cap & 1)
			continue;
		r = sys5(__NR_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);
		if (r == -EINVAL)
			break; /* above the last one this kernel knows */
		/* A caller without CAP_SETPCAP, where no namespace gives it: no_new_privs then
		 * keeps them from being gained. */
		if (r == -EPERM && in->confined)
			break;
		if (r < 0)
			return r;
	}
	/* With no capability for uid 0 to gain, an exec as root is an exec like any other. */
	if (s->attr) {
		(void)sys5(__NR_prctl, PR_SET_SECUREBITS, 0, 0, 0, 0);
	} else {
		r = sys5(__NR_prctl, PR_SET_SECUREBITS,
		         SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
		                 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
		                 SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
		         0, 0, 0);
		if (r < 0 && (r != -EPERM || !in->confined))
			return r;
	}
	memset(data, 0, sizeof(data));
	data[0].effective = data[0].permitted = (uint32_t)s->attr;
	data[1].effective = data[1].permitted = (uint32_t)(s->attr >> 32);
	r = sys2(__NR_capset, &head, data);
	if (r < 0)
		return r;
	return sys5(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* From later headers than Debian 12's (landlock(7)). */
struct ruleset_attr {
	uint64_t access_fs, access_net, scoped;
};
#define ACCESS_FS_MAKE_CHAR   (1ull << 6)
#define ACCESS_FS_MAKE_BLOCK  (1ull << 11)
#define ACCESS_FS_REFER       (1ull << 13)
#define SCOPE_ABSTRACT_SOCKET (1ull << 0)
#define SCOPE_SIGNAL          (1ull << 1)

long landlock_root(int ruleset, uint64_t access)
{
	struct {
		uint64_t access;
		int32_t fd;
	} __attribute__((packed)) rule = { access, -1 };
	long fd = sys4(__NR_openat, -100, "/", 010000000 | 02000000, 0); /* O_PATH|O_CLOEXEC */
	long r;

	if (fd < 0)
		return fd;
	rule.fd = (int32_t)fd;
	r = sys4(__NR_landlock_add_rule, ruleset, 1 /* LANDLOCK_RULE_PATH_BENEATH */, &rule, 0);
	(void)sys1(__NR_close, fd);
	return r;
}

/*
 * No device nodes anywhere; with that, any change of the mounts is refused as well, whatever
 * capabilities say, and tracing is kept within the sandbox. Since ABI 6 also no abstract socket and
 * no signal of anybody outside, which counts on the host's network.
 */
long step_landlock(struct init *in, const struct corral_step *s)
{
	struct ruleset_attr attr = { ACCESS_FS_MAKE_CHAR | ACCESS_FS_MAKE_BLOCK, 0, 0 };
	size_t size = s->n[0] >= 6 ? 24 : s->n[0] >= 4 ? 16 : 8;
	long fd, r;

	if (s->flags & CORRAL_STEP_NO_ROOT)
		return confined_landlock(in, s);
	if (s->n[0] >= 6)
		attr.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	if (s->n[0] >= 2)
		attr.access_fs |= ACCESS_FS_REFER;
	fd = sys3(__NR_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return fd;
	/* What no ruleset gives, none has (landlock(7)): files could not be renamed from one
	 * directory to another. */
	r = s->n[0] >= 2 ? landlock_root((int)fd, ACCESS_FS_REFER) : 0;
	if (r >= 0)
		r = sys2(__NR_landlock_restrict_self, fd, 0);
	(void)sys1(__NR_close, fd);
	if (r >= 0)
		in->landlock = 1;
	in->landlock_abi = s->n[0];
	return r;
}

/*
 * Refusals with another errno than ENOSYS go through user notification, so that they can be told by
 * name: guest init answers them itself, in the sandbox's own cgroup. ENOSYS is what libraries probe
 * for, often, and stays cheap.
 */
static void notify_convert(struct sock_filter *to, const struct sock_filter *from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		to[i] = from[i];
		if (from[i].code != (BPF_RET | BPF_K))
			continue;
		if ((from[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO &&
		    (from[i].k & SECCOMP_RET_DATA) != ENOSYS && (from[i].k & SECCOMP_RET_DATA) != 0)
			to[i].k = SECCOMP_RET_USER_NOTIF;
	}
}

long step_seccomp(struct init *in, const struct corral_step *s)
{
	struct sock_fprog prog;
	unsigned long flags = 0;
	long r;

	in->n_filter = s->blob_len / sizeof(struct sock_filter);
	if (in->n_filter == 0 || in->n_filter > FILTER_MAX)
		return -EINVAL;
	populate(filters, 2 * in->n_filter * sizeof(struct sock_filter));
	memcpy(filters, init_text(in, s->blob), in->n_filter * sizeof(struct sock_filter));
	in->filter = filters;
	prog.len = (unsigned short)in->n_filter;
	prog.filter = filters;
	if (s->flags & CORRAL_STEP_NOTIFY) {
		notify_convert(filters + in->n_filter, filters, in->n_filter);
		prog.filter = filters + in->n_filter;
		flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	}
	r = sys3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (r < 0)
		return r;
	in->listener_fd = flags ? (int)r : -1;
	streams_prepare(in);
	return 0;
}
