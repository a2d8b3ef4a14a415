/*
 * corral-test-probe: what a process in the sandbox sees and may do, told as key=value lines; a test
 * outside compares them with what was promised. Static, as the roots it runs in may have no
 * libraries, and without sanitizers, whose own mappings and calls would be seen.
 *
 * corral-test-probe                 the facts
 * corral-test-probe DEED [ARG...]   one deed: see the table at the end
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/real/probe_reach.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

extern char **environ;

/* "ok", or the errno's name. */
static const char *result(long r)
{
	const char *name = r < 0 ? strerrorname_np(errno) : "ok";

	return name ? name : "unknown";
}

static void tell_link(const char *key, const char *path)
{
	char target[1024];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	printf("%s=%s\n", key, n < 0 ? result(-1) : target);
}

/* A small file, its lines joined by spaces. */
static void tell_file(const char *key, const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	printf("%s=", key);
	if (n < 0) {
		puts(result(-1));
	} else {
		size_t len = 0;

		for (ssize_t i = 0; i < n; i++) {
			int blank = text[i] == '\n' || text[i] == ' ' || text[i] == '\t';

			if (!blank)
				text[len++] = text[i];
			else if (len && text[len - 1] != ' ')
				text[len++] = ' ';
		}
		while (len && text[len - 1] == ' ')
			len--;
		text[len] = '\0';
		puts(text);
	}
	if (fd >= 0)
		(void)close(fd);
}

static void tell_namespaces(void)
{
	static const char *const names[] = { "user", "mnt",    "pid", "ipc",
		                             "uts",  "cgroup", "net", "time" };

	for (size_t i = 0; i < COUNT(names); i++) {
		char key[32], path[64];

		(void)snprintf(key, sizeof(key), "ns.%s", names[i]);
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		tell_link(key, path);
	}
}

/* mount.POINT=TYPE OPTIONS */
static void tell_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], root[1024], point[1024], options[512], type[64];

	while (f && fgets(line, sizeof(line), f)) {
		const char *dash = strstr(line, " - ");

		if (dash &&
		    sscanf(line, "%*d %*d %*s %1023s %1023s %511s", root, point, options) == 3 &&
		    sscanf(dash, " - %63s", type) == 1)
			printf("mount.%s=%s %s\n", point, type, options);
	}
	if (f)
		(void)fclose(f);
}

static void tell_status(void)
{
	static const char *const wanted[] = { "CapInh", "CapPrm",     "CapEff",  "CapBnd", "CapAmb",
		                              "SigBlk", "NoNewPrivs", "Seccomp", "SigIgn", "Groups",
		                              "Uid",    "Gid",        "Pid",     "PPid",   "NSpid",
		                              "NSsid",  "Umask",      "Threads" };
	FILE *f = fopen("/proc/self/status", "re");
	char line[1024];

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < COUNT(wanted); i++) {
			size_t len = strlen(wanted[i]);
			char *value = line + len + 1, *end;

			if (strncmp(line, wanted[i], len) != 0 || line[len] != ':')
				continue;
			value += strspn(value, " \t");
			for (char *p = value; *p; p++)
				if (*p == '\t')
					*p = ' ';
			for (end = value + strlen(value);
			     end > value && (end[-1] == '\n' || end[-1] == ' ');)
				*--end = '\0';
			printf("status.%s=%s\n", wanted[i], value);
		}
	if (f)
		(void)fclose(f);
}

/* KEY.NAME=what it is */
static void tell_directory(const char *key, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		printf("%s=%s\n", key, result(-1));
	while (dir && (entry = readdir(dir)) != NULL) {
		struct stat st;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			printf("%s.%s=%s\n", key, entry->d_name, result(-1));
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			printf("%s.%s=%s %u:%u %o\n", key, entry->d_name,
			       S_ISCHR(st.st_mode) ? "char" : "block", major(st.st_rdev),
			       minor(st.st_rdev), st.st_mode & 07777);
		else
			printf("%s.%s=%s %u:%u %o\n", key, entry->d_name,
			       S_ISDIR(st.st_mode)   ? "dir"
			       : S_ISLNK(st.st_mode) ? "link"
			                             : "file",
			       st.st_uid, st.st_gid, st.st_mode & 07777);
	}
	if (dir)
		(void)closedir(dir);
}

/* By number, not by /proc/self/fd, whose own descriptor would be among them. */
static void tell_descriptors(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		char key[32], path[64];

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		(void)snprintf(key, sizeof(key), "fd.%d", fd);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		tell_link(key, path);
	}
}

static void tell_rlimits(void)
{
	static const struct {
		const char *name;
		int which;
	} rows[] = {
		{ "core", RLIMIT_CORE },         { "nofile", RLIMIT_NOFILE },
		{ "fsize", RLIMIT_FSIZE },       { "memlock", RLIMIT_MEMLOCK },
		{ "rtprio", RLIMIT_RTPRIO },     { "nice", RLIMIT_NICE },
		{ "msgqueue", RLIMIT_MSGQUEUE },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rlimit l = { 0, 0 };

		(void)getrlimit((__rlimit_resource_t)rows[i].which, &l);
		printf("rlimit.%s=%lld:%lld\n", rows[i].name, (long long)l.rlim_cur,
		       (long long)l.rlim_max);
	}
}

static void tell_interfaces(void)
{
	struct if_nameindex *list = if_nameindex();

	for (struct if_nameindex *i = list; i && i->if_index; i++) {
		struct ifreq request = { 0 };
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", i->if_name);
		(void)ioctl(fd, SIOCGIFFLAGS, &request);
		printf("interface.%s=%s\n", i->if_name, request.ifr_flags & IFF_UP ? "up" : "down");
		(void)close(fd);
	}
	if (list)
		if_freenameindex(list);
}

/* O_WRONLY alone: opening is asked for, nothing is written. */
static void tell_writable(void)
{
	static const char *const paths[] = {
		"/proc/sysrq-trigger",
		"/proc/sys/kernel/core_pattern",
		"/proc/sys/kernel/hostname",
		"/proc/sys/vm/overcommit_memory",
		"/proc/self/oom_score_adj",
		"/proc/self/uid_map",
		"/proc/self/attr/current",
		"/proc/kcore",
		"/proc/1/mem",
		"/proc/1/oom_score_adj",
		"/etc/ld.so.cache",
		"/dev/null",
		"/dev/new-file",
		"/sys/new-file",
	};

	for (size_t i = 0; i < COUNT(paths); i++) {
		int fd = open(paths[i],
		              O_WRONLY | O_CLOEXEC | (strstr(paths[i], "new") ? O_CREAT : 0), 0600);

		printf("write.%s=%s\n", paths[i], result(fd));
		if (fd >= 0)
			(void)close(fd);
	}
}

static void tell_readable(void)
{
	static const char *const paths[] = { "/proc/1/environ", "/proc/1/maps", "/proc/1/root",
		                             "/proc/1/cwd",     "/proc/1/fd/3", "/proc/1/exe",
		                             "/proc/kcore",     "/proc/keys" };

	for (size_t i = 0; i < COUNT(paths); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		char byte;
		long r = fd < 0 ? fd : read(fd, &byte, 1);

		printf("read.%s=%s\n", paths[i], r == 0 ? "empty" : result(r));
		if (fd >= 0)
			(void)close(fd);
	}
}

/* What is refused, and with which errno. */
static void tell_calls(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	char attr[64] = { 0 }, byte;
	struct iovec here = { &byte, 1 }, there = { (void *)0x400000, 1 };
	long r;

	printf("call.bpf=%s\n", result(syscall(SYS_bpf, 0, attr, sizeof(attr))));
	printf("call.socket_alg=%s\n", result(socket(AF_ALG, SOCK_SEQPACKET, 0)));
	printf("call.socket_packet=%s\n", result(socket(AF_PACKET, SOCK_RAW, 0)));
	printf("call.socket_vsock=%s\n", result(socket(AF_VSOCK, SOCK_STREAM, 0)));
	printf("call.socket_inet=%s\n", result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
	printf("call.unshare_user=%s\n", result(unshare(CLONE_NEWUSER)));
	printf("call.unshare_mount=%s\n", result(unshare(CLONE_NEWNS)));
	r = syscall(SYS_clone3, &args, sizeof(args));
	if (r == 0)
		_exit(0);
	printf("call.clone3=%s\n", result(r));
	r = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	if (r == 0)
		_exit(0);
	printf("call.clone_newuser=%s\n", result(r));
	printf("call.mount=%s\n", result(mount("none", "/tmp", "tmpfs", 0, NULL)));
	printf("call.umount=%s\n", result(umount2("/proc", MNT_DETACH)));
	printf("call.mknod=%s\n", result(mknod("/tmp/probe-node", S_IFCHR | 0600, makedev(1, 3))));
	printf("call.keyctl=%s\n",
	       result(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0)));
	printf("call.add_key=%s\n",
	       result(syscall(SYS_add_key, "user", "probe", "x", 1, KEY_SPEC_SESSION_KEYRING)));
	printf("call.ptrace_init=%s\n", result(ptrace(PTRACE_SEIZE, 1, 0, 0)));
	printf("call.vm_readv_init=%s\n", result(process_vm_readv(1, &here, 1, &there, 1, 0)));
	/* PID 1 takes no signal from inside; being told "ok" is the kernel's way of ignoring it. */
	(void)kill(1, SIGKILL);
	(void)kill(1, SIGTERM);
	printf("init_alive=%s\n", kill(1, 0) == 0 ? "yes" : "no");
	printf("call.sethostname=%s\n", result(sethostname("probe", 5)));
	printf("call.setuid_1=%s\n", result(syscall(SYS_setresuid, -1, 1, -1)));
}

static void tell_root(void)
{
	struct stat root, above;

	/* Once the host's root lay stacked on the guest's, and "/.." stepped onto it. */
	if (stat("/", &root) < 0 || stat("/..", &above) < 0)
		printf("root.above=%s\n", result(-1));
	else
		printf("root.above=%s\n", root.st_dev == above.st_dev && root.st_ino == above.st_ino
		                                  ? "itself"
		                                  : "another");
	tell_directory("dir", "/");
	tell_directory("above", "/..");
	tell_directory("etc", "/etc");
	tell_directory("home", "/home");
	tell_directory("root", "/root");
	tell_directory("var", "/var");
	tell_directory("run", "/run");
	tell_directory("tmp", "/tmp");
	tell_directory("sys", "/sys");
	tell_directory("dev", "/dev");
	tell_directory("pts", "/dev/pts");
	tell_file("passwd", "/etc/passwd");
}

static void tell_process(void)
{
	char text[4096];
	mode_t mask = umask(0);
	int fd;

	(void)umask(mask);
	printf("umask=%o\n", mask);
	printf("cwd=%s\n", getcwd(text, sizeof(text)) ? text : result(-1));
	(void)gethostname(text, sizeof(text));
	printf("hostname=%s\n", text);
	printf("pid=%d\nppid=%d\nsid=%d\npgid=%d\n", getpid(), getppid(), getsid(0), getpgrp());
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
	printf("tty=%s\n", result(fd));
	printf("securebits=%d\n", prctl(PR_GET_SECUREBITS));
	printf("securebits_wanted=%d\n",
	       SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
	               SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
	               SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED);
	printf("personality=%d\n", personality(0xffffffff));
	printf("pdeathsig=%d\n", prctl(PR_GET_PDEATHSIG, &fd) == 0 ? fd : -1);
	printf("priority=%d\n", getpriority(PRIO_PROCESS, 0));
	printf("scheduler=%d\n", sched_getscheduler(0));
	tell_file("oom_score_adj", "/proc/self/oom_score_adj");
	tell_file("uid_map", "/proc/self/uid_map");
	tell_file("gid_map", "/proc/self/gid_map");
	tell_file("setgroups", "/proc/self/setgroups");
	tell_file("cgroup", "/proc/self/cgroup");
	for (char **e = environ; *e; e++)
		printf("env.%s\n", *e);
}

static int facts(char **argv)
{
	(void)argv;
	(void)setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	tell_descriptors();
	tell_namespaces();
	tell_mounts();
	tell_status();
	tell_process();
	tell_rlimits();
	tell_interfaces();
	tell_root();
	tell_writable();
	tell_readable();
	tell_calls();
	puts("told=all");
	return fflush(stdout) == 0 ? 0 : 1;
}

/* --- Deeds --- */

static int bomb_memory(char **argv)
{
	(void)argv;
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		               -1, 0);

		if (p == MAP_FAILED)
			return 1;
		memset(p, 1, 1 << 20);
	}
}

/* Children that wait, until one is refused. */
static int bomb_fork(char **argv)
{
	int n = 0;

	(void)argv;
	for (;; n++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				(void)pause();
		if (pid < 0) {
			printf("refused=%s\nchildren=%d\n", result(-1), n);
			return 1;
		}
	}
}

/* fill DIR: writes until told to stop. */
static int fill(char **argv)
{
	static char block[1 << 16];
	char path[512];
	long total = 0;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/filling", argv[0] ? argv[0] : ".");
	memset(block, 'x', sizeof(block));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (fd >= 0 && (n = write(fd, block, sizeof(block))) > 0)
		total += n;
	printf("stopped=%s\nbytes=%ld\n", result(-1), total);
	return 1;
}

/* inodes DIR: empty files until refused. */
static int inodes(char **argv)
{
	char path[512];
	long n;

	for (n = 0;; n++) {
		int fd;

		(void)snprintf(path, sizeof(path), "%s/f%ld", argv[0] ? argv[0] : ".", n);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			break;
		(void)close(fd);
	}
	printf("stopped=%s\nfiles=%ld\n", result(-1), n);
	return 1;
}

static int descriptors(char **argv)
{
	int n = 0;

	(void)argv;
	while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		n++;
	printf("stopped=%s\nopened=%d\n", result(-1), n);
	return 0;
}

static int flood(char **argv)
{
	static char block[1 << 14];

	(void)argv;
	memset(block, 'y', sizeof(block));
	while (write(1, block, sizeof(block)) > 0)
		;
	return 1;
}

/* daemon [SECONDS]: twice forked, in a session of its own, deaf, and with standard output open. */
static int daemonise(char **argv)
{
	int ready[2];
	char byte;

	(void)argv;
	if (pipe2(ready, O_CLOEXEC) < 0)
		return 1;
	if (fork() == 0) {
		(void)setsid();
		if (fork() == 0) {
			(void)signal(SIGTERM, SIG_IGN);
			(void)signal(SIGHUP, SIG_IGN);
			(void)signal(SIGPIPE, SIG_IGN);
			(void)!write(ready[1], "r", 1);
			for (;;)
				(void)pause();
		}
		_exit(0);
	}
	(void)!read(ready[0], &byte, 1);
	puts("daemon=started");
	return 0;
}

static int deaf(char **argv)
{
	(void)argv;
	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_IGN);
	puts("deaf=yes");
	(void)fflush(stdout);
	while (pause() < 0)
		;
	return 1;
}

static int die_of(char **argv)
{
	int signo = argv[0] ? (int)strtol(argv[0], NULL, 10) : SIGKILL;

	(void)kill(getpid(), signo);
	(void)pause();
	return 1;
}

static int exit_with(char **argv)
{
	return argv[0] ? (int)strtol(argv[0], NULL, 10) : 0;
}

/* refuse N: bpf() so often, and a socket family and a namespace once. */
static int refuse(char **argv)
{
	long n = argv[0] ? strtol(argv[0], NULL, 10) : 1;
	char attr[64] = { 0 };

	for (long i = 0; i < n; i++)
		(void)syscall(SYS_bpf, 0, attr, sizeof(attr));
	(void)socket(AF_ALG, SOCK_SEQPACKET, 0);
	(void)unshare(CLONE_NEWUSER);
	return 0;
}

/* touch PATH...: what comes of making each. */
static int touch(char **argv)
{
	for (; *argv; argv++) {
		int fd = open(*argv, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		printf("touch.%s=%s\n", *argv, result(fd));
		if (fd >= 0)
			(void)close(fd);
	}
	return 0;
}

/* look PATH...: who owns each inside. */
static int look(char **argv)
{
	for (; *argv; argv++) {
		struct stat st;

		if (lstat(*argv, &st) < 0)
			printf("look.%s=%s\n", *argv, result(-1));
		else
			printf("look.%s=%u:%u %o %llu\n", *argv, st.st_uid, st.st_gid,
			       st.st_mode & 07777, (unsigned long long)st.st_size);
	}
	return 0;
}

/* terminal: tells what it is, then waits for signals and tells those too, until an interrupt. */
static int terminal(char **argv)
{
	struct winsize size = { 0 };
	char name[64] = "";
	sigset_t awaited;
	int signo = 0;

	(void)argv;
	/* Blocked and waited for: none can come between a look and a pause. */
	(void)sigemptyset(&awaited);
	(void)sigaddset(&awaited, SIGINT);
	(void)sigaddset(&awaited, SIGWINCH);
	(void)sigprocmask(SIG_BLOCK, &awaited, NULL);
	(void)ioctl(0, TIOCGWINSZ, &size);
	(void)ttyname_r(0, name, sizeof(name));
	printf("isatty=%d%d%d\nrows=%d\ncolumns=%d\nname=%s\nforeground=%s\n", isatty(0), isatty(1),
	       isatty(2), size.ws_row, size.ws_col, name, tcgetpgrp(0) == getpgrp() ? "yes" : "no");
	printf("dev_tty=%s\n", result(open("/dev/tty", O_RDWR | O_CLOEXEC)));
	printf("ready=yes\n");
	(void)fflush(stdout);
	while (signo != SIGINT) {
		signo = sigwaitinfo(&awaited, NULL);
		if (signo == SIGWINCH) {
			(void)ioctl(0, TIOCGWINSZ, &size);
			printf("resized=%dx%d\n", size.ws_row, size.ws_col);
			(void)fflush(stdout);
		}
	}
	printf("heard=%d\n", signo);
	return 7;
}

static void *sleep_long(void *arg)
{
	(void)sleep(100);
	return arg;
}

/* A process whose main thread has ended, while another goes on. */
static int headless(char **argv)
{
	pthread_t thread;

	(void)argv;
	(void)prctl(PR_SET_NAME, "headless");
	if (pthread_create(&thread, NULL, sleep_long, NULL) != 0)
		return 2;
	(void)syscall(SYS_exit, 0);
	return 2;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
} deeds[] = {
	{ "facts", facts },
	{ "bomb-memory", bomb_memory },
	{ "bomb-fork", bomb_fork },
	{ "fill", fill },
	{ "inodes", inodes },
	{ "descriptors", descriptors },
	{ "flood", flood },
	{ "daemon", daemonise },
	{ "deaf", deaf },
	{ "headless", headless },
	{ "die-of", die_of },
	{ "exit", exit_with },
	{ "refuse", refuse },
	{ "touch", touch },
	{ "look", look },
	{ "terminal", terminal },
	{ "reach", corral_probe_reach },
	{ "parent", corral_probe_parent },
	{ "read", corral_probe_read },
	{ "harm", corral_probe_harm },
	{ "birth", corral_probe_birth },
	{ "network", corral_probe_network },
	{ "swarm", corral_probe_swarm },
	{ "hop", corral_probe_hop },
	{ "hide", corral_probe_hide },
};

int main(int argc, char **argv)
{
	char *none[] = { NULL };

	if (argc < 2)
		return facts(none);
	for (size_t i = 0; i < COUNT(deeds); i++)
		if (!strcmp(argv[1], deeds[i].name))
			return deeds[i].run(argv + 2);
	(void)fprintf(stderr, "corral-test-probe: unknown deed '%s'\n", argv[1]);
	return 2;
}
