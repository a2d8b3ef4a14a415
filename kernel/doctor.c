/*
 * Theory of operation: the doctor forks a child for each step of kernel/doctor_steps.c, all at
 * once, and waits for their pidfds under one deadline. A child does its step in namespaces of its
 * own, writes a fixed-size outcome into its pipe and exits; whatever it mounted goes with its
 * namespace. One that has not answered in time is killed, and its grandchildren with it
 * (parent-death signal). The children are made without an exit signal: a caller that waits for
 * children of its own, or handles SIGCHLD, never meets them.
 */
#include "kernel/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"
#include "kernel/cgroup.h"
#include "kernel/disk.h"
#include "kernel/doctor_reason.h"
#include "kernel/doctor_steps.h"

/* Steps take a few milliseconds, side by side; the rest of the second is for slow machines. */
#define STEPS_TIMEOUT_MS 700
/* SIGKILL works at once, unless the kernel itself is stuck; then the child is left to it. */
#define KILL_TIMEOUT_MS 100
#define STEPS_MAX       32

struct attempt {
	int pidfd, result_fd;
	struct corral_doctor_outcome out;
};

static void outcome_fail(struct corral_doctor_outcome *out, int code, const char *call)
{
	*out = (struct corral_doctor_outcome) { .code = code, .call = call };
}

_Noreturn static void child_main(const struct corral_doctor_context *ctx,
                                 const struct corral_doctor_step *step, pid_t parent, int result_fd)
{
	struct corral_doctor_outcome out = { 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	/* A caller that ignores it would have the kernel reap what the step waits for. */
	(void)signal(SIGCHLD, SIG_DFL);
	step->attempt(ctx, &out);
	(void)!write(result_fd, &out, sizeof(out));
	_exit(0);
}

/* By the raw call: the libc's fork runs other people's handlers, and takes its locks. */
static void attempt_start(const struct corral_doctor_context *ctx,
                          const struct corral_doctor_step *step, struct attempt *a)
{
	pid_t parent = getpid();
	long pid;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		outcome_fail(&a->out, errno, "pipe2");
		return;
	}
	pid = syscall(SYS_clone, CLONE_PIDFD, NULL, &a->pidfd, NULL, 0);
	if (pid == 0)
		child_main(ctx, step, parent, ends[1]);
	(void)close(ends[1]);
	a->result_fd = ends[0];
	if (pid < 0) {
		outcome_fail(&a->out, errno, "clone");
		a->pidfd = -1;
	}
}

/* After its end: 0, or the code of a child that said nothing. */
static void attempt_collect(struct attempt *a)
{
	siginfo_t info;
	ssize_t n;

	(void)waitid(P_PIDFD, (id_t)a->pidfd, &info, WEXITED | __WALL);
	n = read(a->result_fd, &a->out, sizeof(a->out));
	if (n != (ssize_t)sizeof(a->out))
		outcome_fail(&a->out, ECHILD, "a child that died of it");
}

static void attempt_kill(struct attempt *a)
{
	struct pollfd p = { .fd = a->pidfd, .events = POLLIN };
	siginfo_t info;

	(void)syscall(SYS_pidfd_send_signal, a->pidfd, SIGKILL, NULL, 0);
	if (poll(&p, 1, KILL_TIMEOUT_MS) == 1)
		(void)waitid(P_PIDFD, (id_t)a->pidfd, &info, WEXITED | __WALL);
	outcome_fail(&a->out, ETIMEDOUT, "no answer in time");
}

static void attempts_wait(struct attempt *attempts, size_t n, uint64_t deadline)
{
	struct pollfd fds[STEPS_MAX];
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		fds[i] = (struct pollfd) { .fd = attempts[i].pidfd, .events = POLLIN };
		left += attempts[i].pidfd >= 0;
	}
	while (left) {
		uint64_t now = corral_now_ms();
		int r = now < deadline ? poll(fds, n, (int)(deadline - now)) : 0;

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		for (size_t i = 0; i < n; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			attempt_collect(&attempts[i]);
			fds[i].fd = -1;
			left--;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			attempt_kill(&attempts[i]);
}

static void run_steps(const struct corral_doctor_context *ctx, struct corral_doctor *d)
{
	struct attempt attempts[STEPS_MAX];
	size_t n = corral_doctor_step_count < STEPS_MAX ? corral_doctor_step_count : STEPS_MAX;
	struct corral_doctor_row *userns = NULL, *row;

	for (size_t i = 0; i < n; i++) {
		attempts[i] = (struct attempt) { -1, -1, { 0 } };
		if (ctx->privileged || !(corral_doctor_steps[i].flags & CORRAL_DOCTOR_SKIP_USER))
			attempt_start(ctx, &corral_doctor_steps[i], &attempts[i]);
	}
	attempts_wait(attempts, n, corral_now_ms() + STEPS_TIMEOUT_MS);

	for (size_t i = 0; i < n; i++) {
		const struct corral_doctor_step *step = &corral_doctor_steps[i];

		row = corral_doctor_add(d, step->name, step->failed);
		if (!ctx->privileged && (step->flags & CORRAL_DOCTOR_SKIP_USER)) {
			row->status = CORRAL_DOCTOR_INFO;
			(void)snprintf(row->found, sizeof(row->found),
			               "for root only, and not needed without");
		} else {
			corral_doctor_tell_step(ctx, step, &attempts[i].out, userns, row);
		}
		if (i == 0)
			userns = row;
		if (attempts[i].pidfd >= 0)
			(void)close(attempts[i].pidfd);
		if (attempts[i].result_fd >= 0)
			(void)close(attempts[i].result_fd);
	}
}

static void find_runtime_dir(struct corral_doctor_context *ctx)
{
	(void)snprintf(ctx->runtime_dir, sizeof(ctx->runtime_dir), "%s",
	               access("/run/corral", F_OK) == 0 ? "/run/corral" : "/run");
}

/* Nothing that a sandbox needs: what a session may have instead of quotas. */
static void tell_disks(struct corral_doctor *d)
{
	struct corral_doctor_row *row = corral_doctor_add(d, "disk-images", CORRAL_DOCTOR_INFO);
	struct corral_error why = { 0 };

	if (corral_disk_possible(&why) == 0)
		(void)snprintf(row->found, sizeof(row->found),
		               "a session can have its files in an image file (--disk-backing)");
	else
		(void)snprintf(row->found, sizeof(row->found),
		               "no session can have its files in an image file: %.100s", why.text);
}

static void examine(struct corral_doctor_context *ctx, struct corral_doctor *d)
{
	static const struct corral_limits no_limits;
	struct corral_cgroup_host *cg = NULL;
	struct corral_cgroup group;
	struct corral_error err = { 0 };
	bool has_group = false;

	if (corral_cgroup_host_open(&cg, &err) == 0 &&
	    corral_cgroup_host_kind(cg) != CORRAL_CGROUP_NONE &&
	    corral_cgroup_open(cg, &no_limits, true, &group, &err) == 0) {
		has_group = true;
		ctx->cgroup_fd = group.v2_fd;
	}
	corral_doctor_tell_host(ctx, d);
	run_steps(ctx, d);
	corral_doctor_tell_cgroup(cg, err.text[0] ? err.text : NULL, d);
	tell_disks(d);
	corral_doctor_tell_surface(ctx, d);
	if (has_group)
		(void)corral_cgroup_close(&group, KILL_TIMEOUT_MS, NULL);
	corral_cgroup_host_close(cg);
}

void corral_doctor_run(struct corral_doctor *ret)
{
	struct corral_doctor_context ctx = { .cgroup_fd = -1 };
	uint64_t start = corral_now_ms();

	memset(ret, 0, sizeof(*ret));
	(void)corral_host_probe(&ctx.host, NULL);
	corral_host_facts_read(&ctx.facts);
	ctx.privileged = ctx.host.features & CORRAL_HOST_PRIVILEGED;
	find_runtime_dir(&ctx);
	examine(&ctx, ret);

	ret->native_possible = true;
	for (size_t i = 0; i < ret->n_rows; i++)
		if (ret->rows[i].status == CORRAL_DOCTOR_MISSING)
			ret->native_possible = false;
	ret->took_ms = (unsigned int)(corral_now_ms() - start);
}
