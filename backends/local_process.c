/*
 * Theory of operation: the caller makes a child, which joins its control group, becomes the leader
 * of a session and executes the program. Until then it makes system calls and nothing else. What
 * fails it reports through a pipe that closes with the exec.
 *
 * Nobody waits for the leader before its tree is dead: as long as it is a zombie, its number, which
 * is that of its group and session, belongs to nobody else, and signals to them hit no stranger.
 */
#include "backends/local_process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backends/local_session.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define FD_MIN       10   /* above those that the child puts the streams at */
#define TREE_KILL_MS 5000 /* what will not die in that time is left */
#define SYSTEM_PATH  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct corral_local_process {
	pid_t pid;
	int pidfd;
	bool ended, grouped;
	enum corral_reason reason;
	struct corral_cgroup cgroup; /* when grouped */
	uint64_t began_nsec;
	struct corral_receipt receipt;
};

enum step { STEP_GROUP = 1, STEP_DIRECTORY, STEP_STREAMS, STEP_EXEC };

struct report {
	int step, code;
};

/* All that the child needs, ready before it is made. */
struct child {
	char *const *argv, *const *env;
	char **candidates; /* paths to execute, in this order; NULL at the end */
	int fds[3], dir_fd, report_fd;
	const struct corral_cgroup *cgroup; /* or NULL */
};

/* --- In the child --- */

static void report(const struct child *c, enum step step, int code)
{
	const struct report rep = { step, code };

	(void)!write(c->report_fd, &rep, sizeof(rep));
}

static void signals_reset(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		(void)sigaction(signo, &standard, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void execute(const struct child *c)
{
	int code = ENOENT;

	for (size_t i = 0; c->candidates[i]; i++) {
		(void)execve(c->candidates[i], c->argv, c->env);
		/*
		 * As a shell does: what is there and may not be executed is told, if nothing else
		 * is found; a directory that may not be looked into has nothing.
		 */
		if (errno == EACCES)
			code = access(c->candidates[i], F_OK) == 0 ? EACCES : code;
		else if (errno != ENOENT && errno != ENOTDIR) {
			code = errno;
			break;
		}
	}
	report(c, STEP_EXEC, code);
}

static _Noreturn void child_main(const struct child *c)
{
	for (unsigned int i = 0; c->cgroup && i < c->cgroup->n_join; i++)
		if (write(c->cgroup->join_fd[i], "0", 1) < 0)
			report(c, STEP_GROUP, errno);
	(void)setsid();
	if (fchdir(c->dir_fd) < 0) {
		report(c, STEP_DIRECTORY, errno);
		_exit(127);
	}
	for (int i = 0; i < 3; i++)
		if (dup2(c->fds[i], i) < 0) {
			report(c, STEP_STREAMS, errno);
			_exit(127);
		}
	(void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	signals_reset();
	execute(c);
	_exit(127);
}

/* --- Before it --- */

static const char *path_of(char *const *env)
{
	for (; env && *env; env++)
		if (!strncmp(*env, "PATH=", 5))
			return *env + 5;
	return SYSTEM_PATH;
}

static void strings_free(char ***list)
{
	for (char **s = *list; s && *s; s++)
		free(*s);
	free(*list);
}

/* Where the program may be: one place for each directory of the path. */
static char **candidates_of(const char *program, const char *path)
{
	size_t n = 2, len = strlen(program);
	char **list;

	for (const char *p = path; *p; p++)
		n += *p == ':';
	list = calloc(n + 1, sizeof(*list));
	if (list && strchr(program, '/')) {
		list[0] = strdup(program);
		return list;
	}
	n = 0;
	while (list && len) {
		size_t dir = strcspn(path, ":");
		char *full = malloc(dir + len + 3);

		if (!full)
			break;
		/* An empty one is the directory in which it runs. */
		(void)snprintf(full, dir + len + 3, "%.*s/%s", dir ? (int)dir : 1, dir ? path : ".",
		               program);
		list[n++] = full;
		if (!path[dir])
			break;
		path += dir + 1;
	}
	return list;
}

static int above_streams(int fd, int *ret_fd)
{
	*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);
	return *ret_fd < 0 ? -errno : 0;
}

static int streams_open(const struct corral_command *command, int fds[3], struct corral_error *err)
{
	corral_autofd int none = -1;
	int r = 0;

	if (command->stdin_fd < 0) {
		none = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (none < 0)
			return corral_error_sys(err, errno, "open /dev/null");
	}
	r = above_streams(none >= 0 ? none : command->stdin_fd, &fds[0]);
	if (r == 0)
		r = above_streams(command->stdout_fd, &fds[1]);
	if (r == 0)
		r = above_streams(command->stderr_fd, &fds[2]);
	return r < 0 ? corral_error_sys(err, -r, "streams of the command") : 0;
}

/* What the child said until the exec: 0 when that has happened. */
static int reports_read(int fd, struct corral_local_process *p, const char *program,
                        struct corral_error *err)
{
	struct report rep;
	ssize_t n;

	for (;;) {
		do
			n = read(fd, &rep, sizeof(rep));
		while (n < 0 && errno == EINTR);
		if (n < (ssize_t)sizeof(rep))
			return 0;
		switch ((enum step)rep.step) {
		case STEP_GROUP:
			/* It goes on without, and its end is then that of its session. */
			if (p->grouped)
				(void)corral_cgroup_close(&p->cgroup, 0, NULL);
			p->grouped = false;
			break;
		case STEP_DIRECTORY:
			return corral_error_sys(err, rep.code, "enter the work directory");
		case STEP_STREAMS:
			return corral_error_sys(err, rep.code, "streams of the command");
		case STEP_EXEC:
			return corral_error_sys(err, rep.code, "execute '%.250s'", program);
		}
	}
}

static int launch(struct corral_local_process *p, struct child *c, struct corral_error *err)
{
	corral_autofd int report_fd = -1, theirs = -1;
	sigset_t all, before;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "pipe to the command");
	report_fd = ends[0];
	theirs = ends[1];
	r = above_streams(theirs, &c->report_fd);
	if (r < 0)
		return corral_error_sys(err, -r, "pipe to the command");
	/* No handler of the caller's runs in the child. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	/* With its pidfd at once: where the caller ignores SIGCHLD, or waits for any child, a short
	 * one is gone before one could be asked for. */
	p->pid = (pid_t)syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &p->pidfd, NULL, 0);
	r = p->pid < 0 ? -errno : 0;
	if (p->pid == 0)
		child_main(c);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	corral_fd_closep(&theirs);
	corral_fd_closep(&c->report_fd);
	if (r < 0)
		return corral_error_sys(err, -r, "clone");
	return reports_read(report_fd, p, c->argv[0], err);
}

int corral_local_process_start(const struct corral_local_launch *l,
                               const struct corral_command *command,
                               struct corral_local_process **ret, struct corral_error *err)
{
	char *const *env = command->env ? command->env : l->env;
	corral_auto(strings_free) char **candidates = candidates_of(command->argv[0], path_of(env));
	struct corral_local_process *p = calloc(1, sizeof(*p));
	const struct corral_limits unlimited = { 0 };
	struct child c = {
		.argv = command->argv,
		.env = env,
		.candidates = candidates,
		.fds = { -1, -1, -1 },
		.dir_fd = l->dir_fd,
		.report_fd = -1,
	};
	int r;

	if (!p || !candidates) {
		free(p);
		return corral_error_set(err, ENOMEM, "execute: out of memory");
	}
	p->pid = -1;
	p->pidfd = -1;
	p->began_nsec = corral_now_nsec();
	p->grouped = l->cgroups &&
	             corral_cgroup_open(l->cgroups, &unlimited, false, &p->cgroup, NULL) == 0;
	c.cgroup = p->grouped ? &p->cgroup : NULL;
	r = streams_open(command, c.fds, err);
	if (r == 0)
		r = launch(p, &c, err);
	for (int i = 0; i < 3; i++)
		corral_fd_closep(&c.fds[i]);
	if (r < 0) {
		corral_local_process_close(p);
		return r;
	}
	*ret = p;
	return 0;
}

/* --- Its end --- */

static bool leader_ended(const struct corral_local_process *p)
{
	siginfo_t info = { 0 };

	/* -ECHILD: the caller's process lets nobody wait for its children. */
	if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return errno != EINTR && syscall(SYS_pidfd_send_signal, p->pidfd, 0, NULL, 0) < 0;
	return info.si_pid != 0;
}

static void tree_kill(struct corral_local_process *p)
{
	uint64_t until = corral_now_ms() + TREE_KILL_MS;
	const struct timespec pause = { .tv_nsec = 1000000 };
	bool left;

	do {
		left = false;
		(void)syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
		(void)kill(-p->pid, SIGKILL);
		if (p->grouped) {
			(void)corral_cgroup_kill(&p->cgroup, NULL);
			/* The leader is in it until somebody waits for it. */
		} else {
			left = corral_local_session_kill(p->pid) > 0;
		}
		left |= !leader_ended(p);
		if (left)
			(void)nanosleep(&pause, NULL);
	} while (left && corral_now_ms() < until);
}

static uint64_t usec_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_usec;
}

static void conclude(struct corral_local_process *p)
{
	struct corral_receipt *r = &p->receipt;
	struct rusage used = { 0 };
	int status = 0;
	pid_t pid;

	tree_kill(p);
	do
		pid = wait4(p->pid, &status, leader_ended(p) ? 0 : WNOHANG, &used);
	while (pid < 0 && errno == EINTR);
	p->ended = true;
	*r = (struct corral_receipt) {
		.reason = p->reason,
		.tier = CORRAL_TIER_NONE,
		.wall_usec = (corral_now_nsec() - p->began_nsec) / 1000,
		.user_usec = usec_of(&used.ru_utime),
		.system_usec = usec_of(&used.ru_stime),
		.memory_peak_bytes = UINT64_MAX,
		.pids_peak = UINT64_MAX,
		.written_bytes = UINT64_MAX,
		.oom_kills = UINT64_MAX,
		.pids_refused = UINT64_MAX,
		.throttled_usec = UINT64_MAX,
		.exit_code = 1, /* a status that is not known is no success */
	};
	if (pid == p->pid && WIFSIGNALED(status)) {
		r->signal = WTERMSIG(status);
		r->exit_code = -1;
		if (r->reason == CORRAL_REASON_EXIT)
			r->reason = CORRAL_REASON_SIGNAL;
	} else if (pid == p->pid) {
		r->exit_code = WEXITSTATUS(status);
	}
	if (p->grouped)
		(void)corral_cgroup_close(&p->cgroup, TREE_KILL_MS, NULL);
	p->grouped = false;
}

int corral_local_process_pid(const struct corral_local_process *p)
{
	return p->pid;
}

int corral_local_process_event_fd(const struct corral_local_process *p)
{
	return p->pidfd;
}

int corral_local_process_dispatch(struct corral_local_process *p)
{
	if (!p->ended && leader_ended(p))
		conclude(p);
	return p->ended;
}

int corral_local_process_signal(struct corral_local_process *p, int signo)
{
	if (p->ended)
		return -ESRCH;
	return kill(-p->pid, signo) < 0 ? -errno : 0;
}

void corral_local_process_kill(struct corral_local_process *p, enum corral_reason reason)
{
	if (p->ended)
		return;
	p->reason = reason;
	conclude(p);
}

const struct corral_receipt *corral_local_process_receipt(const struct corral_local_process *p)
{
	return &p->receipt;
}

void corral_local_process_close(struct corral_local_process *p)
{
	if (!p)
		return;
	if (p->pid > 0 && p->pidfd >= 0)
		corral_local_process_kill(p, CORRAL_REASON_KILLED);
	if (p->grouped)
		(void)corral_cgroup_close(&p->cgroup, TREE_KILL_MS, NULL);
	corral_fd_closep(&p->pidfd);
	free(p);
}
