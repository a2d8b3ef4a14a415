/*
 * corral-bench: how long whole command lines take, side by side.
 *
 * Theory of operation: one process, single-threaded. In each round every contestant is started once
 * with posix_spawn(3) and waited for, in an order that rotates from round to round, so that noise
 * of the machine hits all alike. The first rounds warm caches up, are not counted, and tell which
 * contestants are slow: those run in fewer rounds. A contestant that does not exit with 0 while
 * warming up is told by name and left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/error.h"
#include "kernel/base/parse.h"
#include "tools/bench/samples.h"

#define PEERS_MAX      32
#define WARM_UP        3
#define SLOW_NSEC      50000000u
#define SLOW_ROUNDS    30
#define RUN_LIMIT_SECS 60

struct peer {
	char **argv;     /* points into main's argv */
	int mount_ns_fd; /* entered for each run, outside of the measured time; -1: ours */
	uint64_t warm_nsec;
	size_t stride; /* runs in every stride-th round */
	bool failed;
};

struct bench {
	struct peer peers[PEERS_MAX];
	struct bench_series series[PEERS_MAX];
	size_t n, base;
	uint64_t rounds;
	int mount_ns_fd; /* ours, to come back to */
	posix_spawn_file_actions_t quiet, verbose;
};

extern char **environ;

static void on_alarm(int signo)
{
	(void)signo; /* only to interrupt waitid() */
}

static int run_timed(struct bench *b, const struct peer *p, bool verbose, uint64_t *ret_nsec,
                     struct corral_error *err)
{
	siginfo_t info = { 0 };
	uint64_t begin;
	pid_t pid;
	int r;

	(void)alarm(RUN_LIMIT_SECS);
	begin = bench_now();
	r = posix_spawnp(&pid, p->argv[0], verbose ? &b->verbose : &b->quiet, NULL, p->argv,
	                 environ);
	if (r != 0)
		return corral_error_sys(err, r, "start '%s'", p->argv[0]);
	r = waitid(P_PID, (id_t)pid, &info, WEXITED);
	*ret_nsec = bench_now() - begin;
	(void)alarm(0);
	if (r < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitid(P_PID, (id_t)pid, &info, WEXITED);
		return corral_error_set(err, ETIMEDOUT, "'%s' ran for more than %d seconds",
		                        p->argv[0], RUN_LIMIT_SECS);
	}
	if (info.si_code != CLD_EXITED || info.si_status != 0)
		return corral_error_set(err, EIO, "'%s' %s %d", p->argv[0],
		                        info.si_code == CLD_EXITED ? "exited with"
		                                                   : "died of signal",
		                        info.si_status);
	return 0;
}

/* One run; stderr is shown only while warming up, where a peer says why it does not work. */
static int run(struct bench *b, const struct peer *p, bool verbose, uint64_t *ret_nsec,
               struct corral_error *err)
{
	int r;

	if (p->mount_ns_fd >= 0 && setns(p->mount_ns_fd, CLONE_NEWNS) < 0)
		return corral_error_sys(err, errno, "enter the mount namespace of '%s'",
		                        p->argv[0]);
	r = run_timed(b, p, verbose, ret_nsec, err);
	if (p->mount_ns_fd >= 0 && setns(b->mount_ns_fd, CLONE_NEWNS) < 0)
		r = corral_error_sys(err, errno, "come back from a mount namespace");
	return r;
}

static void peer_fail(struct bench *b, size_t i, const struct corral_error *err)
{
	(void)fprintf(stderr, "corral-bench: %s could not run: %s\n", b->series[i].name, err->text);
	b->peers[i].failed = true;
	b->series[i].n = 0;
}

static void warm_up(struct bench *b)
{
	size_t i, round;

	for (i = 0; i < b->n; i++) {
		struct peer *p = &b->peers[i];

		p->warm_nsec = UINT64_MAX;
		for (round = 0; round < WARM_UP && !p->failed; round++) {
			struct corral_error err = { 0 };
			uint64_t nsec = 0;

			if (run(b, p, true, &nsec, &err) < 0)
				peer_fail(b, i, &err);
			else if (nsec < p->warm_nsec)
				p->warm_nsec = nsec;
		}
		p->stride = 1;
		if (!p->failed && p->warm_nsec > SLOW_NSEC && b->rounds > SLOW_ROUNDS)
			p->stride = b->rounds / SLOW_ROUNDS;
	}
}

static int measure(struct bench *b, struct corral_error *err)
{
	size_t round, k;
	int r;

	for (round = 0; round < b->rounds; round++) {
		for (k = 0; k < b->n; k++) {
			size_t i = (k + round) % b->n;
			struct corral_error run_err = { 0 };
			uint64_t nsec = 0;

			if (b->peers[i].failed || round % b->peers[i].stride)
				continue;
			if (run(b, &b->peers[i], false, &nsec, &run_err) < 0) {
				peer_fail(b, i, &run_err);
				continue;
			}
			r = bench_series_add(&b->series[i], nsec, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* "NAME [--mount-ns FILE] -- COMMAND" at *argv, which is moved to the command. */
static int peer_parse(struct bench *b, char ***argv, struct corral_error *err)
{
	struct peer *p = &b->peers[b->n];
	char **word = *argv;

	if (b->n == PEERS_MAX)
		return corral_error_set(err, E2BIG, "more than %d peers", PEERS_MAX);
	p->mount_ns_fd = -1;
	if (!word[0] || !word[1])
		return corral_error_set(err, EINVAL, "--peer needs NAME -- COMMAND [ARG...]");
	b->series[b->n].name = *word++;
	if (!strcmp(word[0], "--mount-ns") && word[1]) {
		p->mount_ns_fd = open(word[1], O_RDONLY | O_CLOEXEC);
		if (p->mount_ns_fd < 0)
			return corral_error_sys(err, errno, "--mount-ns '%s'", word[1]);
		word += 2;
	}
	if (!word[0] || strcmp(word[0], "--") || !word[1])
		return corral_error_set(err, EINVAL, "--peer %s: expected -- COMMAND",
		                        b->series[b->n].name);
	p->argv = *argv = word + 1;
	b->n++;
	return 0;
}

/*
 * The groups of --peer. A group ends where the next begins, whose "--peer" becomes the NULL that
 * ends the argument list.
 */
static int peers_parse(struct bench *b, char **argv, struct corral_error *err)
{
	bool more = *argv && !strcmp(*argv, "--peer");
	int r;

	if (!more)
		return corral_error_set(err, EINVAL, "expected --peer NAME -- COMMAND%s%s",
		                        *argv ? " at " : "", *argv ? *argv : "");
	while (more) {
		argv++;
		r = peer_parse(b, &argv, err);
		if (r < 0)
			return r;
		while (*argv && strcmp(*argv, "--peer"))
			argv++;
		more = *argv != NULL;
		*argv = NULL;
	}
	return 0;
}

static int actions_init(struct bench *b, struct corral_error *err)
{
	int r = posix_spawn_file_actions_init(&b->quiet);

	if (r == 0)
		r = posix_spawn_file_actions_init(&b->verbose);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&b->quiet, 0, "/dev/null", O_RDWR, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&b->quiet, 0, 1);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&b->quiet, 0, 2);
	if (r == 0)
		r = posix_spawn_file_actions_addopen(&b->verbose, 0, "/dev/null", O_RDWR, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&b->verbose, 0, 1);
	return r == 0 ? 0 : corral_error_sys(err, r, "prepare to start peers");
}

static int base_find(struct bench *b, const char *name, struct corral_error *err)
{
	if (!name)
		return 0;
	for (b->base = 0; b->base < b->n; b->base++)
		if (!strcmp(b->series[b->base].name, name))
			return 0;
	return corral_error_set(err, EINVAL, "--base: no peer is named '%s'", name);
}

static int report(struct bench *b, const char *title, const char *json, const char *tsv,
                  struct corral_error *err)
{
	int r = 0;

	bench_print(title, b->series, b->n, b->base);
	if (json)
		r = bench_save_json(json, title, b->series, b->n, b->base, err);
	if (r == 0 && tsv)
		r = bench_save_tsv(tsv, b->series, b->n, b->base, err);
	return r;
}

static const char usage[] =
        "usage: corral-bench [--rounds N] [--base NAME] [--title TEXT] [--json FILE] [--tsv FILE]\n"
        "                    --peer NAME [--mount-ns FILE] -- COMMAND [ARG...] [--peer ...]...\n"
        "Times whole processes, interleaved. Exit status 1 when a peer could not run.\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "base", required_argument, NULL, 'b' },
		{ "title", required_argument, NULL, 't' },
		{ "json", required_argument, NULL, 'j' },
		{ "tsv", required_argument, NULL, 's' },
		{ "peer", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const struct sigaction action = { .sa_handler = on_alarm };
	static struct bench b = { .rounds = 300, .mount_ns_fd = -1 };
	const char *title = "whole processes", *json = NULL, *tsv = NULL, *base = NULL;
	struct corral_error err = { 0 };
	bool peers = false;
	int option, r = 0, status = 0;
	size_t i;

	while (!peers && r == 0 && (option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			r = corral_parse_u64(optarg, 1000000, &b.rounds, &err);
			break;
		case 'b':
			base = optarg;
			break;
		case 't':
			title = optarg;
			break;
		case 'j':
			json = optarg;
			break;
		case 's':
			tsv = optarg;
			break;
		case 'p':
			optind--; /* peers_parse() starts at the word itself */
			peers = true;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			return 0;
		default:
			(void)fputs(usage, stderr);
			return 2;
		}
	}
	(void)sigaction(SIGALRM, &action, NULL);
	b.mount_ns_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (r == 0)
		r = peers_parse(&b, argv + optind, &err);
	if (r == 0)
		r = base_find(&b, base, &err);
	if (r == 0)
		r = actions_init(&b, &err);
	if (r == 0) {
		warm_up(&b);
		r = measure(&b, &err);
	}
	if (r == 0)
		r = report(&b, title, json, tsv, &err);
	if (r < 0) {
		(void)fprintf(stderr, "corral-bench: %s\n", err.text);
		return 2;
	}
	for (i = 0; i < b.n; i++) {
		status |= b.peers[i].failed;
		bench_series_done(&b.series[i]);
	}
	(void)posix_spawn_file_actions_destroy(&b.quiet);
	(void)posix_spawn_file_actions_destroy(&b.verbose);
	return status;
}
