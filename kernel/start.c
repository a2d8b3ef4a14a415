/*
 * Asking guest init for a command, and its answer.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/base/buf.h"
#include "kernel/base/cleanup.h"
#include "kernel/sandbox_state.h"

#define STARTED_TIMEOUT_MS 10000
/* After so long without a word, a supervisor that others of the guest's stopped is told to go on.
 */
#define STARTED_LOOK_MS 500

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static uint32_t text_list_add(struct corral_buf *b, char *const *list, uint32_t *ret_n)
{
	uint32_t at = (uint32_t)b->len, n = 0;

	for (; list && list[n]; n++)
		corral_buf_add(b, list[n], strlen(list[n]) + 1);
	*ret_n = n;
	return at;
}

static const char *path_of(char *const *env)
{
	for (; env && *env; env++)
		if (!strncmp(*env, "PATH=", 5))
			return *env + 5;
	return PATH_DEFAULT;
}

/* A directory is a way to everything beside and above it: openat(2) with "..". */
static int stdio_check(const struct corral_command *c, struct corral_error *err)
{
	const int fds[3] = { c->stdin_fd, c->stdout_fd, c->stderr_fd };
	struct stat st;

	for (size_t i = 0; i < CORRAL_COUNT(fds) && !c->tty; i++)
		if (fds[i] >= 0 && fstat(fds[i], &st) == 0 && S_ISDIR(st.st_mode))
			return corral_error_set(err, EISDIR,
			                        "descriptor %d is a directory of the host", fds[i]);
	return 0;
}

bool corral_start_is_heard(const struct corral_command *c)
{
	return !c->no_wait || c->tty;
}

int corral_start_send(struct corral_sandbox *s, const struct corral_command *c,
                      const struct corral_start *how, struct corral_error *err)
{
	corral_autobuf struct corral_buf b = CORRAL_BUF_INIT;
	char *const *env = c->env ? c->env : s->env;
	struct corral_wire_start head = { .head = { CORRAL_WIRE_START, 0 },
		                          .flags = how->flags,
		                          .id = how->id };
	const int stdio[3] = { c->stdin_fd, c->stdout_fd, c->stderr_fd };
	int fds[5];
	unsigned int n = 0;

	if (stdio_check(c, err) < 0)
		return -EISDIR;
	corral_buf_add(&b, &head, sizeof(head));
	head.argv = text_list_add(&b, c->argv, &head.n_argv);
	head.env = text_list_add(&b, env, &head.n_env);
	head.path = (uint32_t)b.len;
	corral_buf_add(&b, path_of(env), strlen(path_of(env)) + 1);
	head.dir = (uint32_t)b.len;
	corral_buf_add(&b, c->guest_dir ? c->guest_dir : s->work_dir,
	               strlen(c->guest_dir ? c->guest_dir : s->work_dir) + 1);
	if (b.failed)
		return corral_error_set(err, ENOMEM, "start the command: out of memory");
	if (b.len > CORRAL_WIRE_MAX)
		return corral_error_set(err, E2BIG,
		                        "arguments and environment of %zu bytes: at most %u", b.len,
		                        CORRAL_WIRE_MAX);
	if (how->report_fd >= 0) {
		head.flags |= CORRAL_START_REPORT;
		fds[n++] = how->report_fd;
	}
	if (how->program_fd >= 0) {
		head.flags |= CORRAL_START_PROGRAM;
		fds[n++] = how->program_fd;
	}
	if (c->tty) {
		head.flags |= CORRAL_START_TTY;
		head.tty_rows = c->tty_rows;
		head.tty_cols = c->tty_cols;
	} else {
		for (unsigned int i = 0; i < 3; i++)
			if (stdio[i] >= 0) {
				head.flags |= CORRAL_START_STDIN << i;
				fds[n++] = stdio[i];
			}
	}
	head.flags |= c->last ? CORRAL_START_LAST : 0;
	head.flags |= corral_start_is_heard(c) ? 0 : CORRAL_START_QUIET;
	head.head.size = (uint32_t)b.len;
	memcpy(b.data, &head, sizeof(head));
	return corral_wire_send(s->socket_fd, b.data, b.len, fds, n, err);
}

int corral_start_failed(const char *program, const char *guest_dir, struct corral_receipt *receipt,
                        const struct corral_wire_number *m, struct corral_error *err)
{
	int code = m->error > 0 && m->error < 4096 ? m->error : EIO;

	receipt->exec_error = code;
	receipt->exit_code = -1;
	if (m->detail == 1)
		return corral_error_sys(err, code, "working directory '%s'", guest_dir);
	if (m->detail == 2)
		return corral_error_sys(err, code, "put the command behind its fence (Landlock)");
	if (code == ENOENT && !strchr(program, '/'))
		return corral_error_set(err, code, "'%s': no such program in the sandbox's PATH",
		                        program);
	if (code == ENOENT)
		return corral_error_set(
		        err, code,
		        "execute '%s': no such file, or the interpreter that it names is not there",
		        program);
	return corral_error_sys(err, code, "execute '%s'", program);
}

/* 0 when something came. A command that nobody heard of does not run later. */
static int word_await(struct corral_sandbox *s, int socket_fd, uint32_t id,
                      struct corral_error *err)
{
	struct pollfd pfd = { .fd = socket_fd, .events = POLLIN };

	for (int waited_ms = 0; waited_ms < STARTED_TIMEOUT_MS; waited_ms += STARTED_LOOK_MS) {
		int n;

		do {
			n = poll(&pfd, 1, STARTED_LOOK_MS);
		} while (n < 0 && errno == EINTR);
		if (n != 0)
			return n < 0 ? corral_error_sys(err, errno, "wait for guest init") : 0;
		(void)corral_sandbox_number_send(s, CORRAL_WIRE_SIGNAL, SIGCONT, id, NULL);
	}
	if (corral_sandbox_number_send(s, CORRAL_WIRE_KILL, 1, id, NULL) < 0)
		corral_sandbox_kill_all(s);
	return corral_error_set(err, ETIMEDOUT,
	                        "guest init has not started the command within %d s",
	                        STARTED_TIMEOUT_MS / 1000);
}

int corral_start_wait(struct corral_sandbox *s, const struct corral_command *c, int socket_fd,
                      uint32_t id, struct corral_receipt *receipt, int *ret_tty_fd,
                      struct corral_error *err)
{
	union {
		struct corral_wire_head head;
		struct corral_wire_number number;
		struct corral_wire_exited exited;
	} m;
	corral_autofd int fd = -1;
	ssize_t n = word_await(s, socket_fd, id, err);

	if (n < 0)
		return (int)n;
	n = corral_wire_receive(socket_fd, &m, sizeof(m), &fd, 0);
	if (n == 0)
		return corral_error_set(err, EPIPE, "the sandbox is gone");
	if (n < 0)
		return corral_error_sys(err, (int)-n, "hear from guest init");
	if (m.head.type == CORRAL_WIRE_NOT_STARTED && (size_t)n == sizeof(m.number))
		return corral_start_failed(c->argv[0], c->guest_dir ? c->guest_dir : s->work_dir,
		                           receipt, &m.number, err);
	if (m.head.type != CORRAL_WIRE_STARTED || (size_t)n != sizeof(m.number))
		return corral_error_set(err, EPROTO, "guest init said something unexpected");
	if (c->tty && fd < 0)
		return corral_error_set(err, EPROTO, "guest init sent no terminal");
	*ret_tty_fd = corral_take_fd(&fd);
	return (int)(m.number.n & INT_MAX);
}
