/*
 * Theory of operation. Three generations: the doctor forks one child per step; a step that needs
 * namespaces clones a second one into them. The second waits for a byte until the first has written
 * its id maps, does the work, writes what it found into a pipe and exits; the first reads and reaps
 * it. Each dies with its parent, so that the doctor's SIGKILL at the deadline ends all.
 */
#include "kernel/doctor_enter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

/* A range that nobody is likely to own: only mapped, never used for anything that lasts. */
#define RANGE_START UINT32_C(0x70000000)
#define RANGE_COUNT UINT32_C(65536)

struct mapping {
	bool by_tool; /* newuidmap and newgidmap */
	uint32_t outside_uid, outside_gid, count;
};

void corral_doctor_fail(struct corral_doctor_outcome *out, const char *call)
{
	out->code = errno ? errno : EIO;
	out->call = call;
}

pid_t corral_doctor_fork(void)
{
	pid_t parent = getpid(), pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
	}
	return pid;
}

int corral_doctor_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* clone3 as the launch does it; clone where an outer filter does not know clone3. */
static pid_t clone_into(unsigned long flags)
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0 && errno == ENOSYS)
		pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);
	return pid;
}

/* Appends to text at *len; the buffers below are large enough for what is put there. */
static void put_text(char *text, size_t *len, const char *more)
{
	size_t n = strlen(more);

	memcpy(text + *len, more, n + 1);
	*len += n;
}

static void put_number(char *text, size_t *len, uint32_t value)
{
	char digits[16];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	put_text(text, len, digits + at);
}

static int write_file(pid_t pid, const char *name, const char *text)
{
	corral_autofd int fd = -1;
	char path[64];
	size_t len = 0, n = strlen(text);

	put_text(path, &len, "/proc/");
	put_number(path, &len, (uint32_t)pid);
	put_text(path, &len, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return write(fd, text, n) == (ssize_t)n ? 0 : -1;
}

static int write_map(pid_t pid, const char *name, uint32_t outside, uint32_t count)
{
	char line[64];
	size_t len = 0;

	put_text(line, &len, "0 ");
	put_number(line, &len, outside);
	put_text(line, &len, " ");
	put_number(line, &len, count);
	return write_file(pid, name, line);
}

/* newuidmap PID 0 OUTSIDE 1 1 START COUNT: the caller's own id is root inside. */
static int run_map_tool(const char *path, pid_t pid, uint32_t own, uint32_t start, uint32_t count)
{
	char numbers[4][16], zero[] = "0", one[] = "1", *env[] = { NULL };
	uint32_t values[] = { (uint32_t)pid, own, start, count };
	char *argv[] = {
		zero, numbers[0], zero, numbers[1], one, one, numbers[2], numbers[3], NULL
	};
	pid_t tool;
	int status;

	for (size_t i = 0; i < CORRAL_COUNT(values); i++) {
		size_t len = 0;

		put_number(numbers[i], &len, values[i]);
	}
	tool = corral_doctor_fork();
	if (tool < 0)
		return -1;
	if (tool == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null >= 0)
			for (int fd = 0; fd < 3; fd++)
				(void)dup2(null, fd);
		execve(path, argv, env);
		_exit(127);
	}
	status = corral_doctor_reap(tool);
	if (status == 0)
		return 0;
	errno = EPERM;
	return -1;
}

static void map_ids(const struct corral_doctor_context *ctx, pid_t pid, const struct mapping *map,
                    struct corral_doctor_outcome *out)
{
	const struct corral_host_facts *f = &ctx->facts;

	errno = 0;
	if (map->by_tool) {
		if (run_map_tool("/usr/bin/newuidmap", pid, ctx->host.uid, f->subuid_start,
		                 f->subuid_count) < 0)
			corral_doctor_fail(out, "newuidmap");
		else if (run_map_tool("/usr/bin/newgidmap", pid, ctx->host.gid, f->subgid_start,
		                      f->subgid_count) < 0)
			corral_doctor_fail(out, "newgidmap");
		return;
	}
	out->what = "id-map";
	if (!ctx->privileged && write_file(pid, "/setgroups", "deny") < 0)
		corral_doctor_fail(out, "write to setgroups");
	else if (write_map(pid, "/uid_map", map->outside_uid, map->count) < 0)
		corral_doctor_fail(out, "write to uid_map");
	else if (write_map(pid, "/gid_map", map->outside_gid, map->count) < 0)
		corral_doctor_fail(out, "write to gid_map");
	else
		out->what = NULL;
}

static void inside_main(const struct corral_doctor_context *ctx, corral_doctor_inside *inside,
                        int go_fd, int result_fd)
{
	struct corral_doctor_outcome found = { 0 };
	char byte;

	/* Set here, after the maps: a change of credentials would clear it. */
	if (read(go_fd, &byte, 1) != 1)
		_exit(127);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	inside(ctx, &found);
	(void)!write(result_fd, &found, sizeof(found));
	_exit(0);
}

static void enter(const struct corral_doctor_context *ctx, unsigned long flags,
                  const struct mapping *map, corral_doctor_inside *inside,
                  struct corral_doctor_outcome *out)
{
	int go[2], result[2];
	ssize_t n;
	pid_t pid;

	/* Closed by the exit of this process, which does one step only. */
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(result, O_CLOEXEC) < 0) {
		corral_doctor_fail(out, "pipe2");
		return;
	}
	pid = clone_into(flags);
	if (pid < 0) {
		corral_doctor_fail(out, flags & CLONE_NEWUSER ? "clone3(CLONE_NEWUSER)" : "clone3");
		return;
	}
	if (pid == 0) {
		(void)close(go[1]);
		inside_main(ctx, inside, go[0], result[1]);
	}
	(void)close(result[1]);
	if (flags & CLONE_NEWUSER)
		map_ids(ctx, pid, map, out);
	if (!out->code && write(go[1], "", 1) == 1) {
		n = read(result[0], out, sizeof(*out));
		if (n != (ssize_t)sizeof(*out)) {
			errno = ECHILD;
			corral_doctor_fail(out, "the child in the namespace, which died");
		}
	}
	(void)close(go[1]);
	(void)corral_doctor_reap(pid);
}

void corral_doctor_enter(const struct corral_doctor_context *ctx, unsigned long flags,
                         corral_doctor_inside *inside, struct corral_doctor_outcome *out)
{
	struct mapping own = { false, ctx->host.uid, ctx->host.gid, 1 };

	if (!ctx->privileged)
		flags |= CLONE_NEWUSER;
	enter(ctx, flags, &own, inside, out);
}

static struct mapping range_mapping(const struct corral_doctor_context *ctx)
{
	return (struct mapping) { !ctx->privileged, RANGE_START, RANGE_START, RANGE_COUNT };
}

void corral_doctor_enter_range(const struct corral_doctor_context *ctx,
                               corral_doctor_inside *inside, struct corral_doctor_outcome *out)
{
	struct mapping range = range_mapping(ctx);

	enter(ctx, CLONE_NEWUSER, &range, inside, out);
}

int corral_doctor_open_range(const struct corral_doctor_context *ctx,
                             struct corral_doctor_outcome *out)
{
	struct mapping range = range_mapping(ctx);
	int hold[2], fd = -1;
	char path[64], byte;
	size_t len = 0;
	pid_t pid;

	if (pipe2(hold, O_CLOEXEC) < 0) {
		corral_doctor_fail(out, "pipe2");
		return -1;
	}
	pid = clone_into(CLONE_NEWUSER);
	if (pid < 0) {
		corral_doctor_fail(out, "clone3(CLONE_NEWUSER)");
		return -1;
	}
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(hold[1]);
		(void)!read(hold[0], &byte, 1);
		_exit(0);
	}
	map_ids(ctx, pid, &range, out);
	if (!out->code) {
		put_text(path, &len, "/proc/");
		put_number(path, &len, (uint32_t)pid);
		put_text(path, &len, "/ns/user");
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			corral_doctor_fail(out, "open of /proc/PID/ns/user");
	}
	(void)close(hold[1]);
	(void)corral_doctor_reap(pid);
	return fd;
}
