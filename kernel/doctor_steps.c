/*
 * Every attempt does what a launch does, as small as it can be and still be real, in a child that
 * throws its namespaces away. None of them reports success that it has not seen.
 */
#include "kernel/doctor_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/doctor_confine.h"
#include "kernel/doctor_enter.h"
#include "kernel/network/network.h"

/* By number: the libc's <sys/mount.h> and the kernel's <linux/mount.h> cannot always be had in one
 * file, and the new calls are only in the second. */
#define DETACH 2 /* MNT_DETACH */

typedef struct corral_doctor_context ctx_t;
typedef struct corral_doctor_outcome out_t;

static long do_mount(const char *source, const char *target, const char *type, unsigned long flags,
                     const char *options)
{
	return syscall(SYS_mount, source, target, type, flags, options);
}

static bool make_private(out_t *out)
{
	if (do_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return true;
	corral_doctor_fail(out, "mount(MS_REC | MS_PRIVATE)");
	return false;
}

/* A private tmpfs as working directory, over a directory that every host has. */
static bool make_scratch(out_t *out)
{
	static const char *const places[] = { "/tmp", "/run", "/mnt", "/var", "/usr" };

	if (!make_private(out))
		return false;
	for (size_t i = 0; i < CORRAL_COUNT(places); i++) {
		if (access(places[i], F_OK) < 0)
			continue;
		if (do_mount("none", places[i], "tmpfs", MS_NOSUID | MS_NODEV,
		             "size=1m,nr_inodes=64,mode=755") == 0 &&
		    chdir(places[i]) == 0)
			return true;
		break;
	}
	corral_doctor_fail(out, "mount(tmpfs)");
	return false;
}

static bool make_dirs(const char *const *names, size_t n, out_t *out)
{
	for (size_t i = 0; i < n; i++)
		if (mkdir(names[i], 0755) < 0) {
			corral_doctor_fail(out, "mkdir on tmpfs");
			return false;
		}
	return true;
}

static void in_user(const ctx_t *ctx, out_t *out)
{
	(void)ctx;
	errno = EPERM;
	if (geteuid() != 0)
		corral_doctor_fail(out, "geteuid in the user namespace");
}

static void try_user(const ctx_t *ctx, out_t *out)
{
	/* Also as root, who would not need it for the rest. */
	corral_doctor_enter(ctx, CLONE_NEWUSER, in_user, out);
}

static void in_range(const ctx_t *ctx, out_t *out)
{
	(void)ctx;
	/* Raw: the libc's would want every thread of the doctor's caller to follow. */
	if (syscall(SYS_setresgid, 1, 1, 1) < 0 || syscall(SYS_setresuid, 1, 1, 1) < 0)
		corral_doctor_fail(out, "setresuid in the user namespace");
}

static void try_range(const ctx_t *ctx, out_t *out)
{
	const struct corral_host_facts *f = &ctx->facts;

	if (!ctx->privileged) {
		out->what = "newuidmap";
		if (!f->has_newuidmap || !f->subuid_count || !f->subgid_count) {
			errno = ENOENT;
			corral_doctor_fail(out, f->has_newuidmap ? "/etc/subuid" : "newuidmap");
			return;
		}
	}
	corral_doctor_enter_range(ctx, in_range, out);
}

static void in_mount(const ctx_t *ctx, out_t *out)
{
	(void)ctx;
	(void)make_private(out);
}

static void try_mount(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS, in_mount, out);
}

static void in_pid(const ctx_t *ctx, out_t *out)
{
	(void)ctx;
	errno = EINVAL;
	if (getpid() != 1)
		corral_doctor_fail(out, "getpid in the pid namespace");
}

static void try_pid(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWPID, in_pid, out);
}

static void in_nothing(const ctx_t *ctx, out_t *out)
{
	(void)ctx;
	(void)out;
}

static void try_ipc(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWIPC, in_nothing, out);
}

static void in_uts(const ctx_t *ctx, out_t *out)
{
	(void)ctx;
	if (sethostname("corral", 6) < 0)
		corral_doctor_fail(out, "sethostname");
}

static void try_uts(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWUTS, in_uts, out);
}

static void try_cgroup(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWCGROUP, in_nothing, out);
}

static void in_net(const ctx_t *ctx, out_t *out)
{
	corral_autofd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request;

	(void)ctx;
	if (fd < 0) {
		corral_doctor_fail(out, "socket");
		return;
	}
	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, "lo", 3);
	request.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		corral_doctor_fail(out, "ioctl(SIOCSIFFLAGS) on the loopback interface");
}

static void try_net(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNET, in_net, out);
}

static void in_scratch(const ctx_t *ctx, out_t *out)
{
	(void)ctx;
	if (make_scratch(out) && mkdir("d", 0755) < 0)
		corral_doctor_fail(out, "mkdir on tmpfs");
}

static void try_tmpfs(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS, in_scratch, out);
}

static bool mount_overlay(const ctx_t *ctx, const char *options, out_t *out)
{
	struct stat lower, merged;

	(void)ctx;
	if (do_mount("overlay", "m", "overlay", MS_NOSUID | MS_NODEV, options) < 0)
		corral_doctor_fail(out, "mount(overlay)");
	else if (mkdir("m/new", 0755) < 0 || stat("u/new", &merged) < 0)
		corral_doctor_fail(out, "mkdir on the overlay");
	else if (stat("/usr/bin", &lower) == 0 && stat("m/bin", &merged) < 0)
		corral_doctor_fail(out, "stat of a lower file through the overlay");
	else
		return true;
	return false;
}

static void in_overlay(const ctx_t *ctx, out_t *out)
{
	static const char *const dirs[] = { "u", "w", "m" };

	if (make_scratch(out) && make_dirs(dirs, CORRAL_COUNT(dirs), out))
		(void)mount_overlay(ctx,
		                    ctx->privileged
		                            ? "lowerdir=/usr,upperdir=u,workdir=w"
		                            : "lowerdir=/usr,upperdir=u,workdir=w,userxattr",
		                    out);
}

static void try_overlay(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS, in_overlay, out);
}

static void in_id_mapped(const ctx_t *ctx, out_t *out)
{
	static const char *const dirs[] = { "l", "u", "w", "m" };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP };
	int userns = -1, tree;

	if (!make_scratch(out) || !make_dirs(dirs, CORRAL_COUNT(dirs), out))
		return;
	userns = corral_doctor_open_range(ctx, out);
	if (userns < 0)
		return;
	attr.userns_fd = (uint64_t)userns;
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		corral_doctor_fail(out, "open_tree");
	else if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		corral_doctor_fail(out, "mount_setattr(MOUNT_ATTR_IDMAP)");
	else if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "l", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		corral_doctor_fail(out, "move_mount");
	else
		(void)mount_overlay(ctx, "lowerdir=l,upperdir=u,workdir=w", out);
}

static void try_id_mapped(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS, in_id_mapped, out);
}

static void in_proc(const ctx_t *ctx, out_t *out)
{
	static const char *const dirs[] = { "p" };

	(void)ctx;
	if (!make_scratch(out) || !make_dirs(dirs, 1, out))
		return;
	if (do_mount("proc", "p", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		corral_doctor_fail(out, "mount(proc)");
	else if (access("p/1/status", F_OK) < 0)
		corral_doctor_fail(out, "open of its own /proc/1");
}

static void try_proc(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER, in_proc, out);
	/* Root mounts it before it enters the user namespace, where a masked /proc does not count.
	 */
	if (out->code && ctx->privileged) {
		memset(out, 0, sizeof(*out));
		corral_doctor_enter(ctx, CLONE_NEWNS | CLONE_NEWPID, in_proc, out);
	}
}

static void in_devpts(const ctx_t *ctx, out_t *out)
{
	static const char *const dirs[] = { "pts" };
	corral_autofd int fd = -1;

	(void)ctx;
	if (!make_scratch(out) || !make_dirs(dirs, 1, out))
		return;
	if (do_mount("devpts", "pts", "devpts", MS_NOSUID | MS_NOEXEC,
	             "newinstance,ptmxmode=0666,mode=620") < 0) {
		corral_doctor_fail(out, "mount(devpts)");
		return;
	}
	fd = open("pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		corral_doctor_fail(out, "open of its own ptmx");
}

static void try_devpts(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS, in_devpts, out);
}

static void in_mqueue(const ctx_t *ctx, out_t *out)
{
	static const char *const dirs[] = { "q" };

	(void)ctx;
	if (make_scratch(out) && make_dirs(dirs, 1, out) &&
	    do_mount("mqueue", "q", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		corral_doctor_fail(out, "mount(mqueue)");
}

static void try_mqueue(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS | CLONE_NEWIPC, in_mqueue, out);
}

static void in_pivot(const ctx_t *ctx, out_t *out)
{
	(void)ctx;
	if (!make_scratch(out))
		return;
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		corral_doctor_fail(out, "pivot_root");
	else if (syscall(SYS_umount2, ".", DETACH) < 0)
		corral_doctor_fail(out, "umount2(MNT_DETACH) of the old root");
	else if (access("/usr", F_OK) == 0) {
		errno = EEXIST;
		corral_doctor_fail(out, "the old root, which is still there");
	}
}

static void try_pivot(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS, in_pivot, out);
}

static void in_mount_api(const ctx_t *ctx, out_t *out)
{
	static const char *const dirs[] = { "n" };
	int fs, mnt;

	(void)ctx;
	if (!make_scratch(out) || !make_dirs(dirs, 1, out))
		return;
	fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0) {
		corral_doctor_fail(out, "fsopen");
		return;
	}
	if (syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
		corral_doctor_fail(out, "fsconfig");
		return;
	}
	mnt = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
	if (mnt < 0)
		corral_doctor_fail(out, "fsmount");
	else if (syscall(SYS_move_mount, mnt, "", AT_FDCWD, "n", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		corral_doctor_fail(out, "move_mount");
	else if (syscall(SYS_open_tree, AT_FDCWD, "n", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC) < 0)
		corral_doctor_fail(out, "open_tree");
}

static void try_mount_api(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS, in_mount_api, out);
}

static void in_mount_setattr(const ctx_t *ctx, out_t *out)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
		                               MOUNT_ATTR_NODEV };
	static const int recursive = 0x8000; /* AT_RECURSIVE */

	(void)ctx;
	if (!make_scratch(out))
		return;
	if (syscall(SYS_mount_setattr, AT_FDCWD, ".", recursive, &attr, sizeof(attr)) < 0) {
		corral_doctor_fail(out, "mount_setattr");
		return;
	}
	if (mkdir("d", 0755) == 0 || errno != EROFS) {
		errno = EINVAL;
		corral_doctor_fail(out, "mount_setattr, which changed nothing");
	}
}

static void try_mount_setattr(const ctx_t *ctx, out_t *out)
{
	corral_doctor_enter(ctx, CLONE_NEWNS, in_mount_setattr, out);
}

static void try_openat2(const ctx_t *ctx, out_t *out)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

	(void)ctx;
	if (syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how)) < 0)
		corral_doctor_fail(out, "openat2");
}

static void clone3_and_reap(struct clone_args *args, const char *call, out_t *out)
{
	pid_t pid;

	args->exit_signal = SIGCHLD;
	pid = (pid_t)syscall(SYS_clone3, args, sizeof(*args));
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		corral_doctor_fail(out, call);
	else
		(void)corral_doctor_reap(pid);
}

static void try_clone3(const ctx_t *ctx, out_t *out)
{
	struct clone_args args = { 0 };

	(void)ctx;
	clone3_and_reap(&args, "clone3", out);
}

static void try_clone_into_cgroup(const ctx_t *ctx, out_t *out)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP };

	if (ctx->cgroup_fd < 0) {
		errno = ENOENT;
		corral_doctor_fail(out, "the search for a v2 cgroup that we may write");
		return;
	}
	args.cgroup = (uint64_t)ctx->cgroup_fd;
	clone3_and_reap(&args, "clone3(CLONE_INTO_CGROUP)", out);
}

static void try_keyring(const ctx_t *ctx, out_t *out)
{
	(void)ctx;
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0)
		corral_doctor_fail(out, "keyctl(KEYCTL_JOIN_SESSION_KEYRING)");
}

static void try_runtime_dir(const ctx_t *ctx, out_t *out)
{
	/* Without a name, so that nothing stays whatever happens. */
	corral_autofd int fd = open(ctx->runtime_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno == EOPNOTSUPP && access(ctx->runtime_dir, W_OK) == 0))
		return;
	corral_doctor_fail(out, "open for writing");
}

static void try_network_helper(const ctx_t *ctx, out_t *out)
{
	char path[4096];

	(void)ctx;
	errno = ENOENT;
	if (!corral_network_program(path, sizeof(path)))
		corral_doctor_fail(out, "find corral-net");
}

/* What corral-net looks at when it is asked; of the host's firewall it tells then. */
static void try_bridge(const ctx_t *ctx, out_t *out)
{
	corral_autofd int fd = -1;
	char on = '0';

	if (ctx->privileged) {
		fd = open("/proc/sys/net/ipv4/ip_forward", O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, &on, 1) == 1 && on != '0')
			return;
		errno = EOPNOTSUPP;
		corral_doctor_fail(out, "net.ipv4.ip_forward");
		return;
	}
	if (access("/usr/bin/pasta", X_OK) < 0 && access("/usr/local/bin/pasta", X_OK) < 0) {
		out->what = "network-pasta";
		corral_doctor_fail(out, "pasta");
	} else if (access("/dev/net/tun", R_OK | W_OK) < 0) {
		out->what = "network-tun";
		corral_doctor_fail(out, "open /dev/net/tun");
	}
}

#define MISSING CORRAL_DOCTOR_MISSING
#define LESS    CORRAL_DOCTOR_DEGRADED
#define USERNS  CORRAL_DOCTOR_IN_USERNS

const struct corral_doctor_step corral_doctor_steps[] = {
	{ "user-namespaces", "user-namespace", MISSING, 0,
	  "root inside would be root outside; without root, nothing else can be had", try_user },
	{ "id-range", "id-map", LESS, USERNS,
	  "one id inside: sandboxes share it, and programs that change users fail", try_range },
	{ "mount-namespaces", "mount-namespace", MISSING, USERNS, "no file system view of its own",
	  try_mount },
	{ "pid-namespaces", "pid-namespace", MISSING, USERNS,
	  "processes see each other, and can outlive their sandbox", try_pid },
	{ "ipc-namespaces", "ipc-namespace", MISSING, USERNS,
	  "System V IPC and message queues shared with the host", try_ipc },
	{ "uts-namespaces", "uts-namespace", MISSING, USERNS, "no host name of its own", try_uts },
	{ "cgroup-namespaces", "cgroup-namespace", MISSING, USERNS,
	  "the host's cgroup paths are seen inside", try_cgroup },
	{ "network-namespaces", "network-namespace", MISSING, USERNS,
	  "the host's network is open to the guest", try_net },
	{ "network-helper", "network-helper", LESS, 0,
	  "no networks but none and host, and no published ports", try_network_helper },
	{ "network-bridge", "network-forwarding", LESS, 0,
	  "no network that is neither none nor the host's", try_bridge },
	{ "tmpfs", "mount", MISSING, USERNS, "no private root, no size-limited scratch space",
	  try_tmpfs },
	{ "overlay", "overlay", LESS, USERNS, "no writable layer over the host's programs",
	  try_overlay },
	{ "overlay-id-mapped", "id-mapped", LESS, CORRAL_DOCTOR_SKIP_USER,
	  "files of a shared layer show as owned by nobody in a sandbox with ids of its own",
	  try_id_mapped },
	{ "proc", "mount-proc", MISSING, USERNS, "no /proc of its own: the host's would show",
	  try_proc },
	{ "devpts", "devpts", LESS, USERNS, "no terminal inside (--tty)", try_devpts },
	{ "mqueue", "mqueue", LESS, USERNS, "no /dev/mqueue inside", try_mqueue },
	{ "pivot-root", "pivot-root", MISSING, USERNS, "the host's files stay reachable",
	  try_pivot },
	{ "mount-api", "mount-api", LESS, USERNS,
	  "mounts are made by path rather than by descriptor: slower, same fences", try_mount_api },
	{ "mount-setattr", "mount-setattr", LESS, USERNS,
	  "read-only and nosuid are set mount by mount: slower, same fences", try_mount_setattr },
	{ "openat2", "openat2", LESS, 0,
	  "paths are walked one component at a time: slower, same fences", try_openat2 },
	{ "clone3", "clone3", LESS, 0, "the launch uses clone: slower, same fences", try_clone3 },
	{ "clone-into-cgroup", "clone-into-cgroup", LESS, 0,
	  "a sandbox joins its cgroup by a write: slower, same limits", try_clone_into_cgroup },
	{ "no-new-privs", "no-new-privs", MISSING, 0, "set-user-ID programs gain privileges",
	  corral_doctor_try_no_new_privs },
	{ "seccomp", "seccomp", MISSING, 0, "every system call of the kernel is open to the guest",
	  corral_doctor_try_seccomp },
	{ "user-notification", "user-notification", LESS, 0,
	  "refused calls are not listed in receipts", corral_doctor_try_listener },
	{ "landlock", "landlock", LESS, 0, "no second fence around files",
	  corral_doctor_try_landlock },
	{ "keyring", "keyring", LESS, 0, "the caller's session keyring is seen inside",
	  try_keyring },
	{ "memfd-exec", "memfd-exec", MISSING, 0, "guest init cannot be started from sealed memory",
	  corral_doctor_try_memfd },
	{ "runtime-directory", "runtime-directory", MISSING, CORRAL_DOCTOR_SKIP_USER,
	  "no place to lease a range of ids in, which each of root's sandboxes has",
	  try_runtime_dir },
};

const size_t corral_doctor_step_count = CORRAL_COUNT(corral_doctor_steps);
