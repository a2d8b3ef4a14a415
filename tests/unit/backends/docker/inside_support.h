/*
 * A box with namespaces for processes and mounts, whose PID 1 is "corral-inside idle": the program
 * is started in it as a container engine starts it in a container. What it kills can be nothing of
 * the machine's, and with PID 1 all of it ends.
 */
#ifndef CORRAL_TESTS_UNIT_BACKENDS_DOCKER_INSIDE_SUPPORT_H
#define CORRAL_TESTS_UNIT_BACKENDS_DOCKER_INSIDE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/docker/inside.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "tests/support.h"

#define PATIENCE_MS (corral_test_slow() ? 120000 : 20000)
#define RUNS_MAX    64

struct box {
	char dir[64]; /* the box sees it as well */
	char program[96];
	pid_t init;
	pid_t runs[RUNS_MAX]; /* each waits for its program and ends as that does */
	size_t n_runs;
	pthread_t muxers[RUNS_MAX];
	size_t n_muxers;
	bool multiplexed;
	struct corral_error err;
};

#define OK(b, call)                                                        \
	do {                                                               \
		int ok_ = (call);                                          \
		if (ok_ < 0)                                               \
			fail_msg("%s: %d: %s", #call, ok_, (b)->err.text); \
	} while (0)

/* --- PID 1 --- */

static inline void box_deny(const char *path, const char *text)
{
	corral_autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, text, strlen(text));
}

static inline int box_namespaces(void)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	char map[64];

	if (uid == 0)
		return unshare(CLONE_NEWPID | CLONE_NEWNS);
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) < 0)
		return -1;
	box_deny("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	box_deny("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	box_deny("/proc/self/gid_map", map);
	return 0;
}

/* In the child: says "1" when it is PID 1 of a box, and becomes the program. */
static inline _Noreturn void box_init(const char *program, int ready_fd)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		_exit(1);
	(void)!write(ready_fd, "1", 1);
	(void)execl(program, program, "idle", (char *)NULL);
	_exit(127);
}

static inline bool box_init_start(struct box *b)
{
	int ends[2];
	char byte = 0;
	pid_t pid;

	/* One that keeps words apart. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	if (pid == 0) {
		const pid_t grand =
		        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || box_namespaces() < 0 ? -1 : fork();
		int status;

		if (grand == 0)
			box_init(b->program, ends[1]);
		if (grand < 0)
			_exit(1);
		(void)!write(ends[1], &grand, sizeof(grand));
		(void)close(ends[1]);
		(void)waitpid(grand, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	(void)close(ends[1]);
	b->runs[b->n_runs++] = pid;
	/* They come in any order: the number has four bytes, the other one. */
	for (int i = 0; i < 2; i++) {
		char word[sizeof(pid_t)];
		ssize_t n = read(ends[0], word, sizeof(word));

		if (n == (ssize_t)sizeof(pid_t))
			memcpy(&b->init, word, sizeof(b->init));
		else if (n == 1)
			byte = word[0];
	}
	(void)close(ends[0]);
	return byte == '1' && b->init > 0;
}

/* --- The box --- */

static inline void box_program_write(struct box *b)
{
	const void *data;
	size_t len;
	int fd;

	corral_docker_inside_image(&data, &len);
	(void)snprintf(b->program, sizeof(b->program), "%s/corral-inside", b->dir);
	fd = open(b->program, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	(void)close(fd);
}

static inline int box_wipe_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int box_teardown(void **state)
{
	struct box *b = *state;

	if (b->init > 0)
		(void)kill(b->init, SIGKILL);
	for (size_t i = 0; i < b->n_runs; i++)
		(void)waitpid(b->runs[i], NULL, 0);
	for (size_t i = 0; i < b->n_muxers; i++)
		(void)pthread_join(b->muxers[i], NULL);
	(void)nftw(b->dir, box_wipe_one, 32, FTW_DEPTH | FTW_PHYS);
	free(b);
	return 0;
}

/* NULL and a skip where no such box can be had. */
static inline int box_setup(void **state)
{
	struct box *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	(void)snprintf(b->dir, sizeof(b->dir), "/tmp/corral-inside-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	assert_int_equal(chmod(b->dir, 0755), 0);
	box_program_write(b);
	*state = b;
	if (!box_init_start(b))
		b->init = -1;
	return 0;
}

static inline bool box_is_there(const struct box *b)
{
	if (b->init < 0)
		corral_test_skip("namespaces for processes and mounts");
	return b->init > 0;
}
#define BOX(name, state)             \
	struct box *name = *(state); \
	if (!box_is_there(name))     \
	return

static inline void box_enter(const struct box *b)
{
	int fd = (int)syscall(SYS_pidfd_open, b->init, 0);
	int flags = CLONE_NEWPID | CLONE_NEWNS;

	if (geteuid() != 0)
		flags |= CLONE_NEWUSER;
	if (fd < 0 || setns(fd, flags) < 0 || chdir(b->dir) < 0)
		_exit(126);
}

/* Starts the program, with the descriptor as its standard input and output, which it takes; the
 * number for waitpid(). */
static inline pid_t box_exec(struct box *b, const char *mode, int fd)
{
	pid_t pid = fork();

	assert_true(pid >= 0 && b->n_runs < RUNS_MAX);
	if (pid == 0) {
		int status = 0;
		pid_t inner;

		box_enter(b);
		/* It holds nothing of the test's, or nobody would see the end of that. */
		if (dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || close_range(3, ~0u, 0) < 0)
			_exit(126);
		inner = fork();
		if (inner == 0) {
			(void)execl(b->program, b->program, mode, (char *)NULL);
			_exit(127);
		}
		(void)close(0);
		(void)close(1);
		(void)waitpid(inner, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	(void)close(fd);
	b->runs[b->n_runs++] = pid;
	return pid;
}

/* How many processes there are in it besides PID 1. */
static inline int box_count(const struct box *b)
{
	char path[64];
	const struct dirent *e;
	DIR *dir;
	int n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/root/proc", (int)b->init);
	dir = opendir(path);
	assert_non_null(dir);
	while ((e = readdir(dir)))
		n += e->d_name[0] >= '1' && e->d_name[0] <= '9' && strcmp(e->d_name, "1") != 0;
	(void)closedir(dir);
	return n;
}

static inline void assert_box_empty(const struct box *b)
{
	const uint64_t until = corral_now_ms() + (uint64_t)PATIENCE_MS;

	while (box_count(b) > 0 && corral_now_ms() < until)
		(void)usleep(2000);
	assert_int_equal(box_count(b), 0);
}

/* --- An engine between, that frames what comes --- */

struct muxer {
	int host, inside;
};

static inline bool muxer_write(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static inline void *muxer_run(void *arg)
{
	struct muxer *m = arg;
	char data[10000]; /* so that frames of the engine's and ours never agree */
	bool goes_on = true, takes = true;

	while (goes_on) {
		/* What takes no more may have something to say yet. */
		struct pollfd p[2] = { { takes ? m->host : -1, POLLIN, 0 },
			               { m->inside, POLLIN, 0 } };
		ssize_t n;

		(void)poll(p, 2, -1);
		if (p[0].revents) {
			n = recv(m->host, data, sizeof(data), 0);
			goes_on = n > 0;
			takes = goes_on && muxer_write(m->inside, data, (size_t)n);
		}
		if (goes_on && p[1].revents) {
			unsigned char head[8] = { 1 };

			n = recv(m->inside, data, sizeof(data), 0);
			head[6] = (unsigned char)(n >> 8);
			head[7] = (unsigned char)n;
			goes_on = n > 0 && muxer_write(m->host, head, sizeof(head)) &&
			          muxer_write(m->host, data, (size_t)n);
		}
	}
	(void)close(m->host);
	(void)close(m->inside);
	free(m);
	return NULL;
}

/* The host's end of a stream to the other; both ends are the caller's. */
static inline void box_pair(struct box *b, int *ret_host, int *ret_inside)
{
	struct muxer *m;
	int pair[2], more[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*ret_host = pair[0];
	*ret_inside = pair[1];
	if (!b->multiplexed)
		return;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, more), 0);
	m = malloc(sizeof(*m));
	assert_non_null(m);
	*m = (struct muxer) { pair[1], more[0] };
	*ret_inside = more[1];
	assert_int_equal(pthread_create(&b->muxers[b->n_muxers++], NULL, muxer_run, m), 0);
}

/* A stream to the program in that mode. */
static inline struct corral_docker_stream *box_stream(struct box *b, const char *mode)
{
	struct corral_docker_stream *stream;
	int host, inside;

	box_pair(b, &host, &inside);
	(void)box_exec(b, mode, inside);
	OK(b, corral_docker_stream_new_take(host, &stream, &b->err));
	return stream;
}

#endif
