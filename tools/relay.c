#include "tools/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/clock.h"

/* A second interrupt within this time is a person who means it. */
#define INSIST_MS 2000
/* After the command's end what it wrote is already there; silence for this long is the end of it.
 */
#define DRAIN_MS 200
/* Somebody else in the sandbox may hold the other end: no more time and no more bytes than what
 * could be there already take. */
#define DRAIN_ALL_MS    1000
#define DRAIN_ALL_BYTES (1u << 20)
#define END_OF_INPUT    "\004"

void corral_relay_init(struct corral_relay *r, const struct corral_relay_ops *ops, void *owner)
{
	/* Not the pumps' buffers, which are not small. */
	r->ops = ops;
	r->owner = owner;
	r->signals.fd = r->tty_fd = -1;
	r->terminal.is_raw = false;
	r->pipes[0] = r->pipes[1] = r->input_fd = -1;
	r->n_pumps = 0;
	r->tty = r->limited = false;
	r->budget = r->passed = r->counted = r->interrupted_ms = 0;
	r->end_sent = r->killed = r->hung_up = r->opened = false;
}

int corral_relay_open(struct corral_relay *r, struct corral_error *err)
{
	corral_streams_save(&r->streams);
	r->opened = true;
	return corral_signals_open(&r->signals, err);
}

static void forward(struct corral_relay *r, int signo)
{
	r->ops->signal(r->owner, signo);
}

static void resize(struct corral_relay *r)
{
	uint16_t rows, cols;

	if (!r->ops->resize) {
		corral_tty_resize(r->tty_fd);
		return;
	}
	corral_tty_size(&rows, &cols);
	r->ops->resize(r->owner, rows, cols);
}

/* Ctrl-Z: the command stops, then corral, so that the shell sees a stopped job; fg wakes both. */
static void suspend(struct corral_relay *r)
{
	bool was_raw = r->terminal.is_raw;

	forward(r, SIGSTOP);
	corral_tty_restore(&r->terminal);
	(void)raise(SIGSTOP);
	if (was_raw)
		(void)corral_tty_raw(&r->terminal, NULL);
	forward(r, SIGCONT);
}

static void handle_signal(struct corral_relay *r, int signo)
{
	uint64_t now = corral_now_ms();

	switch (signo) {
	case SIGWINCH:
		if (r->tty)
			resize(r);
		else
			forward(r, signo);
		return;
	case SIGTSTP:
		suspend(r);
		return;
	case SIGCONT:
		/* The shell may have set the terminal its own way meanwhile. */
		if (r->terminal.is_raw) {
			r->terminal.is_raw = false;
			(void)corral_tty_raw(&r->terminal, NULL);
			resize(r);
		}
		forward(r, signo);
		return;
	case SIGINT:
	case SIGTERM:
		if (r->interrupted_ms && now - r->interrupted_ms < INSIST_MS) {
			r->ops->kill(r->owner, CORRAL_REASON_KILLED);
			return;
		}
		r->interrupted_ms = now;
		forward(r, signo);
		return;
	default:
		forward(r, signo);
		return;
	}
}

/* Two streams that are one file get one pipe, or what was written in order would come out of it. */
static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static int pump_open(struct corral_relay *r, int to, int *ret_write_fd, struct corral_error *err)
{
	struct corral_pump *p = &r->pumps[r->n_pumps];
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "pipe for output");
	/* Ours alone: the command's end stays as programs expect it. */
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	corral_pump_init(p, fds[0], to);
	p->budget = r->limited ? &r->budget : NULL;
	p->passed = &r->passed;
	r->pipes[r->n_pumps++] = fds[0];
	*ret_write_fd = fds[1];
	return 0;
}

static void pumps_for_tty(struct corral_relay *r)
{
	(void)fcntl(r->tty_fd, F_SETFL, O_NONBLOCK);
	corral_pump_init(&r->pumps[0], r->tty_fd, STDOUT_FILENO);
	r->pumps[0].passed = &r->passed;
	if (r->limited)
		r->pumps[0].budget = &r->budget;
	corral_pump_init(&r->pumps[1], STDIN_FILENO, r->tty_fd);
	r->n_pumps = 2;
}

int corral_relay_prepare(struct corral_relay *r, bool tty, uint64_t output_bytes, bool lends,
                         int fds[2], int ret_write_fds[2], struct corral_error *err)
{
	static const int own[] = { STDOUT_FILENO, STDERR_FILENO };
	int status = 0;

	r->tty = tty;
	r->budget = output_bytes;
	r->limited = output_bytes != 0;
	for (int i = 0; i < 2; i++) {
		fds[i] = own[i];
		if (tty || status < 0 || (!r->limited && (lends || !isatty(own[i]))))
			continue;
		if (i && ret_write_fds[0] >= 0 && same_file(own[0], own[1])) {
			fds[1] = fds[0];
			continue;
		}
		status = pump_open(r, own[i], &ret_write_fds[i], err);
		fds[i] = ret_write_fds[i];
	}
	return status;
}

int corral_relay_input(struct corral_relay *r, int *ret_fd, int *ret_read_fd,
                       struct corral_error *err)
{
	int fds[2];

	*ret_fd = STDIN_FILENO;
	if (!isatty(STDIN_FILENO))
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "pipe for input");
	(void)fcntl(fds[1], F_SETFL, O_NONBLOCK);
	corral_pump_init(&r->input, STDIN_FILENO, fds[1]);
	r->input_fd = fds[1];
	*ret_fd = *ret_read_fd = fds[0];
	return 0;
}

int corral_relay_begin(struct corral_relay *r, int tty_fd, struct corral_error *err)
{
	if (!r->tty)
		return 0;
	r->tty_fd = tty_fd;
	pumps_for_tty(r);
	return corral_tty_raw(&r->terminal, err);
}

/* Input that came from a file or a pipe has an end; a terminal's line discipline knows it as ^D,
 * which counts at the start of a line only. */
static void send_end_of_input(struct corral_relay *r)
{
	const struct corral_pump *p = &r->pumps[1];
	bool at_line_start = p->start == 0 || p->data[p->start - 1] == '\n';

	r->end_sent = true;
	if (isatty(STDIN_FILENO) || p->to < 0)
		return;
	(void)!write(p->to, END_OF_INPUT END_OF_INPUT, at_line_start ? 1 : 2);
}

/* What is typed, until there is no more of it or nobody reads it. */
static void step_input(struct corral_relay *r, const struct pollfd *polled)
{
	corral_pump_step(&r->input, polled);
	if (corral_pump_done(&r->input) || r->input.to < 0)
		corral_fd_closep(&r->input_fd);
}

static void step_pumps(struct corral_relay *r, const struct pollfd *polled)
{
	for (size_t i = 0; i < r->n_pumps; i++) {
		struct corral_pump *p = &r->pumps[i];

		corral_pump_step(p, &polled[i]);
		if (p->cut && !r->killed) {
			r->killed = true;
			r->ops->kill(r->owner, CORRAL_REASON_OUTPUT);
		}
		/* Our reader has gone: the command gets its SIGPIPE, as it would without us. */
		if (!r->tty && p->to < 0 && !p->at_end) {
			p->at_end = true;
			corral_fd_closep(&r->pipes[i]);
		}
	}
	/* Nobody looks at the terminal any more: what a terminal does then is hang up. */
	if (r->tty && !r->hung_up && r->pumps[0].to < 0) {
		r->hung_up = true;
		forward(r, SIGHUP);
	}
	if (r->tty && !r->end_sent && corral_pump_done(&r->pumps[1]))
		send_end_of_input(r);
	if (r->passed > r->counted) {
		r->ops->count_output(r->owner, r->passed - r->counted);
		r->counted = r->passed;
	}
}

int corral_relay_loop(struct corral_relay *r, int event_fd, struct corral_error *err)
{
	struct pollfd fds[3 + CORRAL_RELAY_PUMPS_MAX];
	int status, signo;

	for (;;) {
		fds[0] = (struct pollfd) { .fd = event_fd, .events = POLLIN };
		fds[1] = (struct pollfd) { .fd = r->signals.fd, .events = POLLIN };
		fds[2] = (struct pollfd) { .fd = -1 };
		if (r->input_fd >= 0)
			corral_pump_want(&r->input, &fds[2]);
		for (size_t i = 0; i < r->n_pumps; i++)
			corral_pump_want(&r->pumps[i], &fds[3 + i]);
		if (poll(fds, 3 + r->n_pumps, -1) < 0) {
			if (errno == EINTR)
				continue;
			return corral_error_sys(err, errno, "poll");
		}
		if (fds[0].revents) {
			status = r->ops->dispatch(r->owner, err);
			if (status != 0)
				return status < 0 ? status : 0;
		}
		while (fds[1].revents && (signo = corral_signals_next(&r->signals)) > 0)
			handle_signal(r, signo);
		if (r->input_fd >= 0)
			step_input(r, &fds[2]);
		step_pumps(r, fds + 3);
	}
}

void corral_relay_drain(struct corral_relay *r)
{
	struct pollfd fds[1 + CORRAL_RELAY_PUMPS_MAX];
	uint64_t passed = r->passed, spent_ms = 0;

	corral_fd_closep(&r->input_fd);
	if (r->tty && r->n_pumps > 1) {
		r->pumps[1].at_end = true;
		r->pumps[1].len = 0;
	}
	for (;;) {
		bool waits_for_reader = false, done = true;
		uint64_t begin = corral_now_ms();
		int n;

		fds[0] = (struct pollfd) { .fd = r->signals.fd, .events = POLLIN };
		for (size_t i = 0; i < r->n_pumps; i++) {
			if (spent_ms >= DRAIN_ALL_MS || r->passed - passed >= DRAIN_ALL_BYTES)
				r->pumps[i].at_end = true;
			corral_pump_want(&r->pumps[i], &fds[1 + i]);
			waits_for_reader |= r->pumps[i].len > 0;
			done &= corral_pump_done(&r->pumps[i]);
		}
		if (done)
			return;
		n = poll(fds, 1 + r->n_pumps, waits_for_reader ? -1 : DRAIN_MS);
		if (n == 0 || (n < 0 && errno != EINTR))
			return;
		/* A reader of ours may take its time. */
		if (!waits_for_reader)
			spent_ms += corral_now_ms() - begin;
		if (n > 0 && fds[0].revents) {
			int signo = corral_signals_next(&r->signals);

			if (signo == SIGINT || signo == SIGTERM || signo == SIGQUIT ||
			    signo == SIGHUP)
				return;
		}
		if (n > 0)
			step_pumps(r, fds + 1);
	}
}

void corral_relay_restore(struct corral_relay *r)
{
	corral_tty_restore(&r->terminal);
	if (r->opened)
		corral_streams_restore(&r->streams);
}

bool corral_relay_cut(const struct corral_relay *r)
{
	return r->killed;
}

int corral_relay_error(const struct corral_relay *r)
{
	size_t n = r->tty && r->n_pumps ? 1 : r->n_pumps;

	for (size_t i = 0; i < n; i++)
		if (r->pumps[i].error && r->pumps[i].error != EPIPE)
			return r->pumps[i].error;
	return 0;
}

void corral_relay_close(struct corral_relay *r)
{
	for (size_t i = 0; i < CORRAL_RELAY_PUMPS_MAX; i++)
		corral_fd_closep(&r->pipes[i]);
	corral_fd_closep(&r->input_fd);
	corral_signals_close(&r->signals);
}
