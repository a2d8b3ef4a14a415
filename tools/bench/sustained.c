/*
 * How many fresh sandboxes a second this host makes, for as long as one likes, on all of its
 * processors; beside it how many processes of a peer. And whether anything grows meanwhile.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "kernel/sandbox.h"
#include "policy/config.h"
#include "tools/bench/samples.h"

#define THREADS_MAX 64

extern char **environ;

enum count { PROCESSES, MOUNTS, CGROUPS, DESCRIPTORS, COUNTS };

static const char *const count_names[COUNTS] = { "processes", "mounts", "cgroups", "descriptors" };

struct work {
	struct corral_launcher *launcher; /* NULL: a process of argv */
	struct corral_policy *policy;
	char *const *argv;
	uint64_t until_nsec, done;
	pthread_mutex_t lock;
	struct corral_error err;
};

static long entries(const char *path, const char *prefix)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	long n = 0;

	while (dir && (entry = readdir(dir)))
		n += !strncmp(entry->d_name, prefix, strlen(prefix));
	if (dir)
		(void)closedir(dir);
	return n;
}

static long processes(void)
{
	long n = 0;

	for (int digit = '1'; digit <= '9'; digit++)
		n += entries("/proc", (const char[]) { (char)digit, '\0' });
	return n;
}

static long lines(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	if (f)
		(void)fclose(f);
	return n;
}

static void count(long counts[COUNTS])
{
	static const char *const trees[] = { "memory", "pids", "cpu", "freezer", "unified", "." };
	char path[64];

	counts[PROCESSES] = processes();
	counts[MOUNTS] = lines("/proc/self/mountinfo");
	counts[CGROUPS] = 0;
	for (size_t i = 0; i < CORRAL_COUNT(trees); i++) {
		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", trees[i]);
		counts[CGROUPS] += entries(path, "corral");
	}
	counts[DESCRIPTORS] = entries("/proc/self/fd", "");
}

static int one_sandbox(const struct work *w, struct corral_error *err)
{
	static char *const argv[] = { (char *)"/bin/sh", (char *)"-c", (char *)"true", NULL };
	const struct corral_command command = {
		.argv = argv, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .no_wait = true
	};
	struct corral_sandbox *s = NULL;
	int r = corral_sandbox_open(w->launcher, w->policy, &s, err);

	if (r == 0)
		r = corral_sandbox_start(s, &command, err);
	if (r == 0)
		r = corral_sandbox_wait(s, err);
	if (r == 0 && corral_sandbox_receipt(s)->exit_code != 0)
		r = corral_error_set(err, EIO, "the shell failed");
	corral_sandbox_close(s, NULL);
	return r;
}

static int one_process(const struct work *w, struct corral_error *err)
{
	int status = 0, r;
	pid_t pid;

	r = posix_spawnp(&pid, w->argv[0], NULL, NULL, w->argv, environ);
	if (r != 0)
		return corral_error_sys(err, r, "start '%s'", w->argv[0]);
	if (waitpid(pid, &status, 0) < 0)
		return corral_error_sys(err, errno, "wait for '%s'", w->argv[0]);
	return status ? corral_error_set(err, EIO, "'%s' ended with %#x", w->argv[0], status) : 0;
}

static void *work_on(void *arg)
{
	struct work *w = arg;
	struct corral_error err = { 0 };
	uint64_t done = 0;
	int r = 0;

	while (r == 0 && bench_now() < w->until_nsec) {
		r = w->launcher ? one_sandbox(w, &err) : one_process(w, &err);
		done += r == 0;
	}
	pthread_mutex_lock(&w->lock);
	w->done += done;
	if (r < 0)
		w->err = err;
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* A second's worth of them, on average. */
static int rate(struct work *w, uint64_t seconds, unsigned int threads, double *ret,
                struct corral_error *err)
{
	pthread_t ids[THREADS_MAX];
	uint64_t begin = bench_now();
	unsigned int n = 0;

	w->done = 0;
	w->until_nsec = begin + seconds * 1000000000u;
	while (n < threads && pthread_create(&ids[n], NULL, work_on, w) == 0)
		n++;
	for (unsigned int i = 0; i < n; i++)
		(void)pthread_join(ids[i], NULL);
	if (w->err.code) {
		*err = w->err;
		return -w->err.code;
	}
	*ret = (double)w->done / ((double)(bench_now() - begin) / 1e9);
	return 0;
}

static int measure(uint64_t seconds, char *const *argv, const char *tsv, struct corral_error *err)
{
	struct work w = { .lock = PTHREAD_MUTEX_INITIALIZER, .argv = argv };
	struct corral_config *config = corral_config_new();
	long processors = sysconf(_SC_NPROCESSORS_ONLN), before[COUNTS] = { 0 },
	     after[COUNTS] = { 0 };
	unsigned int threads = processors < THREADS_MAX ? (unsigned int)processors : THREADS_MAX;
	double ours = 0, theirs = 0, warm;
	FILE *f;
	int r;

	if (!config)
		return corral_error_sys(err, ENOMEM, "configuration");
	r = corral_policy_compile(config, NULL, &w.policy, err);
	corral_config_free(config);
	if (r == 0)
		r = corral_launcher_open(CORRAL_LAUNCHER_POOLED | CORRAL_LAUNCHER_WARM, &w.launcher,
		                         err);
	/* What is kept ready is there before the first count. */
	if (r == 0)
		r = rate(&w, 1, threads, &warm, err);
	if (r == 0) {
		(void)sleep(1);
		count(before);
		r = rate(&w, seconds, threads, &ours, err);
	}
	if (r == 0) {
		(void)sleep(1);
		count(after);
	}
	corral_launcher_close(w.launcher);
	w.launcher = NULL;
	corral_policy_free(w.policy);
	if (r == 0 && argv[0])
		r = rate(&w, seconds, threads, &theirs, err);
	if (r < 0)
		return r;
	printf("Fresh sandboxes a second, %u threads for %llu s: %.0f", threads,
	       (unsigned long long)seconds, ours);
	if (theirs > 0)
		printf("; %s: %.0f (%.2f times that)", argv[0], theirs, ours / theirs);
	printf("\n  before and after:");
	for (int i = 0; i < COUNTS; i++)
		printf(" %s %ld %ld", count_names[i], before[i], after[i]);
	printf("\n");
	f = tsv ? fopen(tsv, "we") : NULL;
	if (f) {
		(void)fprintf(f, "corral\t%.2f\npeer\t%.2f\n", ours, theirs);
		(void)fclose(f);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seconds", required_argument, NULL, 's' },
		                                 { "tsv", required_argument, NULL, 'v' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { 0 } };
	const char *tsv = NULL;
	struct corral_error err = { 0 };
	uint64_t seconds = 60;
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (option == 's') {
			r = corral_parse_u64(optarg, 86400, &seconds, &err);
		} else if (option == 'v') {
			tsv = optarg;
		} else {
			(void)fputs("usage: corral-bench-sustained [--seconds N] [--tsv FILE] "
			            "[-- PEER [ARG...]]\n",
			            option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (r == 0)
		r = measure(seconds, argv + optind, tsv, &err);
	if (r < 0)
		(void)fprintf(stderr, "corral-bench-sustained: %s\n", err.text);
	return r < 0 ? 1 : 0;
}
