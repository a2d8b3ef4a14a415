/* The files and directories of control groups, by descriptor. */
#include "kernel/cgroup_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

int corral_cgroup_write(int dir_fd, const char *name, const char *text)
{
	corral_autofd int fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, text, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int corral_cgroup_write_u64(int dir_fd, const char *name, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return corral_cgroup_write(dir_fd, name, text);
}

ssize_t corral_cgroup_slurp(int dir_fd, const char *name, char *ret, size_t size)
{
	corral_autofd int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len + 1 < size) {
		ssize_t n = read(fd, ret + len, size - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (ret[len - 1] == '\n' && len < 64) /* one short line: there is no more */
			break;
	}
	ret[len] = '\0';
	return (ssize_t)len;
}

uint64_t corral_cgroup_slurp_u64(int dir_fd, const char *name)
{
	uint64_t value;
	char text[64];

	if (corral_cgroup_slurp(dir_fd, name, text, sizeof(text)) < 0 ||
	    corral_cgroup_parse_value(text, &value) < 0)
		return UINT64_MAX;
	return value;
}

int corral_cgroup_open_dir(int dir_fd, const char *name, long magic)
{
	corral_autofd int fd =
	        openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &fs) < 0)
		return -errno;
	if (magic && fs.f_type != magic)
		return -EXDEV;
	return corral_take_fd(&fd);
}

int corral_cgroup_walk(int dir_fd, const char *path, long magic)
{
	corral_autofd int fd = corral_cgroup_open_dir(dir_fd, ".", magic);
	char piece[256];

	if (fd < 0)
		return fd;
	for (unsigned int depth = 0; *path; depth++) {
		size_t len = strcspn(path, "/");
		int next;

		if (depth == CORRAL_CGROUP_DEPTH_MAX || len >= sizeof(piece))
			return -ENAMETOOLONG;
		memcpy(piece, path, len);
		piece[len] = '\0';
		path += len;
		path += strspn(path, "/");
		if (len == 0 || strcmp(piece, ".") == 0 || strcmp(piece, "..") == 0)
			return -EXDEV;
		next = corral_cgroup_open_dir(fd, piece, magic);
		if (next < 0)
			return next;
		(void)close(fd);
		fd = next;
	}
	return corral_take_fd(&fd);
}

static int procs_read(int dir_fd, struct corral_buf *ret)
{
	corral_autofd int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : corral_buf_read_fd(ret, fd, CORRAL_CGROUP_PROCS_MAX);
}

static const char *procs_text(const struct corral_buf *b)
{
	return b->data ? b->data : "";
}

/* The next pid of the list; false at its end. Zero stands for one that our namespace cannot see. */
static bool pid_next(const char **cursor, pid_t *ret)
{
	char *end;
	long pid;

	if (!**cursor)
		return false;
	pid = strtol(*cursor, &end, 10);
	if (end == *cursor)
		return false;
	*cursor = *end == '\n' ? end + 1 : end;
	*ret = pid > 0 && pid < INT32_MAX ? (pid_t)pid : 0;
	return true;
}

static bool pid_listed(const char *list, pid_t pid)
{
	pid_t other;

	while (pid_next(&list, &other))
		if (other == pid)
			return true;
	return false;
}

/*
 * A number read from a list may belong to somebody else a moment later. So a batch of pidfds is
 * opened first, and the list read again: who is in it then was a member while we held the pidfd.
 */
int corral_cgroup_kill_listed(int dir_fd)
{
	enum { BATCH = 64 };
	corral_autobuf struct corral_buf first = CORRAL_BUF_INIT;
	const char *cursor;
	int count = 0, r = procs_read(dir_fd, &first);
	pid_t pid;

	if (r < 0)
		return r;
	for (cursor = procs_text(&first); *cursor;) {
		corral_autobuf struct corral_buf again = CORRAL_BUF_INIT;
		int fds[BATCH];
		pid_t pids[BATCH];
		size_t n = 0;

		while (n < BATCH && pid_next(&cursor, &pid)) {
			count++;
			fds[n] = pid ? (int)syscall(SYS_pidfd_open, pid, 0u) : -1;
			pids[n] = pid;
			if (fds[n] >= 0)
				n++;
		}
		if (n == 0)
			break;
		r = procs_read(dir_fd, &again);
		for (size_t i = 0; i < n; i++) {
			if (r == 0 && pid_listed(procs_text(&again), pids[i]))
				(void)syscall(SYS_pidfd_send_signal, fds[i], SIGKILL, NULL, 0u);
			(void)close(fds[i]);
		}
		if (r < 0)
			return r;
	}
	return count;
}

int corral_cgroup_listed(int dir_fd)
{
	char text[32];
	ssize_t n = corral_cgroup_slurp(dir_fd, "cgroup.procs", text, sizeof(text));

	return n < 0 ? (int)n : n > 0;
}

int corral_cgroup_alone(int dir_fd)
{
	corral_autobuf struct corral_buf list = CORRAL_BUF_INIT;
	const char *cursor;
	int r = procs_read(dir_fd, &list);
	pid_t pid;
	bool self = false;

	if (r < 0)
		return r;
	cursor = procs_text(&list);
	while (pid_next(&cursor, &pid)) {
		if (pid != getpid())
			return 0;
		self = true;
	}
	return self;
}

/* Forks may add members while we move; their children then start in the new place already. */
int corral_cgroup_move(int from_fd, int to_fd)
{
	enum { PASSES = 8 };

	for (unsigned int pass = 0; pass < PASSES; pass++) {
		corral_autobuf struct corral_buf from = CORRAL_BUF_INIT, to = CORRAL_BUF_INIT;
		const char *cursor;
		bool moved = false;
		pid_t pid;
		int r;

		r = procs_read(from_fd, &from);
		if (r == 0)
			r = procs_read(to_fd, &to);
		if (r < 0)
			return r;
		cursor = procs_text(&from);
		while (pid_next(&cursor, &pid)) {
			if (!pid || pid_listed(procs_text(&to), pid))
				continue;
			r = corral_cgroup_write_u64(to_fd, "cgroup.procs", (uint64_t)pid);
			if (r < 0 && r != -ESRCH)
				return r;
			moved = true;
		}
		if (!moved)
			return 0;
	}
	return -EBUSY;
}

int64_t corral_cgroup_now_usec(void)
{
	return (int64_t)(corral_now_nsec() / 1000);
}

void corral_cgroup_sleep(unsigned int usec)
{
	const struct timespec ts = { .tv_sec = usec / 1000000,
		                     .tv_nsec = (long)(usec % 1000000) * 1000 };

	(void)nanosleep(&ts, NULL);
}

int corral_cgroup_write_pids(int dir_fd, uint64_t pids)
{
	const uint64_t most = 4194304; /* PID_MAX_LIMIT: the kernel refuses numbers above it */

	if (pids == 0 || pids > most)
		return corral_cgroup_write(dir_fd, "pids.max", "max");
	return corral_cgroup_write_u64(dir_fd, "pids.max", pids);
}

void corral_cgroup_read_pids(int dir_fd, bool lasting, struct corral_cgroup_stats *ret)
{
	char text[128];

	if (!lasting)
		ret->pids = corral_cgroup_slurp_u64(dir_fd, "pids.current");
	ret->pids_peak = corral_cgroup_slurp_u64(dir_fd, "pids.peak"); /* since 6.11 */
	if (corral_cgroup_slurp(dir_fd, "pids.events", text, sizeof(text)) > 0)
		(void)corral_cgroup_parse_key(text, "max", &ret->pids_events);
}
