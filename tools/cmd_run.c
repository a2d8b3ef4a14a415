/*
 * corral run: one command in a fresh sandbox.
 *
 * Theory of operation: one process and no threads. It builds the sandbox through the library, then
 * waits in one poll() for three things: the sandbox's events, signals to hand on (a signalfd), and,
 * when there is a terminal or a limit on output, bytes to carry. Otherwise the command holds the
 * caller's own descriptors and corral is not in the way of a single byte. Every way out goes
 * through finish(), which gives the terminal back first.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/sandbox.h"
#include "tools/commands.h"
#include "tools/compile.h"
#include "tools/exitcode.h"
#include "tools/message.h"
#include "tools/options.h"
#include "tools/pump.h"
#include "tools/receipt_json.h"
#include "tools/signals.h"
#include "tools/summary.h"
#include "tools/tty.h"

#define PUMPS_MAX 2
/* A second interrupt within this time is a person who means it. */
#define INSIST_MS 2000
/* After the command's end what it wrote is already there; silence for this long is the end of it.
 */
#define DRAIN_MS     200
#define END_OF_INPUT "\004"

struct run {
	struct corral_options options;
	struct corral_policy *policy;
	struct corral_launcher *launcher;
	struct corral_sandbox *sandbox;
	struct corral_signals signals;
	struct corral_tty tty;
	struct corral_pump pumps[PUMPS_MAX];
	int pipes[PUMPS_MAX]; /* our ends, when output is counted */
	size_t n_pumps;
	uint64_t budget, passed, counted;
	uint64_t interrupted_ms;
	bool end_sent, killed, hung_up;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void forward(struct run *run, int signo)
{
	/* -ESRCH: it has just ended, and the loop will hear of it. */
	(void)corral_sandbox_signal(run->sandbox, signo, NULL);
}

/* Ctrl-Z: the command stops, then corral, so that the shell sees a stopped job; fg wakes both. */
static void suspend(struct run *run)
{
	bool was_raw = run->tty.is_raw;

	forward(run, SIGSTOP);
	corral_tty_restore(&run->tty);
	(void)raise(SIGSTOP);
	if (was_raw)
		(void)corral_tty_raw(&run->tty, NULL);
	forward(run, SIGCONT);
}

static void handle_signal(struct run *run, int signo)
{
	uint64_t now = now_ms();

	switch (signo) {
	case SIGWINCH:
		if (run->options.config->tty)
			corral_tty_resize(corral_sandbox_tty(run->sandbox));
		else
			forward(run, signo);
		return;
	case SIGTSTP:
		suspend(run);
		return;
	case SIGCONT:
		/* The shell may have set the terminal its own way meanwhile. */
		if (run->tty.is_raw) {
			run->tty.is_raw = false;
			(void)corral_tty_raw(&run->tty, NULL);
			corral_tty_resize(corral_sandbox_tty(run->sandbox));
		}
		forward(run, signo);
		return;
	case SIGINT:
	case SIGTERM:
		if (run->interrupted_ms && now - run->interrupted_ms < INSIST_MS) {
			(void)corral_sandbox_kill(run->sandbox, CORRAL_REASON_KILLED, NULL);
			return;
		}
		run->interrupted_ms = now;
		forward(run, signo);
		return;
	default:
		forward(run, signo);
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

static int pump_open(struct run *run, int to, int *ret_write_fd, struct corral_error *err)
{
	struct corral_pump *p = &run->pumps[run->n_pumps];
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return corral_error_sys(err, errno, "pipe for output");
	/* Ours alone: the command's end stays as programs expect it. */
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	corral_pump_init(p, fds[0], to);
	p->budget = &run->budget;
	p->passed = &run->passed;
	run->pipes[run->n_pumps++] = fds[0];
	*ret_write_fd = fds[1];
	return 0;
}

static void pumps_for_tty(struct run *run, int master_fd)
{
	(void)fcntl(master_fd, F_SETFL, O_NONBLOCK);
	corral_pump_init(&run->pumps[0], master_fd, STDOUT_FILENO);
	run->pumps[0].passed = &run->passed;
	if (run->policy->limits.output_bytes)
		run->pumps[0].budget = &run->budget;
	corral_pump_init(&run->pumps[1], STDIN_FILENO, master_fd);
	run->n_pumps = 2;
}

static int start(struct run *run, struct corral_error *err)
{
	const struct corral_config *c = run->options.config;
	corral_autofd int out_fd = -1;
	corral_autofd int err_fd = -1;
	struct corral_command command = {
		.last = true,
		.no_statistics = !run->options.summary && run->options.json_fd < 0,
		.argv = c->argv,
		.stdin_fd = c->use_stdin ? STDIN_FILENO : -1,
		.stdout_fd = STDOUT_FILENO,
		.stderr_fd = STDERR_FILENO,
		.tty = c->tty,
	};
	int r;

	run->budget = run->policy->limits.output_bytes;
	if (c->tty) {
		corral_tty_size(&command.tty_rows, &command.tty_cols);
	} else if (run->budget) {
		r = pump_open(run, STDOUT_FILENO, &out_fd, err);
		if (r == 0 && !same_file(STDOUT_FILENO, STDERR_FILENO))
			r = pump_open(run, STDERR_FILENO, &err_fd, err);
		if (r < 0)
			return r;
		command.stdout_fd = out_fd;
		command.stderr_fd = err_fd >= 0 ? err_fd : out_fd;
	}
	r = corral_sandbox_start(run->sandbox, &command, err);
	if (r < 0)
		return r;
	if (c->tty) {
		pumps_for_tty(run, corral_sandbox_tty(run->sandbox));
		r = corral_tty_raw(&run->tty, err);
	}
	return r;
}

/* Input that came from a file or a pipe has an end; a terminal's line discipline knows it as ^D,
 * which counts at the start of a line only. */
static void send_end_of_input(struct run *run)
{
	const struct corral_pump *p = &run->pumps[1];
	bool at_line_start = p->start == 0 || p->data[p->start - 1] == '\n';

	run->end_sent = true;
	if (isatty(STDIN_FILENO) || p->to < 0)
		return;
	(void)!write(p->to, END_OF_INPUT END_OF_INPUT, at_line_start ? 1 : 2);
}

static void step_pumps(struct run *run, const struct pollfd *polled)
{
	bool tty = run->options.config->tty;

	for (size_t i = 0; i < run->n_pumps; i++) {
		struct corral_pump *p = &run->pumps[i];

		corral_pump_step(p, &polled[i]);
		if (p->cut && !run->killed) {
			run->killed = true;
			(void)corral_sandbox_kill(run->sandbox, CORRAL_REASON_OUTPUT, NULL);
		}
		/* Our reader has gone: the command gets its SIGPIPE, as it would without us. */
		if (!tty && p->to < 0 && !p->at_end) {
			p->at_end = true;
			corral_fd_closep(&run->pipes[i]);
		}
	}
	/* Nobody looks at the terminal any more: what a terminal does then is hang up. */
	if (tty && !run->hung_up && run->pumps[0].to < 0) {
		run->hung_up = true;
		forward(run, SIGHUP);
	}
	if (tty && !run->end_sent && corral_pump_done(&run->pumps[1]))
		send_end_of_input(run);
	if (run->passed > run->counted) {
		corral_sandbox_count_output(run->sandbox, run->passed - run->counted);
		run->counted = run->passed;
	}
}

static int loop(struct run *run, struct corral_error *err)
{
	struct pollfd fds[2 + PUMPS_MAX];
	int r, signo;

	for (;;) {
		fds[0] = (struct pollfd) { .fd = corral_sandbox_event_fd(run->sandbox),
			                   .events = POLLIN };
		fds[1] = (struct pollfd) { .fd = run->signals.fd, .events = POLLIN };
		for (size_t i = 0; i < run->n_pumps; i++)
			corral_pump_want(&run->pumps[i], &fds[2 + i]);
		if (poll(fds, 2 + run->n_pumps, -1) < 0) {
			if (errno == EINTR)
				continue;
			return corral_error_sys(err, errno, "poll");
		}
		if (fds[0].revents) {
			r = corral_sandbox_dispatch(run->sandbox, err);
			if (r != 0)
				return r < 0 ? r : 0;
		}
		while (fds[1].revents && (signo = corral_signals_next(&run->signals)) > 0)
			handle_signal(run, signo);
		step_pumps(run, fds + 2);
	}
}

/* What the command wrote before its end. A slow reader is waited for; an interrupt is not. */
static void drain(struct run *run)
{
	struct pollfd fds[1 + PUMPS_MAX];

	if (run->options.config->tty && run->n_pumps > 1) {
		run->pumps[1].at_end = true;
		run->pumps[1].len = 0;
	}
	for (;;) {
		bool waits_for_reader = false, done = true;
		int n;

		fds[0] = (struct pollfd) { .fd = run->signals.fd, .events = POLLIN };
		for (size_t i = 0; i < run->n_pumps; i++) {
			corral_pump_want(&run->pumps[i], &fds[1 + i]);
			waits_for_reader |= run->pumps[i].len > 0;
			done &= corral_pump_done(&run->pumps[i]);
		}
		if (done)
			return;
		n = poll(fds, 1 + run->n_pumps, waits_for_reader ? -1 : DRAIN_MS);
		if (n == 0 || (n < 0 && errno != EINTR))
			return;
		if (n > 0 && fds[0].revents) {
			int signo = corral_signals_next(&run->signals);

			if (signo == SIGINT || signo == SIGTERM || signo == SIGQUIT ||
			    signo == SIGHUP)
				return;
		}
		if (n > 0)
			step_pumps(run, fds + 1);
	}
}

/* What is missing inside may well be there outside: then the way to it is worth a word. */
static void hint_exec(struct run *run, struct corral_error *err)
{
	const char *path = run->options.config->argv[0], *hint = NULL;
	size_t len = strlen(err->text);

	if (err->code == ENOENT && strchr(path, '/') && access(path, F_OK) == 0)
		hint = path[0] == '/' ? "it is on the host: --ro-bind shows it"
		                      : "it is on the host: --workspace . shows this directory";
	else if (err->code == EACCES)
		hint = "it is no program, or not executable for this user";
	else if (err->code == ENOEXEC)
		hint = "a script needs a first line such as #!/bin/sh";
	if (hint)
		(void)snprintf(err->text + len, sizeof(err->text) - len, " (%s)", hint);
}

static int execute(struct run *run, struct corral_error *err)
{
	int r;

	r = corral_signals_open(&run->signals, err);
	if (r == 0)
		r = corral_options_compile(&run->options, &run->policy, err);
	if (r == 0)
		r = corral_launcher_open(CORRAL_LAUNCHER_ONE_SHOT, &run->launcher, err);
	if (r == 0)
		r = corral_sandbox_open(run->launcher, run->policy, &run->sandbox, err);
	if (r == 0)
		r = start(run, err);
	if (r == 0)
		r = loop(run, err);
	/* A sandbox that broke may still be writing; only one that has ended is worth waiting for.
	 */
	if (r == 0)
		drain(run);
	return r;
}

/* Gives everything back, then tells: the terminal is the caller's again before the first word. */
static int finish(struct run *run, int r, struct corral_error *err)
{
	struct corral_receipt receipt = { 0 };
	struct corral_error json_err = { 0 };
	bool has_receipt = run->sandbox != NULL;
	int status = CORRAL_EXIT_FAILED;

	corral_tty_restore(&run->tty);
	if (run->sandbox)
		corral_sandbox_close(run->sandbox, &receipt);
	if (run->launcher)
		corral_launcher_close(run->launcher);
	for (size_t i = 0; i < PUMPS_MAX; i++)
		corral_fd_closep(&run->pipes[i]);

	if (r < 0 && receipt.exec_error)
		hint_exec(run, err);
	else if (r < 0)
		has_receipt = false;
	if (has_receipt)
		status = corral_exit_status(&receipt);
	if (r < 0)
		(void)corral_complain(err);
	else
		corral_verdict_print(&receipt, run->policy);
	if (run->options.summary && has_receipt)
		corral_summary_print(&receipt, run->policy, status);
	if (run->options.json_fd >= 0 &&
	    corral_receipt_json_write(run->options.json_fd, has_receipt ? &receipt : NULL, status,
	                              r < 0 ? err : NULL, &json_err) < 0)
		status = corral_complain(&json_err);
	corral_signals_close(&run->signals);
	corral_policy_free(run->policy);
	return status;
}

static void help(void)
{
	(void)fputs("Usage: corral run [options] [--] COMMAND [ARG...]\n"
	            "Runs COMMAND in a fresh sandbox that is gone afterwards.\n",
	            stdout);
	corral_options_print(stdout, CORRAL_OPTION_RUN);
	(void)fputs(
	        "\nExit status: the command's own; 128+N when signal N ended it; 124 timed out;\n"
	        "137 out of memory or killed; 125 corral failed; 126 cannot execute; 127 not "
	        "found.\n"
	        "\nExamples:\n"
	        "  corral run -- python3 -c 'print(6 * 7)'\n"
	        "  corral run -it --workspace . -- bash\n"
	        "  corral run --memory 256M --timeout 10s --json 3 -- ./test 3>receipt.json\n",
	        stdout);
}

int corral_cmd_run(int argc, char **argv)
{
	struct run run = { .signals.fd = -1, .pipes = { -1, -1 } };
	struct corral_error err = { 0 };
	int r, status;

	r = corral_options_init(&run.options, &err);
	if (r == 0)
		r = corral_options_parse(&run.options, CORRAL_OPTION_RUN, argc, argv, &err);
	if (r == 0 && run.options.help) {
		help();
		corral_options_done(&run.options);
		return 0;
	}
	if (r == 0 && !run.options.config->n_argv)
		r = corral_error_set(&err, EINVAL,
		                     "no command given: corral run [options] -- COMMAND [ARG...]");
	if (r == 0)
		r = execute(&run, &err);
	status = finish(&run, r, &err);
	corral_options_done(&run.options);
	return status;
}
