/*
 * How a holder comes to be: what it lets go of, and what it makes before it says that all is ready.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "tools/holder_state.h"

/* Through a socket to whoever asked for the sandbox: one message, which is answered by a byte. */
struct report {
	char id[CORRAL_SANDBOX_ID_SIZE];
	struct corral_error err; /* code 0: it stands */
};

static void signals_as_new(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &dfl, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int signals_collect(struct corral_holder *h, struct corral_error *err)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < CORRAL_COUNT(ends); i++)
		sigaddset(&set, ends[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return corral_error_sys(err, errno, "block signals");
	h->signals_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return h->signals_fd < 0 ? corral_error_sys(err, errno, "signalfd") : 0;
}

/* Nothing of the caller's is held: no directory, terminal, pipe or lock. Standard error for as long
 * as it may be needed. */
static int let_go(int report_fd, struct corral_policy *policy, struct corral_error *err)
{
	struct rlimit files;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), lease_fd = -1;
	unsigned int first;

	if (null_fd < 0)
		return corral_error_sys(err, errno, "open /dev/null");
	/* What keeps the root of an image as it is is the sandbox's own. */
	if (policy->rootfs_is_image) {
		lease_fd = fcntl(policy->rootfs_lease_fd, F_DUPFD_CLOEXEC, 5);
		if (lease_fd < 0)
			return corral_error_sys(err, errno, "keep the image");
	}
	(void)setsid();
	(void)dup2(null_fd, STDIN_FILENO);
	(void)dup2(null_fd, STDOUT_FILENO);
	if (report_fd != 3 && dup3(report_fd, 3, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "keep the socket to whoever asked");
	if (lease_fd >= 0 && dup3(lease_fd, 4, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "keep the image");
	if (lease_fd >= 0)
		policy->rootfs_lease_fd = 4;
	first = lease_fd >= 0 ? 5 : 4;
	/* A disk is known by its number. */
	if (policy->has_disk) {
		if ((unsigned int)policy->disk_fd > first)
			(void)close_range(first, (unsigned int)policy->disk_fd - 1, 0);
		first = (unsigned int)policy->disk_fd + 1;
	}
	if (close_range(first, ~0U, 0) < 0)
		return corral_error_sys(err, errno, "close the caller's descriptors");
	if (chdir("/") < 0)
		return corral_error_sys(err, errno, "chdir to /");
	(void)umask(022);
	(void)prctl(PR_SET_NAME, "corral-holder");
	/* Some for each client. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	return 0;
}

static json_t *limits_of(const struct corral_policy *p)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "memory_bytes",
	                 (json_int_t)p->limits.memory_bytes, "pids", (json_int_t)p->limits.pids,
	                 "cpu_millis", (json_int_t)p->limits.cpu_millis, "disk_bytes",
	                 (json_int_t)p->limits.disk_bytes, "timeout_ms",
	                 (json_int_t)p->limits.timeout_ms, "output_bytes",
	                 (json_int_t)p->limits.output_bytes);
}

static json_t *record_of(const struct corral_holder *h, const struct corral_holder_options *o)
{
	const struct corral_policy *p = o->policy;
	struct timespec now;
	json_t *words;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	words = json_pack("{s:s, s:I, s:i, s:i, s:s, s:s, s:s, s:i, s:I, s:o}", "id", h->id,
	                  "created_ms", (json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
	                  "holder_pid", (int)getpid(), "init_pid",
	                  (int)corral_sandbox_pid(h->sandbox), "tier",
	                  corral_tier_name(corral_sandbox_receipt(h->sandbox)->tier), "network",
	                  corral_network_name(p->network), "rootfs",
	                  p->rootfs_is_host    ? "host"
	                  : p->rootfs_is_image ? "image"
	                                       : "directory",
	                  "mounts", (int)p->n_mounts, "idle_limit_ms", (json_int_t)o->idle_ms,
	                  "limits", limits_of(p));
	if (words && *o->name)
		(void)json_object_set_new(words, "name", json_string(o->name));
	if (words && o->session) {
		(void)json_object_set_new(words, "session", json_string(o->session));
		(void)json_object_set_new(words, "session_key", json_string(o->session_key));
	}
	/* Paths may be no UTF-8; then they are left out. */
	if (words && o->session)
		(void)json_object_set_new(words, "session_root", json_string(o->session_root));
	if (words)
		(void)json_object_set_new(words, "work_dir", json_string(p->work_dir));
	if (words && p->workspace_path && !p->has_disk)
		(void)json_object_set_new(words, "workspace", json_string(p->workspace_path));
	return words;
}

static int build(struct corral_holder *h, const struct corral_holder_options *o,
                 struct corral_error *err)
{
	int r = corral_sandboxes_open(&h->dir, err);

	if (r == 0)
		r = corral_sandboxes_begin(&h->dir, h->id, &h->lock_fd, err);
	if (r == 0)
		r = signals_collect(h, err);
	if (r == 0)
		r = corral_launcher_open(CORRAL_LAUNCHER_ONE_THREAD, &h->launcher, err);
	if (r == 0)
		r = corral_sandbox_open(h->launcher, h->policy, &h->sandbox, err);
	if (r == 0)
		r = corral_sandboxes_listen(&h->dir, h->id, &h->listen_fd, err);
	if (r == 0)
		r = corral_sandboxes_publish(&h->dir, h->id, o->name, h->lock_fd, record_of(h, o),
		                             err);
	return r;
}

static void undo(struct corral_holder *h)
{
	corral_sandbox_close(h->sandbox, NULL);
	if (h->launcher)
		corral_launcher_close(h->launcher);
	if (h->id[0])
		corral_sandboxes_remove(&h->dir, h->id);
}

static bool told(int report_fd)
{
	ssize_t n;
	char byte;

	do {
		n = read(report_fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

/* The holder, from its birth to its end. */
static _Noreturn void hold(const struct corral_holder_options *o, int report_fd)
{
	struct corral_holder *h = calloc(1, sizeof(*h)); /* 110 kB, that no other start carries */
	struct report report = { .id = "" };
	int r;

	if (!h) /* what waits for the report is told that nobody wrote one */
		_exit(1);
	h->dir.dir_fd = h->lock_fd = h->listen_fd = h->signals_fd = -1;
	h->policy = o->policy;
	h->idle_ms = o->idle_ms;
	signals_as_new();
	/* Nobody else has this process's copy. */
	r = let_go(report_fd, (struct corral_policy *)(uintptr_t)o->policy, &report.err);
	if (r == 0) {
		report_fd = 3;
		r = build(h, o, &report.err);
	}
	memcpy(report.id, h->id, sizeof(report.id));
	if (r == 0) {
		(void)dup2(STDIN_FILENO, STDERR_FILENO);
		/* What was tried first and failed may have left its text. */
		report.err.code = 0;
	}
	/* When whoever asked for it has gone meanwhile, nobody knows of it. */
	if (send(report_fd, &report, sizeof(report), MSG_NOSIGNAL) != (ssize_t)sizeof(report) &&
	    r == 0)
		r = -EPIPE;
	if (r == 0 && !told(report_fd))
		r = -EPIPE;
	(void)close(report_fd);
	if (r < 0) {
		undo(h);
	} else {
		/* Nobody waits for that now. */
		corral_sandboxes_sweep();
		corral_holder_loop(h);
	}
	_exit(r < 0);
}

static int hear(int fd, pid_t pid, char ret_id[CORRAL_SANDBOX_ID_SIZE], struct corral_error *err)
{
	struct report report;
	ssize_t n;

	do {
		n = read(fd, &report, sizeof(report));
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(report) && !report.err.code) {
		memcpy(ret_id, report.id, sizeof(report.id));
		return 0;
	}
	/* It takes back what it made, and only then is it over. */
	(void)waitpid(pid, NULL, 0);
	if (n == (ssize_t)sizeof(report))
		return corral_error_set(err, report.err.code, "%s", report.err.text);
	return corral_error_set(err, EPIPE,
	                        "the sandbox's holder was killed before the sandbox stood");
}

int corral_holder_start(const struct corral_holder_options *o, char ret_id[CORRAL_SANDBOX_ID_SIZE],
                        int *ret_leave_fd, struct corral_error *err)
{
	corral_autofd int from = -1, to = -1;
	int fds[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return corral_error_sys(err, errno, "make a socket");
	from = fds[0];
	to = fds[1];
	(void)fflush(NULL);
	pid = fork();
	if (pid < 0)
		return corral_error_sys(err, errno, "fork the sandbox's holder");
	if (pid == 0)
		hold(o, to);
	corral_fd_closep(&to);
	r = hear(from, pid, ret_id, err);
	if (r == 0)
		*ret_leave_fd = corral_take_fd(&from);
	return r;
}

int corral_holder_leave(int leave_fd, struct corral_error *err)
{
	ssize_t n = send(leave_fd, "", 1, MSG_NOSIGNAL);

	(void)close(leave_fd);
	return n == 1 ? 0
	              : corral_error_set(
	                        err, EPIPE,
	                        "the sandbox's holder was killed, and the sandbox with it");
}
