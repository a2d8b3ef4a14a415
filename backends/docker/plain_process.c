/*
 * Theory of operation: a thread carries between the exec's stream and the caller's descriptors and,
 * when the stream is at its end, asks the engine for the exit code; then the event is readable. It
 * is told to give up by another eventfd. Nothing here knows the command's pid: to signal and to
 * kill, a second exec looks for the mark in /proc/PID/environ, which children inherit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "backends/docker/demux.h"
#include "backends/docker/end.h"
#include "backends/docker/plain.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

#define CHUNK        32768
#define CODE_WAIT_MS 10000 /* from the end of the stream until the engine knows the exit code */
#define CODE_LOOK_MS 10
#define KILL_WAIT_MS 5000
#define MARK_NAME    "CORRAL_RUN"

struct plain {
	struct corral_docker_plain_place place;
	char mark[40];
	char exec_id[CORRAL_DOCKER_ID_SIZE];
	struct corral_docker_stream *stream;
	struct corral_docker_end in, outs[2]; /* the caller's; fd -1 when done with */
	atomic_int out_errors[2];
	int event_fd, quit_fd;
	pthread_t thread;
	bool started;
	struct corral_docker_demux demux;
	char said[512]; /* the beginning of its output */
	size_t n_said;
	uint64_t began_nsec;
	struct corral_receipt receipt; /* the thread's until the event */
	int r;                         /* the same: 0, or why there is no exit code */
	enum corral_reason reason;
	bool killed;
};

static void mark_make(char *ret, size_t size)
{
	uint64_t n[2] = { 0 };

	(void)!getrandom(n, sizeof(n), 0);
	(void)snprintf(ret, size, "%016llx%016llx", (unsigned long long)n[0],
	               (unsigned long long)n[1]);
}

static bool is_told_to_quit(const struct plain *p)
{
	struct pollfd pfd = { .fd = p->quit_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/* Into the caller's pipe, as fast as it is read; what nobody reads is dropped. */
static int put(void *ctx, int stream, const void *data, size_t len)
{
	struct plain *p = ctx;
	struct corral_docker_end *out = &p->outs[stream == 2];
	size_t done = 0;
	size_t room = sizeof(p->said) - 1 - p->n_said;

	memcpy(p->said + p->n_said, data, len < room ? len : room);
	p->n_said += len < room ? len : room;
	while (done < len && out->fd >= 0 && !is_told_to_quit(p)) {
		long n = corral_docker_end_write(out, (const char *)data + done, len - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == -EAGAIN) {
			struct pollfd pfds[] = { { .fd = out->fd, .events = POLLOUT },
				                 { .fd = p->quit_fd, .events = POLLIN } };

			(void)poll(pfds, 2, -1);
		} else {
			atomic_store(&p->out_errors[stream == 2], (int)-n);
			corral_docker_end_close(out);
		}
	}
	return 0;
}

/* What was read and not sent yet. */
struct input {
	char data[CHUNK];
	size_t have, at;
	bool more;
};

/* One piece of the input, as far as it is there. */
static void feed(struct plain *p, struct input *in)
{
	long n;

	if (in->at == in->have) {
		n = corral_docker_end_read(&p->in, in->data, sizeof(in->data));
		if (n == -EAGAIN)
			return;
		in->at = 0;
		in->have = n > 0 ? (size_t)n : 0;
		if (!in->have) {
			(void)corral_docker_stream_shut(p->stream);
			in->more = false;
			return;
		}
	}
	n = corral_docker_stream_write(p->stream, in->data + in->at, in->have - in->at);
	if (n > 0)
		in->at += (size_t)n;
	in->more = n > 0 || n == -EAGAIN || n == -EINTR;
}

/* Until the stream's end, or until told to quit. */
static void carry(struct plain *p)
{
	struct input in = { .more = p->in.fd >= 0 };
	char out[CHUNK];

	if (!in.more)
		(void)corral_docker_stream_shut(p->stream);
	for (;;) {
		const bool sends = in.more && in.at < in.have, reads = in.more && !sends;
		struct pollfd pfds[] = { { .fd = corral_docker_stream_fd(p->stream),
			                   .events = (short)(POLLIN | (sends ? POLLOUT : 0)) },
			                 { .fd = p->quit_fd, .events = POLLIN },
			                 { .fd = reads ? p->in.fd : -1, .events = POLLIN } };
		long n = corral_docker_stream_read(p->stream, out, sizeof(out));

		if (n > 0 && !is_told_to_quit(p) &&
		    corral_docker_demux_feed(&p->demux, out, (size_t)n) == 0)
			continue;
		if (n >= 0 || (n != -EAGAIN && n != -EINTR))
			return;
		(void)poll(pfds, 3, -1);
		if (pfds[1].revents)
			return;
		if ((pfds[0].revents & POLLOUT) || pfds[2].revents)
			feed(p, &in);
	}
}

/* Docker's engine tells why in the output, and 126 for whatever reason. */
static bool is_not_found(const struct plain *p)
{
	return strncmp(p->said, "OCI runtime exec failed", 23) == 0 &&
	       (strstr(p->said, "executable file not found") ||
	        strstr(p->said, "no such file or directory"));
}

static void code_ask(struct plain *p)
{
	const struct timespec look = { .tv_nsec = CODE_LOOK_MS * 1000000L };
	uint64_t until = corral_now_ms() + CODE_WAIT_MS;
	int code = 0;

	do {
		p->r = corral_docker_exec_code(p->place.engine, p->exec_id, &code, NULL);
		if (p->r == -EAGAIN)
			(void)nanosleep(&look, NULL);
	} while (p->r == -EAGAIN && corral_now_ms() < until && !is_told_to_quit(p));
	p->receipt.exit_code = code == 126 && is_not_found(p) ? 127 : code;
	/* 128 + N is what a shell says of a signal, and the engine as well. */
	if (p->r == 0 && code > 128 && code < 128 + 65) {
		p->receipt.exit_code = -1;
		p->receipt.signal = code - 128;
		p->receipt.reason = CORRAL_REASON_SIGNAL;
	}
}

static void *run(void *arg)
{
	struct plain *p = arg;

	carry(p);
	code_ask(p);
	p->receipt.wall_usec = (corral_now_nsec() - p->began_nsec) / 1000;
	for (int i = 0; i < 2; i++)
		corral_docker_end_close(&p->outs[i]);
	(void)eventfd_write(p->event_fd, 1);
	return NULL;
}

static int streams_open(struct plain *p, const struct corral_command *command,
                        struct corral_error *err)
{
	int r = 0;

	if (command->stdin_fd >= 0)
		r = corral_docker_end_open(&p->in, command->stdin_fd, O_RDONLY);
	if (r == 0 && command->stdout_fd >= 0)
		r = corral_docker_end_open(&p->outs[0], command->stdout_fd, O_WRONLY);
	if (r == 0 && command->stderr_fd >= 0)
		r = corral_docker_end_open(&p->outs[1], command->stderr_fd, O_WRONLY);
	if (r < 0)
		return corral_error_sys(err, -r, "streams of the command");
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->quit_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return p->event_fd < 0 || p->quit_fd < 0 ? corral_error_sys(err, errno, "eventfd") : 0;
}

static int exec_start(struct plain *p, const struct corral_command *command,
                      struct corral_error *err)
{
	char mark[64];
	char *const marks[] = { mark, NULL };
	corral_autofree char **env = NULL;
	struct corral_docker_exec x = {
		.argv = command->argv,
		.guest_dir = command->guest_dir ? command->guest_dir : p->place.work_dir,
		.has_stdin = true,
	};
	int r;

	(void)snprintf(mark, sizeof(mark), MARK_NAME "=%s", p->mark);
	x.env = env = corral_environment_merge(command->env, marks);
	r = env ? corral_docker_container_exec(p->place.engine, p->place.container, &x, &p->stream,
	                                       p->exec_id, err)
	        : corral_error_set(err, ENOMEM, "exec: out of memory");
	if (r < 0 && err && strstr(err->text, "executable file not found"))
		return corral_error_set(err, ENOENT, "'%.100s': not found", command->argv[0]);
	if (r < 0 && err && strstr(err->text, "permission denied"))
		return corral_error_set(err, EACCES, "'%.100s': cannot be executed",
		                        command->argv[0]);
	return r;
}

static void plain_close(void *process)
{
	struct plain *p = process;

	if (!p)
		return;
	if (p->started) {
		(void)eventfd_write(p->quit_fd, 1);
		(void)pthread_join(p->thread, NULL);
	}
	corral_docker_stream_close(p->stream);
	for (int i = 0; i < 2; i++)
		corral_docker_end_close(&p->outs[i]);
	corral_docker_end_close(&p->in);
	corral_fd_closep(&p->event_fd);
	corral_fd_closep(&p->quit_fd);
	free(p);
}

static int thread_start(struct plain *p, struct corral_error *err)
{
	sigset_t all, before;
	int r;

	/* Signals are the caller's threads' to handle; a pipe that nobody reads is an error. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&p->thread, NULL, run, p);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	p->started = r == 0;
	return r ? corral_error_sys(err, r, "thread for a command") : 0;
}

static int plain_start(void *place, const struct corral_command *command, void **ret,
                       struct corral_error *err)
{
	struct plain *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return corral_error_set(err, ENOMEM, "exec: out of memory");
	*ret = p;
	p->place = *(const struct corral_docker_plain_place *)place;
	p->in.fd = p->outs[0].fd = p->outs[1].fd = p->event_fd = p->quit_fd = -1;
	p->began_nsec = corral_now_nsec();
	p->receipt = (struct corral_receipt) { .tier = CORRAL_TIER_CONTAINER,
		                               .memory_peak_bytes = UINT64_MAX,
		                               .pids_peak = UINT64_MAX,
		                               .written_bytes = UINT64_MAX,
		                               .oom_kills = UINT64_MAX,
		                               .pids_refused = UINT64_MAX,
		                               .throttled_usec = UINT64_MAX };
	mark_make(p->mark, sizeof(p->mark));
	corral_docker_demux_init(&p->demux, put, p);
	r = streams_open(p, command, err);
	if (r == 0)
		r = exec_start(p, command, err);
	return r < 0 ? r : thread_start(p, err);
}

static int plain_event_fd(const void *process)
{
	return ((const struct plain *)process)->event_fd;
}

static bool has_ended(const struct plain *p, int timeout_ms)
{
	struct pollfd pfd = { .fd = p->event_fd, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) > 0;
}

/* All that has the mark gets the signal, until there is none or it was tried often enough. */
static void signal_marked(struct plain *p, int signo, int rounds)
{
	static const char script[] =
	        "i=0; while [ $i -lt \"$2\" ]; do i=$((i + 1)); n=0; "
	        "for f in $(grep -l \"" MARK_NAME "=$1\" /proc/[0-9]*/environ 2>/dev/null); do "
	        "p=${f#/proc/}; kill -\"$3\" ${p%/environ} 2>/dev/null && n=1; done; "
	        "[ $n = 1 ] || break; done";
	char round[12], number[12], byte[256];
	char *const argv[] = { (char *)"/bin/sh",
		               (char *)"-c",
		               (char *)(uintptr_t)script,
		               (char *)"sh",
		               p->mark,
		               round,
		               number,
		               NULL };
	const struct corral_docker_exec x = { .argv = argv };
	struct corral_docker_stream *s = NULL;
	uint64_t until = corral_now_ms() + KILL_WAIT_MS;

	(void)snprintf(round, sizeof(round), "%d", rounds);
	(void)snprintf(number, sizeof(number), "%d", signo);
	if (corral_docker_container_exec(p->place.engine, p->place.container, &x, &s, NULL, NULL) <
	    0)
		return;
	while (corral_now_ms() < until) {
		struct pollfd pfd = { .fd = corral_docker_stream_fd(s), .events = POLLIN };
		long n = corral_docker_stream_read(s, byte, sizeof(byte));

		if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR))
			break;
		if (n < 0)
			(void)poll(&pfd, 1, 100);
	}
	corral_docker_stream_close(s);
}

static int plain_signal(void *process, int signo)
{
	signal_marked(process, signo, 1);
	return 0;
}

static void plain_kill(void *process, enum corral_reason reason)
{
	struct plain *p = process;

	p->reason = reason;
	p->killed = true;
	signal_marked(p, SIGKILL, 20);
	if (!has_ended(p, KILL_WAIT_MS))
		(void)eventfd_write(p->quit_fd, 1);
	if (p->started)
		(void)pthread_join(p->thread, NULL);
	p->started = false;
	p->receipt.reason = reason;
}

static int plain_dispatch(void *process, struct corral_error *err)
{
	struct plain *p = process;

	if (!has_ended(p, 0))
		return 0;
	return p->r < 0 ? corral_error_set(err, EPIPE, "the engine lost the command") : 1;
}

static const struct corral_receipt *plain_receipt(const void *process)
{
	return &((const struct plain *)process)->receipt;
}

int corral_docker_plain_output_error(const void *process, int stream)
{
	return atomic_load(&((const struct plain *)process)->out_errors[stream == 2]);
}

const struct corral_execute_ops corral_docker_plain_ops = {
	.start = plain_start,
	.event_fd = plain_event_fd,
	.dispatch = plain_dispatch,
	.signal = plain_signal,
	.kill = plain_kill,
	.receipt = plain_receipt,
	.close = plain_close,
};
