#include "backends/execute.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define CHUNK 65536
/* After the end of the tree its pipes are at their end, unless it gave one of them to somebody
 * else. */
#define DRAIN_MS 200
/* And somebody else may write without end. */
#define DRAIN_ALL_MS 2000
/* Between asking and ending. */
#define POLITE_MS 2000

struct corral_cancel {
	int fd;
};

struct stream {
	int fd; /* our end; -1 when it is at its end */
	enum corral_stream which;
	struct corral_buf *kept;
};

struct run {
	const struct corral_execute *x;
	struct corral_executed *result;
	const struct corral_execute_ops *ops;
	void *process;
	struct stream streams[2];
	uint64_t kept;                         /* of both */
	uint64_t deadline_ms, polite_until_ms; /* 0: none */
	int stop_fd;
	bool refused; /* the callback wants no more */
};

int corral_cancel_new(struct corral_cancel **ret, struct corral_error *err)
{
	struct corral_cancel *c = malloc(sizeof(*c));

	if (!c)
		return corral_error_set(err, ENOMEM, "cancel: out of memory");
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->fd < 0) {
		free(c);
		return corral_error_sys(err, errno, "eventfd");
	}
	*ret = c;
	return 0;
}

void corral_cancel_fire(struct corral_cancel *c)
{
	/* Never read: whoever looks at it later finds it fired as well. */
	(void)eventfd_write(c->fd, 1);
}

void corral_cancel_free(struct corral_cancel *c)
{
	if (c)
		(void)close(c->fd);
	free(c);
}

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

static bool names(char *const *list, const char *assignment)
{
	for (; *list; list++)
		if (same_name(*list, assignment))
			return true;
	return false;
}

char **corral_environment_merge(char *const *base, char *const *over)
{
	static char *const none[] = { NULL };
	size_t n_base = 0, n_over = 0, n = 0;
	char **all;

	base = base ? base : none;
	over = over ? over : none;
	while (base[n_base])
		n_base++;
	while (over[n_over])
		n_over++;
	all = calloc(n_base + n_over + 1, sizeof(*all));
	for (size_t i = 0; all && i < n_base; i++)
		if (!names(over, base[i]))
			all[n++] = base[i];
	for (size_t i = 0; all && i < n_over; i++)
		if (!names(over + i + 1, over[i]))
			all[n++] = over[i];
	return all;
}

bool corral_cancel_fired(const struct corral_cancel *c)
{
	struct pollfd pfd = { .fd = c ? c->fd : -1, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

static int stream_open(struct stream *s, int *ret_write_fd, struct corral_error *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "pipe for output");
	/* Ours alone: the command's end stays as programs expect it. */
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	s->fd = fds[0];
	*ret_write_fd = fds[1];
	return 0;
}

/* A file that begins with the data and ends with it, so that nobody has to feed a pipe. */
static int input_open(const struct corral_execute *x, int *ret_fd, struct corral_error *err)
{
	corral_autofd int fd = -1;
	size_t done = 0;

	if (!x->stdin_data)
		return 0;
	fd = memfd_create("stdin", MFD_CLOEXEC);
	if (fd < 0)
		return corral_error_sys(err, errno, "file for standard input");
	while (done < x->stdin_len) {
		ssize_t n = write(fd, (const char *)x->stdin_data + done, x->stdin_len - done);

		if (n < 0 && errno != EINTR)
			return corral_error_sys(err, errno, "write standard input");
		done += n > 0 ? (size_t)n : 0;
	}
	(void)lseek(fd, 0, SEEK_SET);
	*ret_fd = corral_take_fd(&fd);
	return 0;
}

static void keep(struct run *run, struct stream *s, const char *data, size_t len)
{
	uint64_t room = run->x->output_bytes - run->kept;
	size_t n = len < room ? len : (size_t)room;

	corral_buf_add(s->kept, data, n);
	run->kept += n;
	if (n < len)
		run->result->truncated = true;
	if (run->ops->count_output)
		run->ops->count_output(run->process, len);
	if (run->x->on_output && !run->refused &&
	    run->x->on_output(run->x->ctx, s->which, data, len) != 0)
		run->refused = true;
}

static void stream_read(struct run *run, struct stream *s)
{
	char data[CHUNK];
	ssize_t n = read(s->fd, data, sizeof(data));

	if (n > 0)
		keep(run, s, data, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		corral_fd_closep(&s->fd);
}

static void polled(struct run *run, struct pollfd *fds)
{
	for (int i = 0; i < 2; i++)
		fds[i] = (struct pollfd) { .fd = run->streams[i].fd, .events = POLLIN };
}

static void polled_read(struct run *run, const struct pollfd *fds)
{
	for (int i = 0; i < 2; i++)
		if (run->streams[i].fd >= 0 && fds[i].revents)
			stream_read(run, &run->streams[i]);
}

/* Whatever ends it before its own end. True when it was ended. */
static bool end_early(struct run *run, bool cancelled, bool stopped)
{
	struct corral_executed *e = run->result;
	uint64_t now = corral_now_ms();

	if (stopped && !run->polite_until_ms) {
		run->polite_until_ms = now + POLITE_MS;
		e->cancelled = true;
		(void)run->ops->signal(run->process, SIGTERM);
	}
	if (cancelled || run->refused)
		e->cancelled = true;
	else if (e->truncated && run->x->stop_at_limit)
		e->output_limited = true;
	else if (run->deadline_ms && now >= run->deadline_ms)
		e->timed_out = true;
	else if (!run->polite_until_ms || now < run->polite_until_ms)
		return false;
	run->ops->kill(run->process, e->timed_out        ? CORRAL_REASON_TIMEOUT
	                             : e->output_limited ? CORRAL_REASON_OUTPUT
	                                                 : CORRAL_REASON_KILLED);
	return true;
}

static int wait_ms(const struct run *run)
{
	uint64_t next = run->deadline_ms, now = corral_now_ms();

	if (run->polite_until_ms && (!next || run->polite_until_ms < next))
		next = run->polite_until_ms;
	if (!next)
		return -1;
	return next <= now ? 0 : next - now > 1000000 ? 1000000 : (int)(next - now);
}

static void drain(struct run *run)
{
	uint64_t until = corral_now_ms() + DRAIN_ALL_MS;
	struct pollfd fds[2];

	while ((run->streams[0].fd >= 0 || run->streams[1].fd >= 0) && corral_now_ms() < until) {
		polled(run, fds);
		if (poll(fds, 2, DRAIN_MS) <= 0)
			return;
		polled_read(run, fds);
	}
}

static int loop(struct run *run, struct corral_error *err)
{
	struct pollfd fds[5];
	int r = 0;

	for (;;) {
		polled(run, fds);
		fds[2] = (struct pollfd) { .fd = run->ops->event_fd(run->process),
			                   .events = POLLIN };
		fds[3] = (struct pollfd) { .fd = run->x->cancel ? run->x->cancel->fd : -1,
			                   .events = POLLIN };
		fds[4] = (struct pollfd) { .fd = run->polite_until_ms ? -1 : run->stop_fd,
			                   .events = POLLIN };
		if (poll(fds, CORRAL_COUNT(fds), wait_ms(run)) < 0 && errno != EINTR)
			return corral_error_sys(err, errno, "poll");
		polled_read(run, fds);
		if (fds[2].revents)
			r = run->ops->dispatch(run->process, err);
		if (r == 0 && end_early(run, fds[3].revents != 0, fds[4].revents != 0))
			r = 1;
		if (r != 0)
			break;
	}
	if (r > 0)
		drain(run);
	return r < 0 ? r : 0;
}

/* What cannot be executed is a result, as from a shell. */
static int not_executed(int code, const struct corral_error *why, struct corral_executed *ret)
{
	switch (code) {
	case -ENOENT:
	case -ENOTDIR:
	case -ELOOP:
	case -ENAMETOOLONG:
		ret->exit_code = 127;
		break;
	case -EACCES:
	case -EPERM:
	case -ENOEXEC:
	case -EISDIR:
	case -ETXTBSY:
	case -E2BIG:
		ret->exit_code = 126;
		break;
	default:
		return code;
	}
	corral_buf_fmt(&ret->err, "corral: %s\n", why->text);
	ret->receipt.exec_error = -code;
	ret->receipt.exit_code = -1;
	return 0;
}

static void concluded(struct run *run)
{
	struct corral_executed *e = run->result;
	const struct corral_receipt *r = run->ops->receipt(run->process);

	corral_receipt_done(&e->receipt);
	corral_receipt_copy(r, &e->receipt);
	e->exit_code = e->timed_out ? CORRAL_EXECUTE_TIMED_OUT
	               : r->signal  ? 128 + r->signal
	                            : r->exit_code;
	/* A program's output is complete or told in part. */
	if (run->x->argv && (e->timed_out || e->output_limited))
		for (int i = 0; i < 2; i++)
			if (run->streams[i].kept->len > CORRAL_RUN_STOPPED_BYTES) {
				run->streams[i].kept->len = CORRAL_RUN_STOPPED_BYTES;
				e->truncated = true;
			}
}

static int start(struct run *run, void *place, char *const *env, struct corral_error *err)
{
	const struct corral_execute *x = run->x;
	char *const shell[] = { (char *)"/bin/sh", (char *)"-c", (char *)(uintptr_t)x->command,
		                NULL };
	corral_autofd int out = -1, err_out = -1, in = -1;
	corral_autofree char **all = NULL;
	struct corral_command command = { .argv = x->command ? shell : x->argv,
		                          .guest_dir = x->guest_dir };
	int r;

	r = input_open(x, &in, err);
	if (r == 0)
		r = stream_open(&run->streams[0], &out, err);
	if (r == 0 && x->separate)
		r = stream_open(&run->streams[1], &err_out, err);
	if (r < 0)
		return r;
	if (x->env) {
		all = corral_environment_merge(env, x->env);
		if (!all)
			return corral_error_set(err, ENOMEM, "execute: out of memory");
	}
	command.env = all;
	command.stdin_fd = in;
	command.stdout_fd = out;
	command.stderr_fd = x->separate ? err_out : out;
	return run->ops->start(place, &command, &run->process, err);
}

bool corral_execute_is_over(const struct corral_execute *x, bool stopped,
                            struct corral_executed *ret)
{
	if (x->timeout_ms != 0 && !stopped && !corral_cancel_fired(x->cancel))
		return false;
	ret->timed_out = x->timeout_ms == 0;
	ret->cancelled = !ret->timed_out;
	ret->exit_code = ret->timed_out ? CORRAL_EXECUTE_TIMED_OUT : 128 + SIGKILL;
	ret->receipt.reason = ret->timed_out ? CORRAL_REASON_TIMEOUT : CORRAL_REASON_KILLED;
	return true;
}

int corral_execute_with(const struct corral_execute_ops *ops, void *place,
                        const struct corral_execute *x, char *const *env, int stop_fd,
                        struct corral_executed *ret, struct corral_error *err)
{
	struct run run = {
		.x = x,
		.ops = ops,
		.result = ret,
		.streams = { { -1, CORRAL_STDOUT, &ret->out }, { -1, CORRAL_STDERR, &ret->err } },
		.deadline_ms = x->timeout_ms > 0 ? corral_now_ms() + (uint64_t)x->timeout_ms : 0,
		.stop_fd = stop_fd,
	};
	struct corral_error why = { 0 };
	int r, code;
	bool ran;

	if (corral_execute_is_over(x, false, ret))
		return 0;
	r = start(&run, place, env, &why);
	ran = r == 0;
	if (ran) {
		r = loop(&run, &why);
		/* Heard of only now; by whom it was ended in the same moment matters less. */
		code = ops->receipt(run.process)->exec_error;
		if (code && !ret->timed_out) {
			ran = false;
			r = r < 0 ? r : corral_error_sys(&why, code, "execute");
		}
	}
	if (ran)
		concluded(&run);
	else
		r = not_executed(r, &why, ret);
	if (r < 0)
		r = corral_error_set(err, why.code, "%s", why.text);
	ops->close(run.process);
	for (int i = 0; i < 2; i++)
		corral_fd_closep(&run.streams[i].fd);
	if (r == 0 && (ret->out.failed || ret->err.failed))
		r = corral_error_set(err, ENOMEM, "execute: out of memory");
	return r;
}
