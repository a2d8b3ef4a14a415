/*
 * Deeds of corral-test-probe against what lies outside of the sandbox where no namespace hides it:
 * processes, files, sockets and the user's other belongings.
 */
#include "tests/real/probe_reach.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Of a swarm that meets no limit. */
#define SWARM_MAX 300
#define HOP_MS    4000

static void tell(const char *what, const char *on, long r)
{
	const char *name = r < 0 ? strerrorname_np(errno) : "ok";

	printf("%s%s%s=%s\n", what, *on ? "." : "", on, name ? name : "unknown");
}

static void reach_memory(int pid, const char *address)
{
	static const char *const files[] = { "environ", "maps", "mem", "cmdline", "stat", "cwd/." };
	char path[64], byte = 'x';
	struct iovec here = { &byte, 1 }, there = { (void *)strtoull(address, NULL, 16), 1 };
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		tell("open", files[i], open(path, O_RDONLY | O_CLOEXEC));
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	tell("open", "mem_rw", open(path, O_RDWR | O_CLOEXEC));
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	tell("readlink", "exe", readlink(path, &byte, 1));
	tell("vm_readv", "", process_vm_readv(pid, &here, 1, &there, 1, 0));
	tell("vm_writev", "", process_vm_writev(pid, &here, 1, &there, 1, 0));
	tell("pidfd_getfd", "", syscall(SYS_pidfd_getfd, pidfd, 0, 0));
	tell("kcmp", "", syscall(SYS_kcmp, getpid(), pid, KCMP_VM, 0, 0));
	tell("ptrace", "seize", ptrace(PTRACE_SEIZE, pid, 0, 0));
	tell("ptrace", "attach", ptrace(PTRACE_ATTACH, pid, 0, 0));
}

static void reach_signals(int pid)
{
	siginfo_t info = { .si_code = SI_QUEUE };
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), ends[2];
	struct f_owner_ex owner = { F_OWNER_PID, pid };

	tell("kill", "", kill(pid, SIGUSR1));
	tell("kill", "0", kill(pid, 0));
	if (getpgid(pid) > 1)
		tell("kill", "group", kill(-getpgid(pid), SIGUSR1));
	tell("tgkill", "", syscall(SYS_tgkill, pid, pid, SIGUSR1));
	tell("tkill", "", syscall(SYS_tkill, pid, SIGUSR1));
	tell("sigqueue", "", syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &info));
	tell("pidfd_signal", "", syscall(SYS_pidfd_send_signal, pidfd, SIGUSR1, NULL, 0));
	/* By the kernel's hand: a pipe whose owner hears of what happens there. Told by who dies of
	 * it. */
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) {
		(void)fcntl(ends[0], F_SETSIG, SIGUSR1);
		tell("owner", "", fcntl(ends[0], F_SETOWN, pid));
		tell("owner", "ex", fcntl(ends[0], F_SETOWN_EX, &owner));
		(void)fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK);
		(void)!write(ends[1], "x", 1);
	}
}

static void reach_limits(int pid)
{
	struct rlimit none = { 0, 0 };
	struct sched_param plain = { 0 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	tell("prlimit", "", prlimit(pid, RLIMIT_NOFILE, &none, NULL));
	tell("setpriority", "", setpriority(PRIO_PROCESS, (id_t)pid, 19));
	tell("scheduler", "", sched_setscheduler(pid, SCHED_IDLE, &plain));
	tell("affinity", "", sched_setaffinity(pid, sizeof(set), &set));
	tell("ioprio", "", syscall(SYS_ioprio_set, 1, pid, 3 << 13));
	/* Of all processes of this user; with values that do no harm should they get through. */
	if (geteuid() != 0) {
		tell("setpriority", "user", setpriority(PRIO_USER, 0, 0));
		tell("ioprio", "user", syscall(SYS_ioprio_set, 3, 0, 0));
	}
}

/* reach PID ADDRESS: nothing of a process outside may be had; a signal that gets through kills it.
 */
int corral_probe_reach(char **argv)
{
	int pid = argv[0] ? (int)strtol(argv[0], NULL, 10) : getppid();

	reach_memory(pid, argv[0] && argv[1] ? argv[1] : "400000");
	reach_limits(pid);
	reach_signals(pid);
	return 0;
}

/* parent: the same for guest init. */
int corral_probe_parent(char **argv)
{
	char pid[16];
	char *with[] = { pid, NULL };

	(void)argv;
	(void)snprintf(pid, sizeof(pid), "%d", getppid());
	return corral_probe_reach(with);
}

/* read PATH... */
int corral_probe_read(char **argv)
{
	for (; *argv; argv++) {
		char byte;
		int fd = open(*argv, O_RDONLY | O_CLOEXEC);
		long r = fd < 0 ? fd : read(fd, &byte, 1);

		/* A directory was opened for its names. */
		tell("read", *argv, fd >= 0 && r < 0 && errno == EISDIR ? 0 : r);
	}
	return 0;
}

/* harm PATH DIR: all that could change or move a file outside; DIR is one of ours, or "-". */
int corral_probe_harm(char **argv)
{
	char to[1024];

	(void)snprintf(to, sizeof(to), "%s/taken", argv[1]);
	tell("open", "write", open(argv[0], O_WRONLY | O_CLOEXEC));
	tell("open", "append", open(argv[0], O_WRONLY | O_APPEND | O_CLOEXEC));
	tell("open", "neither", open(argv[0], 3 | O_CLOEXEC));
	tell("open", "neither_cut", open(argv[0], 3 | O_TRUNC | O_CLOEXEC));
	tell("open", "cut", open(argv[0], O_RDONLY | O_TRUNC | O_CLOEXEC));
	tell("truncate", "", truncate(argv[0], 0));
	tell("link", "", link(argv[0], to));
	tell("rename", "", rename(argv[0], to));
	tell("rename", "over", rename(to, argv[0]));
	tell("unlink", "", unlink(argv[0]));
	tell("setxattr", "", syscall(SYS_setxattr, argv[0], "user.probe", "x", 1, 0));
	if (!strcmp(argv[1], "-")) {
		tell("chmod", "", chmod(argv[0], 0777));
		tell("chown", "", chown(argv[0], (uid_t)-1, getgid()));
		tell("utime", "", utimensat(AT_FDCWD, argv[0], NULL, 0));
		tell("watch", "", inotify_add_watch(inotify_init1(IN_CLOEXEC), argv[0], IN_OPEN));
	}
	return 0;
}

/* birth DIR: files that would run as this user for everybody. */
int corral_probe_birth(char **argv)
{
	char path[1024];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/born", argv[0]);
	tell("open", "", open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 04755));
	tell("open", "tmpfile", open(argv[0], O_WRONLY | O_TMPFILE | O_CLOEXEC, 02755));
	tell("creat", "", creat(path, 06755)); /* NOLINT(android-cloexec-creat) */
	tell("mknod", "", mknod(path, S_IFREG | 04755, 0));
	tell("device", "", mknod(path, S_IFCHR | 0600, 0x103));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0755);
	tell("plain", "", fd);
	tell("chmod", "", chmod(path, 04755));
	tell("fchmod", "", fchmod(fd, 02755));
	tell("fchmodat", "", fchmodat(AT_FDCWD, path, 04755, 0));
	tell("chmod", "plain", chmod(path, 0700));
	/* Means nothing without a file to be made. */
	tell("open", "mode_unused",
	     syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 04755));
	return 0;
}

/* network [PORT]: every way to a socket. */
int corral_probe_network(char **argv)
{
	static const struct {
		const char *name;
		int family;
	} families[] = {
		{ "inet", AF_INET },       { "inet6", AF_INET6 }, { "unix", AF_UNIX },
		{ "netlink", AF_NETLINK }, { "vsock", AF_VSOCK }, { "packet", AF_PACKET }
	};
	int pair[2];

	(void)argv;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		int type = families[i].family == AF_INET ? SOCK_STREAM : SOCK_DGRAM;

		tell("socket", families[i].name,
		     socket(families[i].family, type | SOCK_CLOEXEC, 0));
	}
	tell("pair", "stream", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	tell("pair", "dgram", socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	tell("pair", "raw", socketpair(AF_UNIX, SOCK_RAW | SOCK_CLOEXEC, 0, pair));
	tell("shmget", "", shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
	tell("uring", "", syscall(SYS_io_uring_setup, 1, NULL));
	tell("keyctl", "", syscall(SYS_keyctl, 0, -4, 0));
	return 0;
}

/* swarm: sleepers, until one is refused or there are SWARM_MAX of them; they end by themselves. */
int corral_probe_swarm(char **argv)
{
	pid_t pids[SWARM_MAX];
	int n, code = 0;

	(void)argv;
	for (n = 0; n < SWARM_MAX; n++) {
		pids[n] = fork();
		if (pids[n] < 0) {
			code = errno;
			break;
		}
		if (pids[n] == 0) {
			(void)alarm(5);
			(void)pause();
			_exit(0);
		}
	}
	for (int i = 0; i < n; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	printf("children=%d\nrefused=%s\n", n, code ? strerrorname_np(code) : "none");
	return 0;
}

static long now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* hop: four daemons, each of which forks and ends, over and over: never more than eight, for
 * HOP_MS. */
int corral_probe_hop(char **argv)
{
	const struct timespec moment = { .tv_nsec = 200000000 };
	long end = now_ms() + HOP_MS;

	(void)argv;
	for (int i = 0; i < 4; i++) {
		if (fork() != 0)
			continue;
		(void)setsid();
		while (now_ms() < end)
			if (fork() != 0)
				_exit(0);
		_exit(0);
	}
	(void)nanosleep(&moment, NULL);
	puts("hopping=yes");
	return 0;
}

/* hide: a daemon that nobody may look at (proc(5), hidepid). Ends by itself after a while. */
int corral_probe_hide(char **argv)
{
	int ready[2];
	char byte;

	(void)argv;
	if (pipe2(ready, O_CLOEXEC) < 0)
		return 1;
	if (fork() == 0) {
		(void)setsid();
		if (fork() == 0) {
			(void)prctl(PR_SET_DUMPABLE, 0);
			(void)prctl(PR_SET_PDEATHSIG, 0);
			(void)alarm(30);
			(void)!write(ready[1], "r", 1);
			for (;;)
				(void)pause();
		}
		_exit(0);
	}
	(void)!read(ready[0], &byte, 1);
	puts("hidden=yes");
	return 0;
}
