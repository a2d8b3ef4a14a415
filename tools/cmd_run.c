/*
 * corral run: one command in a fresh sandbox.
 *
 * Theory of operation: one process and no threads. It builds the sandbox through the library, then
 * waits in one poll() (tools/relay.h) for three things: the sandbox's events, signals to hand on (a
 * signalfd), and, when there is a terminal or a limit on output, bytes to carry. Otherwise the
 * command holds the caller's own descriptors and corral is not in the way of a single byte. Every
 * way out goes through finish(), which gives the terminal back first.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/sandbox.h"
#include "tools/commands.h"
#include "tools/compile.h"
#include "tools/docker/docker.h"
#include "tools/docker_exec.h"
#include "tools/entry.h"
#include "tools/images/use.h"
#include "tools/message.h"
#include "tools/options.h"
#include "tools/relay.h"
#include "tools/run_end.h"
#include "tools/runtime_use.h"

struct run {
	struct corral_options options;
	struct corral_policy *policy;
	struct corral_launcher *launcher;
	struct corral_sandbox *sandbox;
	struct corral_relay relay;
};

static void run_signal(void *owner, int signo)
{
	/* -ESRCH: it has just ended, and the loop will hear of it. */
	(void)corral_sandbox_signal(((struct run *)owner)->sandbox, signo, NULL);
}

static void run_kill(void *owner, enum corral_reason reason)
{
	(void)corral_sandbox_kill(((struct run *)owner)->sandbox, reason, NULL);
}

static void run_count_output(void *owner, uint64_t bytes)
{
	corral_sandbox_count_output(((struct run *)owner)->sandbox, bytes);
}

static int run_dispatch(void *owner, struct corral_error *err)
{
	return corral_sandbox_dispatch(((struct run *)owner)->sandbox, err);
}

static const struct corral_relay_ops run_ops = {
	.signal = run_signal,
	.kill = run_kill,
	.count_output = run_count_output,
	.dispatch = run_dispatch,
};

static int start(struct run *run, struct corral_error *err)
{
	const struct corral_config *c = run->options.config;
	int fds[2], pipes[2] = { -1, -1 };
	struct corral_command command = {
		.last = true,
		.no_wait = true,
		.no_statistics = !run->options.summary && run->options.json_fd < 0,
		.argv = c->argv,
		.stdin_fd = c->use_stdin ? STDIN_FILENO : -1,
		.tty = c->tty,
	};
	int r;

	if (c->tty)
		corral_tty_size(&command.tty_rows, &command.tty_cols);
	r = corral_relay_prepare(&run->relay, c->tty, run->policy->limits.output_bytes, true, fds,
	                         pipes, err);
	if (r == 0) {
		command.stdout_fd = fds[0];
		command.stderr_fd = fds[1];
		r = corral_sandbox_start(run->sandbox, &command, err);
	}
	corral_fd_closep(&pipes[0]);
	corral_fd_closep(&pipes[1]);
	return r < 0 ? r : corral_relay_begin(&run->relay, corral_sandbox_tty(run->sandbox), err);
}

static int execute(struct run *run, struct corral_error *err)
{
	int r;

	r = corral_relay_open(&run->relay, err);
	if (r == 0)
		r = corral_options_compile(&run->options, &run->policy, err);
	if (r == 0)
		r = corral_launcher_open_for(CORRAL_LAUNCHER_ONE_SHOT, run->policy, &run->launcher,
		                             err);
	if (r == 0)
		r = corral_sandbox_open(run->launcher, run->policy, &run->sandbox, err);
	if (r == 0)
		r = start(run, err);
	if (r == 0)
		r = corral_relay_loop(&run->relay, corral_sandbox_event_fd(run->sandbox), err);
	/* A sandbox that broke may still be writing; only one that has ended is worth waiting for.
	 */
	if (r == 0)
		corral_relay_drain(&run->relay);
	return r;
}

/* Gives everything back, then tells: the terminal is the caller's again before the first word. */
static int finish(struct run *run, int r, struct corral_error *err)
{
	struct corral_run_end end = {
		.options = &run->options,
		.relay = &run->relay,
		.limits = run->policy ? &run->policy->limits : NULL,
		.has_receipt = run->sandbox != NULL,
	};
	int status;

	corral_relay_restore(&run->relay);
	if (run->sandbox)
		corral_sandbox_close(run->sandbox, &end.receipt);
	if (run->launcher)
		corral_launcher_close(run->launcher);
	status = corral_run_end_tell(&end, r, err);
	corral_receipt_done(&end.receipt);
	corral_relay_close(&run->relay);
	corral_policy_free(run->policy);
	return status;
}

static int no_command(const struct corral_options *o, struct corral_error *err)
{
	const char *image = o->config->image;
	bool of_runtime = o->runtime_name && !o->image;

	if (!image)
		return corral_error_set(
		        err, EINVAL, "no command given: corral run [options] -- COMMAND [ARG...]");
	return corral_error_set(err, EINVAL,
	                        "no command given, and the image '%.150s' has none of its own: "
	                        "corral run --%s %.150s -- COMMAND [ARG...]",
	                        image, of_runtime ? "runtime" : "image",
	                        of_runtime ? o->runtime_name : image);
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
	        "  corral run --image python:3.12-slim -- python3 --version\n"
	        "  corral run --memory 256M --timeout 10s --json 3 -- ./test 3>receipt.json\n",
	        stdout);
}

int corral_cmd_run(int argc, char **argv)
{
	struct run run = { .sandbox = NULL };
	struct corral_error err = { 0 };
	int r, status;

	corral_entry_heap();
	r = corral_docker_exec_wanted(CORRAL_OPTION_RUN, argc, argv, &err);
	if (r < 0)
		return corral_complain(&err);
	corral_relay_init(&run.relay, &run_ops, &run);
	r = corral_options_init(&run.options, &err);
	run.options.use_runtime = corral_runtime_use;
	if (r == 0)
		r = corral_options_parse(&run.options, CORRAL_OPTION_RUN, argc, argv, &err);
	if (r == 0 && run.options.help) {
		help();
		corral_options_done(&run.options);
		return 0;
	}
	if (r == 0)
		r = corral_images_use(&run.options, &err);
	if (r == 0 && !run.options.config->n_argv)
		r = no_command(&run.options, &err);
	if (r == 0)
		r = corral_docker_exec_runtime(&run.options, argv, &err);
	if (r == 0 && corral_options_have_docker(&run.options)) {
		status = corral_docker_run(&run.options);
		corral_options_done(&run.options);
		return status;
	}
	if (r == 0)
		r = execute(&run, &err);
	status = finish(&run, r, &err);
	corral_options_done(&run.options);
	return status;
}
