/*
 * The plan of the weaker tier: no namespace and no mount, so what the others fence off is refused
 * by Landlock, by path, and by seccomp, call by call. The rules of this tier stand in front of the
 * policy's profile and cannot be loosened by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kernel/base/cleanup.h"
#include "kernel/plan_steps.h"
#include "kernel/receipt.h"
#include "policy/seccomp.h"

#if defined(__x86_64__)
#define ARCH_NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH_NATIVE AUDIT_ARCH_AARCH64
#endif

/* From later headers than Debian 12's; the same on every architecture. */
#define NR_FCHMODAT2     452
#define NR_SETXATTRAT    463
#define NR_REMOVEXATTRAT 466
#define NR_FILE_SETATTR  469

#define X32_BIT 0x40000000u

/* A file born with one of these, or given one later, runs as this user for everybody. */
#define SXID_BITS 06000

/* "For ioctl alone": neither for reading nor for writing, so that Landlock asks for no right at all
 * (open(2)). */
#define ACCESS_NEITHER 3

enum rule_kind {
	RULE_ALLOW, /* also where the profile does not: guest init or a command on its way in needs
	               it */
	RULE_ALLOW_FIRST, /* when the first argument is value */
	RULE_REFUSE,
	RULE_REFUSE_UNLESS, /* argument arg is value */
	RULE_REFUSE_IF,     /* argument arg is value */
	RULE_REFUSE_BITS,   /* argument arg has one of the bits of value */
};

struct rule {
	enum rule_kind kind;
	int nr, arg;
	uint32_t value;
	int code;
};

/*
 * Calls of guest init while its filter is upon it, and of a command before its exec: these must
 * never wait for an answer, which only guest init gives. What they can do is bounded by the fence
 * that the command is behind.
 */
static const struct rule rules_own[] = {
	{ RULE_ALLOW, SYS_landlock_restrict_self, 0, 0, 0 },
	{ RULE_ALLOW, SYS_pidfd_open, 0, 0, 0 },
	{ RULE_ALLOW, SYS_pidfd_send_signal, 0, 0, 0 },
	{ RULE_ALLOW_FIRST, SYS_prctl, 0, PR_SET_PDEATHSIG, 0 },
};

/* Only where Landlock has no signal scope: a filter without a listener binds its maker alone. */
static const struct rule rules_no_scope[] = {
	{ RULE_REFUSE_BITS, SYS_seccomp, 1, 8 /* SECCOMP_FILTER_FLAG_NEW_LISTENER */, EPERM },
	{ RULE_ALLOW_FIRST, SYS_seccomp, 0, SECCOMP_SET_MODE_FILTER, 0 },
};

/* What reaches beyond the sandbox without a name in the file system, or past Landlock. */
static const struct rule rules_always[] = {
	/* What an io_uring does, no filter sees. */
	{ RULE_REFUSE, SYS_io_uring_setup, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_io_uring_enter, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_io_uring_register, 0, 0, EPERM },
	/* The host's System V and POSIX queues, semaphores and memory: there is no ipc namespace.
	 */
	{ RULE_REFUSE, SYS_shmget, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_shmat, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_shmctl, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_semget, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_semctl, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_semop, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_semtimedop, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_msgget, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_msgctl, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_msgsnd, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_msgrcv, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_mq_open, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_mq_unlink, 0, 0, EPERM },
	/* Limits and priorities of the same user's other processes; of oneself they are called with
	   0. */
	{ RULE_REFUSE_UNLESS, SYS_prlimit64, 0, 0, EPERM },
	{ RULE_REFUSE_UNLESS, SYS_setpriority, 0, 0, EPERM },
	{ RULE_REFUSE_UNLESS, SYS_setpriority, 1, 0, EPERM },
	{ RULE_REFUSE_UNLESS, SYS_sched_setparam, 0, 0, EPERM },
	{ RULE_REFUSE_UNLESS, SYS_sched_setscheduler, 0, 0, EPERM },
	{ RULE_REFUSE_UNLESS, SYS_sched_setattr, 0, 0, EPERM },
	{ RULE_REFUSE_UNLESS, SYS_sched_setaffinity, 0, 0, EPERM },
	{ RULE_REFUSE_UNLESS, SYS_ioprio_set, 1, 0, EPERM },
	/* With 0 this one means all processes of this user. */
	{ RULE_REFUSE_IF, SYS_ioprio_set, 0, 3 /* IOPRIO_WHO_USER */, EPERM },
	/*
	 * Sockets in the file system are doors to services of the host (a session bus, a container
	 * engine), and Landlock does not guard them: no AF_UNIX. A connected pair is fine, unless
	 * of datagrams, which can be sent elsewhere.
	 */
	{ RULE_REFUSE_IF, SYS_socket, 0, AF_UNIX, EAFNOSUPPORT },
	{ RULE_REFUSE_UNLESS, SYS_socketpair, 0, AF_UNIX, EAFNOSUPPORT },
	{ RULE_REFUSE_BITS, SYS_socketpair, 1, SOCK_DGRAM & ~SOCK_STREAM, EAFNOSUPPORT },
	/* Attributes of files are not Landlock's to guard; programs that copy them get along
	   without. */
	{ RULE_REFUSE, SYS_setxattr, 0, 0, EOPNOTSUPP },
	{ RULE_REFUSE, SYS_lsetxattr, 0, 0, EOPNOTSUPP },
	{ RULE_REFUSE, SYS_fsetxattr, 0, 0, EOPNOTSUPP },
	{ RULE_REFUSE, NR_SETXATTRAT, 0, 0, EOPNOTSUPP },
	{ RULE_REFUSE, SYS_removexattr, 0, 0, EOPNOTSUPP },
	{ RULE_REFUSE, SYS_lremovexattr, 0, 0, EOPNOTSUPP },
	{ RULE_REFUSE, SYS_fremovexattr, 0, 0, EOPNOTSUPP },
	{ RULE_REFUSE, NR_REMOVEXATTRAT, 0, 0, EOPNOTSUPP },
	{ RULE_REFUSE, NR_FILE_SETATTR, 0, 0, EOPNOTSUPP },
/* Nor are modes: where they may be changed at all, then not so that a program of this user's runs
 * as this user for all. */
#ifdef SYS_chmod
	{ RULE_REFUSE_BITS, SYS_chmod, 1, SXID_BITS, EPERM },
#endif
	{ RULE_REFUSE_BITS, SYS_fchmod, 1, SXID_BITS, EPERM },
	{ RULE_REFUSE_BITS, SYS_fchmodat, 2, SXID_BITS, EPERM },
	{ RULE_REFUSE_BITS, NR_FCHMODAT2, 2, SXID_BITS, EPERM },
#ifdef SYS_creat
	{ RULE_REFUSE_BITS, SYS_creat, 1, SXID_BITS, EPERM },
	{ RULE_REFUSE_BITS, SYS_mknod, 1, SXID_BITS, EPERM },
#endif
	{ RULE_REFUSE_BITS, SYS_mknodat, 2, SXID_BITS, EPERM },
	/* Its flags and mode lie in memory, where no filter reads: programs take openat() then,
	   whose rules are in open_put(). */
	{ RULE_REFUSE, SYS_openat2, 0, 0, ENOSYS },
	/* The user's keyring is the host's; what a profile of the caller's allows was meant for a
	   namespace. */
	{ RULE_REFUSE, SYS_keyctl, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_add_key, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_request_key, 0, 0, EPERM },
};

/* Where nothing is writable, modes, owners and times of files can only be meant to harm. */
static const struct rule rules_read_only[] = {
#ifdef SYS_chmod
	{ RULE_REFUSE, SYS_chmod, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_chown, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_lchown, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_utime, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_utimes, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_futimesat, 0, 0, EPERM },
#endif
	{ RULE_REFUSE, SYS_fchmod, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_fchmodat, 0, 0, EPERM },
	{ RULE_REFUSE, NR_FCHMODAT2, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_fchown, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_fchownat, 0, 0, EPERM },
	{ RULE_REFUSE, SYS_utimensat, 0, 0, EPERM },
	/* Nor is there anything of its own to watch: names of other directories could be learned,
	   which Landlock does not keep. */
	{ RULE_REFUSE, SYS_inotify_add_watch, 0, 0, EACCES },
};

/* Before ABI 3 Landlock does not see a file cut by its name. */
static const struct rule rules_no_truncate[] = {
	{ RULE_REFUSE, SYS_truncate, 0, 0, EPERM },
};

/* There is no network namespace, so there is no network. */
static const struct rule rules_no_network[] = {
	{ RULE_REFUSE, SYS_socket, 0, 0, EAFNOSUPPORT },
};

static void insn_put(struct corral_buf *out, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	struct sock_filter insn = { code, jt, jf, k };

	corral_buf_add(out, &insn, sizeof(insn));
}

static void load(struct corral_buf *out, size_t offset)
{
	insn_put(out, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void ret(struct corral_buf *out, uint32_t action)
{
	insn_put(out, BPF_RET | BPF_K, 0, 0, action);
}

/* One decision on the lower half of an argument, which is all that the kernel takes of an int; the
 * number of the call is loaded again. */
static void argument_put(struct corral_buf *out, const struct rule *r, uint16_t test, bool when,
                         uint32_t action)
{
	insn_put(out, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, (uint32_t)r->nr);
	load(out, offsetof(struct seccomp_data, args) + 8 * (size_t)r->arg);
	insn_put(out, (uint16_t)(BPF_JMP | test | BPF_K), when ? 0 : 1, when ? 1 : 0, r->value);
	ret(out, action);
	load(out, offsetof(struct seccomp_data, nr));
}

static void rule_put(struct corral_buf *out, const struct rule *r)
{
	uint32_t refusal = SECCOMP_RET_ERRNO | (uint32_t)r->code;

	switch (r->kind) {
	case RULE_ALLOW:
	case RULE_REFUSE:
		insn_put(out, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)r->nr);
		ret(out, r->kind == RULE_ALLOW ? SECCOMP_RET_ALLOW : refusal);
		break;
	case RULE_ALLOW_FIRST:
		argument_put(out, r, BPF_JEQ, true, SECCOMP_RET_ALLOW);
		break;
	case RULE_REFUSE_UNLESS:
		argument_put(out, r, BPF_JEQ, false, refusal);
		break;
	case RULE_REFUSE_IF:
		argument_put(out, r, BPF_JEQ, true, refusal);
		break;
	case RULE_REFUSE_BITS:
		argument_put(out, r, BPF_JSET, true, refusal);
		break;
	}
}

static void rules_put(struct corral_buf *out, const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rule_put(out, &rules[i]);
}
#define RULES_PUT(out, rules) rules_put((out), (rules), CORRAL_COUNT(rules))

/* Refuses when the flags, as far as mask shows them, are value. */
static void open_flags_put(struct corral_buf *out, int arg, uint32_t mask, uint32_t value)
{
	load(out, offsetof(struct seccomp_data, args) + 8 * (size_t)arg);
	insn_put(out, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	insn_put(out, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
	ret(out, SECCOMP_RET_ERRNO | EACCES);
}

/*
 * What Landlock lets through at the opening of a file: with access 3 every file may be opened, and
 * before ABI 3 cut to nothing; one that may be read only can be cut by O_RDONLY|O_TRUNC there. And
 * a new file may not be born with a set-user-ID bit. The mode means something only with a file
 * made, so elsewhere it may be anything.
 */
static void open_put(struct corral_buf *out, int nr, int flags_arg, int abi)
{
	size_t args = offsetof(struct seccomp_data, args), rest = abi < 3 ? 14 : 10;

	insn_put(out, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)rest, (uint32_t)nr);
	open_flags_put(out, flags_arg, O_ACCMODE, ACCESS_NEITHER);
	if (abi < 3)
		open_flags_put(out, flags_arg, O_ACCMODE | O_TRUNC, O_RDONLY | O_TRUNC);
	load(out, args + 8 * (size_t)flags_arg);
	insn_put(out, BPF_JMP | BPF_JSET | BPF_K, 0, 3, O_CREAT | (O_TMPFILE & ~O_DIRECTORY));
	load(out, args + 8 * (size_t)(flags_arg + 1));
	insn_put(out, BPF_JMP | BPF_JSET | BPF_K, 0, 1, SXID_BITS);
	ret(out, SECCOMP_RET_ERRNO | EPERM);
	load(out, offsetof(struct seccomp_data, nr));
}

static bool is_writable(const struct corral_policy *p)
{
	if (p->workspace_path)
		return true;
	for (size_t i = 0; i < p->n_mounts; i++)
		if (p->mounts[i].kind == CORRAL_MOUNT_BIND)
			return true;
	return false;
}

static void filter_build(struct corral_buf *out, const struct corral_build *b)
{
	const struct corral_policy *p = b->policy;
	int abi = b->facts->host->landlock_abi;

	/* The rules know native numbers only, so a profile that lets other ABIs in is not followed.
	 */
	load(out, offsetof(struct seccomp_data, arch));
	insn_put(out, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCH_NATIVE);
	ret(out, SECCOMP_RET_KILL_PROCESS);
	load(out, offsetof(struct seccomp_data, nr));
	insn_put(out, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
	ret(out, SECCOMP_RET_ERRNO | ENOSYS);
	RULES_PUT(out, rules_own);
	if (abi < 6)
		RULES_PUT(out, rules_no_scope);
	if (abi < 3)
		RULES_PUT(out, rules_no_truncate);
	if (p->network == CORRAL_NETWORK_NONE)
		RULES_PUT(out, rules_no_network);
	if (!is_writable(p))
		RULES_PUT(out, rules_read_only);
	RULES_PUT(out, rules_always);
#ifdef SYS_open
	open_put(out, SYS_open, 1, abi);
#endif
	open_put(out, SYS_openat, 2, abi);
	corral_buf_add(out, p->seccomp.insns, p->seccomp.n_insns * sizeof(struct sock_filter));
}

static void allow(struct corral_buf *out, const char *path, uint64_t access, uint32_t flags)
{
	static const char zeros[8];
	size_t len = strlen(path) + 1, pad = (8 - len % 8) % 8;
	struct corral_wire_allow a = { (uint32_t)(sizeof(a) + len + pad), flags, access };

	corral_buf_add(out, &a, sizeof(a));
	corral_buf_add(out, path, len);
	corral_buf_add(out, zeros, pad);
}

#define READ  (CORRAL_ALLOW_READ | CORRAL_ALLOW_IOCTL_DEV)
#define WRITE (READ | CORRAL_ALLOW_WRITE | CORRAL_ALLOW_REFER | CORRAL_ALLOW_TRUNCATE)

/* What programs need to run at all: the host's programs, and as little as can be of its /etc, /proc
 * and /dev. */
static void host_allow(struct corral_buf *out, const struct corral_etc *etc)
{
	static const char *const trees[] = { "/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32" };
	static const char *const files[] = {
		"/etc/passwd",      "/etc/group",     "/etc/nsswitch.conf", "/etc/hosts",
		"/etc/resolv.conf", "/etc/localtime", "/proc/cpuinfo",      "/proc/meminfo",
		"/proc/stat",       "/proc/loadavg",  "/proc/filesystems",
	};
	static const char *const devices[] = {
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
	};

	for (size_t i = 0; i < CORRAL_COUNT(trees); i++)
		allow(out, trees[i], READ, CORRAL_ALLOW_OPTIONAL);
	for (unsigned int i = 0; i < etc->n_bind; i++)
		allow(out, etc->bind[i], READ, CORRAL_ALLOW_OPTIONAL);
	for (size_t i = 0; i < CORRAL_COUNT(files); i++)
		allow(out, files[i], CORRAL_ALLOW_READ & ~1ull, CORRAL_ALLOW_OPTIONAL);
	for (size_t i = 0; i < CORRAL_COUNT(devices); i++)
		allow(out, devices[i],
		      (CORRAL_ALLOW_READ & ~1ull) | CORRAL_ALLOW_WRITE | CORRAL_ALLOW_TRUNCATE |
		              CORRAL_ALLOW_IOCTL_DEV,
		      CORRAL_ALLOW_OPTIONAL);
}

static void landlock_step(struct corral_build *b)
{
	corral_autobuf struct corral_buf list = CORRAL_BUF_INIT;
	const struct corral_policy *p = b->policy;
	struct corral_step *s = step_add(b, CORRAL_STEP_LANDLOCK);

	host_allow(&list, b->facts->etc);
	if (p->workspace_path)
		allow(&list, p->workspace_path, WRITE, CORRAL_ALLOW_DIRECTORY);
	for (size_t i = 0; i < p->n_mounts; i++)
		allow(&list, p->mounts[i].host_path,
		      p->mounts[i].kind == CORRAL_MOUNT_BIND ? WRITE : READ, 0);
	s->flags |= CORRAL_STEP_NO_ROOT;
	s->n[0] = (uint32_t)b->facts->host->landlock_abi;
	s->n[1] = p->network == CORRAL_NETWORK_NONE;
	b->text.failed |= list.failed;
	blob_put(b, s, list.data, list.len);
}

static int seccomp_step(struct corral_build *b, struct corral_error *err)
{
	corral_autobuf struct corral_buf filter = CORRAL_BUF_INIT;
	struct corral_step *s = step_add(b, CORRAL_STEP_SECCOMP);

	filter_build(&filter, b);
	if (filter.len > CORRAL_SECCOMP_INSNS_MAX * sizeof(struct sock_filter))
		return corral_error_set(
		        err, E2BIG,
		        "this seccomp profile leaves no room for the rules of the weaker tier "
		        "(%zu instructions, at most %u)",
		        filter.len / sizeof(struct sock_filter), CORRAL_SECCOMP_INSNS_MAX);
	b->text.failed |= filter.failed;
	blob_put(b, s, filter.data, filter.len);
	s->flags |= has(b, CORRAL_HOST_USER_NOTIF) ? CORRAL_STEP_NOTIFY : 0;
	return 0;
}

int corral_plan_confined(struct corral_build *b, struct corral_error *err)
{
	const struct corral_policy *p = b->policy;
	struct corral_step *s;

	b->stage = CORRAL_STAGE_CONFINE;
	for (unsigned int i = 0; i < b->facts->n_join; i++) {
		s = step_add(b, CORRAL_STEP_JOIN_CGROUP);
		slot_add(b, CORRAL_SLOT_JOIN, &s->fd)->index = i;
	}
	(void)step_add(b, CORRAL_STEP_SESSION);
	s = step_add(b, CORRAL_STEP_IDS);
	s->uid = p->guest_uid;
	s->gid = p->guest_gid;
	corral_plan_rlimits(b);
	s = step_add(b, CORRAL_STEP_CAPS);
	s->attr = 0;
	landlock_step(b);
	b->plan->layers |= CORRAL_LAYER_CAPS | CORRAL_LAYER_NO_NEW_PRIVS | CORRAL_LAYER_LANDLOCK |
	                   CORRAL_LAYER_SECCOMP | (b->facts->has_cgroup ? CORRAL_LAYER_CGROUP : 0);
	return seccomp_step(b, err);
}
