#include "kernel/image/oci/unpack_stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "policy/config.h"
#include "policy/policy.h"

#define GUEST_PROGRAM "/corral-unpack"
#define PIPE_SIZE     (1 << 20) /* as much as an ordinary user's may have */
#define ARGUMENTS_MAX 8

/* Set-id bits and owners that are not one's own are what root's layers have, and no other's. */
static const char *const capabilities[] = { "CHOWN", "FOWNER", "FSETID" };

static int config_compose(struct corral_config *c, const struct corral_unpack_options *o,
                          const char *tree_path, uint64_t file_size_max, struct corral_error *err)
{
	int r = 0;

	/* Without being added there are none. */
	if (tree_path && geteuid() == 0)
		for (size_t i = 0; r == 0 && i < CORRAL_COUNT(capabilities); i++)
			r = corral_config_add_cap(c, true, capabilities[i], err);
	if (r == 0)
		r = corral_config_put_mount(c, CORRAL_MOUNT_RO_BIND, o->program_path, GUEST_PROGRAM,
		                            0, err);
	if (r == 0 && tree_path)
		r = corral_config_set_text(&c->workspace, tree_path, err);
	if (r == 0)
		r = corral_config_set_text(&c->work_dir, CORRAL_UNPACK_GUEST_TREE, err);
	if (r < 0)
		return r;
	c->clear_env = true;
	c->limits.memory_bytes = 2ull << 30;
	c->limits.pids = 16;
	c->limits.disk_bytes = 4u << 20;
	c->limits.disk_inodes = 1024;
	c->limits.file_size_bytes = file_size_max;
	c->limits.timeout_ms = 6ull * 3600 * 1000;
	return 0;
}

static int policy_make(const struct corral_unpack_options *o, const char *tree_path,
                       uint64_t file_size_max, struct corral_policy **ret, struct corral_error *err)
{
	struct corral_config *c = corral_config_new();
	int r;

	if (!c)
		return corral_error_set(err, ENOMEM, "out of memory");
	r = config_compose(c, o, tree_path, file_size_max, err);
	if (r == 0)
		r = corral_policy_compile(c, NULL, ret, err);
	corral_config_free(c);
	if (r < 0)
		return r;
	corral_seccomp_done(&(*ret)->seccomp);
	corral_seccomp_unpacking(&(*ret)->seccomp);
	return 0;
}

/* ours: which end does not block, and is not the guest's. */
static int pipe_make(int fds[2], int ours, struct corral_error *err)
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "make a pipe");
	(void)fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE);
	if (fcntl(fds[ours], F_SETFL, O_NONBLOCK) < 0)
		return corral_error_sys(err, errno, "make a pipe");
	return 0;
}

static void pipe_closep(int (*fds)[2])
{
	corral_fd_closep(&(*fds)[0]);
	corral_fd_closep(&(*fds)[1]);
}

static int start(struct corral_unpack_stage *s, char *const *argv, bool has_output,
                 struct corral_error *err)
{
	corral_auto(pipe_closep) int in[2] = { -1, -1 };
	corral_auto(pipe_closep) int out[2] = { -1, -1 };
	corral_auto(pipe_closep) int report[2] = { -1, -1 };
	char *full[ARGUMENTS_MAX + 2] = { (char *)GUEST_PROGRAM };
	struct corral_command command = { .argv = full, .last = true, .no_statistics = true };
	int r = pipe_make(in, 1, err);

	for (size_t i = 0; i < ARGUMENTS_MAX && argv[i]; i++)
		full[i + 1] = argv[i];
	if (r == 0 && has_output)
		r = pipe_make(out, 0, err);
	if (r == 0)
		r = pipe_make(report, 0, err);
	if (r < 0)
		return r;
	command.stdin_fd = in[0];
	command.stdout_fd = out[1];
	command.stderr_fd = report[1];
	r = corral_sandbox_start(s->sandbox, &command, err);
	if (r < 0)
		return r;
	s->in_fd = corral_take_fd(&in[1]);
	s->out_fd = corral_take_fd(&out[0]);
	s->report_fd = corral_take_fd(&report[0]);
	return 0;
}

int corral_unpack_stage_open(struct corral_unpack_stage *s, const struct corral_unpack_options *o,
                             const char *tree_path, char *const *argv, uint64_t file_size_max,
                             struct corral_error *err)
{
	corral_auto(corral_policy_freep) struct corral_policy *p = NULL;
	int r = policy_make(o, tree_path, file_size_max, &p, err);

	if (r == 0)
		r = corral_sandbox_open(o->launcher, p, &s->sandbox, err);
	if (r == 0)
		r = start(s, argv, !tree_path, err);
	return r < 0 ? corral_error_wrap(err, r, "sandbox to unpack in") : 0;
}

void corral_unpack_stage_close(struct corral_unpack_stage *s)
{
	corral_fd_closep(&s->in_fd);
	corral_fd_closep(&s->out_fd);
	corral_fd_closep(&s->report_fd);
	corral_sandbox_close(s->sandbox, NULL);
	s->sandbox = NULL;
	corral_unpack_report_done(&s->report);
}

int corral_unpack_stage_listen(struct corral_unpack_stage *s, struct corral_error *err)
{
	char data[16384];

	while (s->report_fd >= 0) {
		ssize_t n = read(s->report_fd, data, sizeof(data));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0) {
			corral_fd_closep(&s->report_fd);
			break;
		}
		r = corral_unpack_report_add(&s->report, data, (size_t)n, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int corral_unpack_stage_result(struct corral_unpack_stage *s, struct corral_error *err)
{
	const struct corral_receipt *receipt = corral_sandbox_receipt(s->sandbox);
	int r = corral_unpack_stage_listen(s, err);
	char rest[128];

	if (r < 0)
		return r;
	if (s->report.error.code) {
		if (err)
			*err = s->report.error;
		return -s->report.error.code;
	}
	if (receipt->exec_error)
		return corral_error_sys(err, receipt->exec_error, "start what unpacks it");
	if (receipt->reason == CORRAL_REASON_OOM)
		return corral_error_set(err, EFBIG, "unpacking it takes more memory than it may");
	if (receipt->reason == CORRAL_REASON_TIMEOUT)
		return corral_error_set(err, ETIMEDOUT, "unpacking it takes too long");
	if (receipt->exit_code != 0 || !s->report.done) {
		corral_unpack_report_rest(&s->report, rest);
		/* An archive that brings its reader down is no archive. */
		return corral_error_set(err, EBADMSG, "what unpacks it ended too early (%s %d)%s%s",
		                        corral_reason_name(receipt->reason),
		                        receipt->signal ? receipt->signal : receipt->exit_code,
		                        *rest ? ": " : "", rest);
	}
	return 0;
}
