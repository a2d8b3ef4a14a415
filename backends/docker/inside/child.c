/*
 * Theory of operation: we fork; the child becomes the leader of a session, takes its streams and
 * executes the program. What fails there it writes into a pipe that closes with the exec. There is
 * one thread, so between fork and exec everything may be called.
 */
#include "backends/docker/inside/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define FDS_SWEPT   4096 /* where close_range(2) is refused */

/* The child's ends. */
struct ends {
	int fds[3], exec_fd;
};

/* --- In the child --- */

static _Noreturn void fail(int exec_fd, enum corral_docker_stage stage, int code)
{
	const struct corral_docker_failed why = { stage, (uint32_t)code };

	(void)!write(exec_fd, &why, sizeof(why));
	_exit(127);
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

static void nothing_inherited(void)
{
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	for (int fd = 3; fd < FDS_SWEPT; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static const char *path_of(char *const *env)
{
	for (; *env; env++)
		if (!strncmp(*env, "PATH=", 5))
			return *env + 5;
	return SYSTEM_PATH;
}

/* As a shell does: what is there and may not be executed is told, if nothing else is found; a
 * directory that may not be looked into has nothing. The code of its failure. */
static int execute(char *const *argv, char *const *env)
{
	const char *path = path_of(env);
	char full[PATH_MAX];
	int code = ENOENT;

	if (strchr(argv[0], '/')) {
		(void)execve(argv[0], argv, env);
		return errno;
	}
	for (; argv[0][0]; path++) {
		const size_t len = strcspn(path, ":");
		int n = snprintf(full, sizeof(full), "%.*s/%s", len ? (int)len : 1,
		                 len ? path : ".", argv[0]);

		path += len;
		if (n < (int)sizeof(full))
			(void)execve(full, argv, env);
		else
			errno = ENAMETOOLONG;
		if (errno == EACCES)
			code = access(full, F_OK) == 0 ? EACCES : code;
		else if (errno != ENOENT && errno != ENOTDIR)
			return errno;
		if (!*path)
			break;
	}
	return code;
}

static _Noreturn void child_main(const struct corral_docker_order *o, const struct ends *e)
{
	(void)setsid();
	if (o->flags & CORRAL_DOCKER_ORDER_TTY && ioctl(e->fds[0], TIOCSCTTY, 0) < 0)
		fail(e->exec_fd, CORRAL_DOCKER_STAGE_STREAMS, errno);
	if (o->guest_dir && chdir(o->guest_dir) < 0)
		fail(e->exec_fd, CORRAL_DOCKER_STAGE_DIRECTORY, errno);
	for (int i = 0; i < 3; i++)
		if (dup2(e->fds[i], i) < 0)
			fail(e->exec_fd, CORRAL_DOCKER_STAGE_STREAMS, errno);
	nothing_inherited();
	signals_reset();
	for (char *const *v = o->env; v && *v; v++)
		(void)putenv(*v);
	fail(e->exec_fd, CORRAL_DOCKER_STAGE_EXEC, execute(o->argv, environ));
}

/* --- Before it --- */

/* All below is O_CLOEXEC; our ends do not block, the child's do, as programs expect. */
static int pipe_open(int *ret_read, int *ret_write, bool we_read)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	(void)fcntl(fds[we_read ? 0 : 1], F_SETFL, O_NONBLOCK);
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

/* An image need not have /dev/null: a pipe that nobody writes into is as empty. */
static int nothing_open(int *ret_fd)
{
	int fds[2];

	*ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (*ret_fd >= 0)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	(void)close(fds[1]);
	*ret_fd = fds[0];
	return 0;
}

static int terminal_open(const struct corral_docker_order *o, struct inside_child *c,
                         struct ends *e)
{
	const struct winsize size = { .ws_row = o->rows, .ws_col = o->cols };
	int unlocked = 0, flags = O_RDWR | O_NOCTTY | O_CLOEXEC;

	c->out_fds[0] = open("/dev/ptmx", flags | O_NONBLOCK);
	if (c->out_fds[0] < 0 || ioctl(c->out_fds[0], TIOCSPTLCK, &unlocked) < 0)
		return -errno;
	(void)ioctl(c->out_fds[0], TIOCSWINSZ, &size);
	/* Not by its name: what is mounted at /dev/pts need not be what the master belongs to. */
	e->fds[0] = ioctl(c->out_fds[0], TIOCGPTPEER, flags);
	c->in_fd = fcntl(c->out_fds[0], F_DUPFD_CLOEXEC, 3);
	e->fds[1] = fcntl(e->fds[0], F_DUPFD_CLOEXEC, 3);
	e->fds[2] = fcntl(e->fds[0], F_DUPFD_CLOEXEC, 3);
	return c->in_fd < 0 || e->fds[1] < 0 || e->fds[2] < 0 ? -errno : 0;
}

static int parents_make(const char *guest_path)
{
	char path[PATH_MAX];
	const size_t len = strlen(guest_path);

	if (len >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, guest_path, len + 1);
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

static int output_open(const char *guest_path, int *ret_fd)
{
	corral_autofd int fd = -1;
	struct stat st;
	int r = parents_make(guest_path);

	if (r < 0)
		return r;
	/* O_NONBLOCK: a FIFO in its place must not hold us up, and is refused. */
	fd = open(guest_path,
	          O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
	          0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	(void)fcntl(fd, F_SETFL, O_APPEND);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

static int outputs_open(const struct corral_docker_order *o, struct inside_child *c, struct ends *e)
{
	int r;

	if (o->flags & CORRAL_DOCKER_ORDER_BACKGROUND)
		r = output_open(o->out_path, &e->fds[1]);
	else
		r = pipe_open(&c->out_fds[0], &e->fds[1], true);
	if (r < 0)
		return r;
	if (o->flags & CORRAL_DOCKER_ORDER_BACKGROUND && o->err_path)
		return output_open(o->err_path, &e->fds[2]);
	if (o->flags & (CORRAL_DOCKER_ORDER_BACKGROUND | CORRAL_DOCKER_ORDER_MERGED)) {
		e->fds[2] = fcntl(e->fds[1], F_DUPFD_CLOEXEC, 3);
		return e->fds[2] < 0 ? -errno : 0;
	}
	return pipe_open(&c->out_fds[1], &e->fds[2], true);
}

static int streams_open(const struct corral_docker_order *o, struct inside_child *c, struct ends *e)
{
	int r;

	if (o->flags & CORRAL_DOCKER_ORDER_TTY)
		return terminal_open(o, c, e);
	if (o->flags & CORRAL_DOCKER_ORDER_STDIN)
		r = pipe_open(&e->fds[0], &c->in_fd, false);
	else
		r = nothing_open(&e->fds[0]);
	return r < 0 ? r : outputs_open(o, c, e);
}

int inside_child_start(const struct corral_docker_order *o, struct inside_child *ret,
                       struct corral_docker_failed *why)
{
	struct inside_child c = { -1, -1, { -1, -1 }, -1 };
	struct ends e = { { -1, -1, -1 }, -1 };
	int r;

	why->stage = CORRAL_DOCKER_STAGE_STREAMS;
	r = streams_open(o, &c, &e);
	if (r == 0)
		r = pipe_open(&c.exec_fd, &e.exec_fd, true);
	if (r == 0) {
		why->stage = CORRAL_DOCKER_STAGE_FORK;
		c.pid = fork();
		r = c.pid < 0 ? -errno : 0;
		if (c.pid == 0)
			child_main(o, &e);
	}
	for (int i = 0; i < 3; i++)
		corral_fd_closep(&e.fds[i]);
	corral_fd_closep(&e.exec_fd);
	why->code = (uint32_t)-r;
	if (r == 0)
		*ret = c;
	return r;
}
