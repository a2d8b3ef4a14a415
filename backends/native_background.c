/*
 * Background processes. What they write goes into files of memory that they only append to, charged
 * to the sandbox, so that no thread has to empty pipes and none of them ever waits for a reader;
 * what was read is given back at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/native_box.h"
#include "kernel/base/cleanup.h"

#define CHUNK    65536
#define READ_MAX (16u << 20) /* of one stream in one read; the rest comes with the next */

struct background {
	struct corral_process *process;
	int fds[2];  /* what it wrote to stdout and stderr */
	off_t at[2]; /* read so far */
};

static void background_close(void *process)
{
	struct background *g = process;

	corral_process_close(g->process);
	corral_fd_closep(&g->fds[0]);
	corral_fd_closep(&g->fds[1]);
	free(g);
}

/* The guest's descriptor can append and nothing else; ours is another one, which reads. */
static int spool_open(int *ret_read_fd, int *ret_write_fd, struct corral_error *err)
{
	corral_autofd int fd = memfd_create("output", MFD_CLOEXEC);
	char path[40];

	if (fd < 0)
		return corral_error_sys(err, errno, "file for output");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret_write_fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (*ret_write_fd < 0)
		return corral_error_sys(err, errno, "file for output");
	/* Nobody opens it anew by way of /proc, to read it or to write over what was written. */
	(void)fchmod(fd, 0);
	*ret_read_fd = corral_take_fd(&fd);
	return 0;
}

static int background_start(void *place, const char *command_text, const char *shell_id, void **ret,
                            int *ret_pid, struct corral_error *err)
{
	char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)command_text,
		               NULL };
	struct corral_native_box *box = place;
	corral_autofd int out = -1, err_out = -1;
	struct corral_command command = { .argv = argv, .stdin_fd = -1 };
	struct background *g = calloc(1, sizeof(*g));
	int r;

	(void)shell_id;
	if (!g)
		return corral_error_set(err, ENOMEM, "background: out of memory");
	g->fds[0] = g->fds[1] = -1;
	*ret = g;
	r = spool_open(&g->fds[0], &out, err);
	if (r == 0)
		r = spool_open(&g->fds[1], &err_out, err);
	if (r < 0)
		return r;
	command.stdout_fd = out;
	command.stderr_fd = err_out;
	r = corral_process_start(box->sandbox, &command, CORRAL_PROCESS_BACKGROUND, &g->process,
	                         err);
	if (r == 0)
		*ret_pid = corral_process_pid(g->process);
	return r;
}

static int background_ended(void *process, int *ret_exit_code)
{
	const struct background *g = process;
	const struct corral_receipt *r;

	if (corral_process_dispatch(g->process, NULL) == 0)
		return 0;
	r = corral_process_receipt(g->process);
	*ret_exit_code = r->signal ? -r->signal : r->exit_code;
	return 1;
}

static int background_read(void *process, int which, struct corral_buf *ret,
                           struct corral_error *err)
{
	struct background *g = process;
	char data[CHUNK];
	uint64_t total = 0;
	ssize_t len;

	while (total < READ_MAX &&
	       (len = pread(g->fds[which], data, sizeof(data), g->at[which])) > 0) {
		corral_buf_add(ret, data, (size_t)len);
		/* Read is read: its pages go back. The guest may still append. */
		(void)fallocate(g->fds[which], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		                g->at[which], len);
		g->at[which] += len;
		total += (uint64_t)len;
	}
	return ret->failed ? corral_error_set(err, ENOMEM, "background: out of memory") : 0;
}

static void background_kill(void *process)
{
	corral_process_kill(((struct background *)process)->process, CORRAL_REASON_KILLED);
}

const struct corral_background_ops corral_native_background_ops = {
	.start = background_start,
	.ended = background_ended,
	.read = background_read,
	.kill = background_kill,
	.close = background_close,
};
