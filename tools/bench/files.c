/*
 * grep and glob of the local backend, in this process, beside the programs that people use for
 * both: a tree of small text files, everything warm, all in turns, the same number of threads.
 *
 * The peers' output goes into memory, as ours does. (/dev/null would not do: GNU grep knows it, and
 * ends at the first match.) Theirs is the time of a whole process, ours that of a call.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "tools/bench/samples.h"
#include "tools/bench/tree.h"

#define PEERS_MAX 2
#define WORDS_MAX 16 /* of a peer's command */

enum kind { GREP, GLOB };

struct peer {
	const char *name;
	/* In words: "%p" is the pattern, "%n" the number of threads, "%d" the tree. */
	const char *command;
};

struct task {
	const char *name;
	enum kind kind;
	const char *pattern; /* ours, and that of the greps */
	unsigned int flags;
	struct peer peers[PEERS_MAX];
};

#define RIPGREP "rg --no-config -n -j %n -e %p"
#define GNU     "grep -rnE -e %p"
#define FIND    "find %d -type f"
#define FD      "fd -I -j %n -t f -g"

#define GREP_PEERS                                                       \
	{                                                                \
		{ "ripgrep", RIPGREP " %d" }, { "GNU grep", GNU " %d" }, \
	}

static const struct task tasks[] = {
	{ "literal, rare", GREP, BENCH_TREE_RARE, 0, GREP_PEERS },
	{ "literal, frequent", GREP, BENCH_TREE_FREQUENT, 0, GREP_PEERS },
	{ "literal, nowhere", GREP, "quagmire_absent", 0, GREP_PEERS },
	{ "regex with prefix, rare", GREP, "quagmire_[a-z]+\\(HANDLE_[0-9]+\\)", 0, GREP_PEERS },
	{ "regex with prefix, frequent", GREP, "synchron[a-z]+d;", 0, GREP_PEERS },
	{ "regex without, rare", GREP, "[A-Z]+_[0-9]+", 0, GREP_PEERS },
	{ "regex without, frequent", GREP, "0x[0-9a-f]{2}[a-f]0", 0, GREP_PEERS },
	{ "literal, any case",
	  GREP,
	  "Quagmire_Handle",
	  CORRAL_FILES_IGNORE_CASE,
	  { { "ripgrep", RIPGREP " -i %d" }, { "GNU grep", GNU " -i %d" } } },
	{ "glob, rare",
	  GLOB,
	  "**/ba*9.json",
	  CORRAL_FILES_NAMES,
	  { { "find", FIND " -name ba*9.json" }, { "fd", FD " ba*9.json %d" } } },
	{ "glob, frequent",
	  GLOB,
	  "**/*.c",
	  CORRAL_FILES_NAMES,
	  { { "find", FIND " -name *.c" }, { "fd", FD " *.c %d" } } },
	/* Names alone, of both, as the glob tool asks; then what each can tell of them. */
	{ "glob, all", GLOB, "**", CORRAL_FILES_NAMES, { { "find", FIND }, { "fd", FD " * %d" } } },
	{ "glob, all, with what they are",
	  GLOB,
	  "**",
	  0,
	  { { "find", FIND " -printf %m_%U_%G_%s_%T@_%p\\n" } } },
};

struct bench {
	struct corral_backend *backend;
	const char *dir;
	char threads[12];
	int out; /* in memory: what the peers write */
	uint64_t rounds;
	FILE *tsv;
	const char *only; /* a task's name */
};

/* The command's, in PATH; Debian has renamed fd. The caller frees; NULL when there is none. */
static char *program_find(const char *command)
{
	const char *path = getenv("PATH"), *debian = "fdfind ";
	size_t name = command ? strcspn(command, " ") : 0;

	while (name && path && *path) {
		size_t len = strcspn(path, ":");
		char *at = NULL;

		if (asprintf(&at, "%.*s/%.*s", (int)len, path, (int)name, command) < 0)
			return NULL;
		if (access(at, X_OK) == 0)
			return at;
		free(at);
		path += len + (path[len] == ':');
	}
	return name == 2 && strncmp(command, "fd", 2) == 0 ? program_find(debian) : NULL;
}

static uint64_t lines_written(int fd)
{
	char buf[65536];
	uint64_t n = 0;
	off_t at = 0;
	ssize_t got;

	while ((got = pread(fd, buf, sizeof(buf), at)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			n += buf[i] == '\n';
		at += got;
	}
	return n;
}

static int peer_run(const struct bench *b, const char *program, const struct task *task,
                    const struct peer *p, uint64_t *ret_nsec, uint64_t *ret_n,
                    struct corral_error *err)
{
	corral_autofree char *words = strdup(p->command);
	const char *argv[WORDS_MAX + 1] = { 0 };
	posix_spawn_file_actions_t actions;
	uint64_t begin;
	int r, status = 0;
	size_t n = 0;
	pid_t pid;

	if (!words)
		return corral_error_sys(err, ENOMEM, "run %s", p->name);
	for (char *rest = words, *word; n < WORDS_MAX && (word = strsep(&rest, " ")); n++)
		argv[n] = !strcmp(word, "%p")   ? task->pattern
		          : !strcmp(word, "%n") ? b->threads
		          : !strcmp(word, "%d") ? b->dir
		                                : word;
	if (ftruncate(b->out, 0) < 0 || lseek(b->out, 0, SEEK_SET) < 0)
		return corral_error_sys(err, errno, "output in memory");
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, b->out, STDOUT_FILENO);
	(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	begin = bench_now();
	r = posix_spawn(&pid, program, &actions, NULL, (char *const *)argv, environ);
	if (r == 0 && waitpid(pid, &status, 0) < 0)
		r = errno;
	*ret_nsec = bench_now() - begin;
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r)
		return corral_error_sys(err, r, "run %s", p->name);
	/* Of a grep, 1 says that nothing was found. */
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return corral_error_set(err, EIO, "%s failed (wait status %d)", p->name, status);
	*ret_n = *ret_n == UINT64_MAX ? lines_written(b->out) : *ret_n;
	return 0;
}

static int our_run(const struct bench *b, const struct task *task, uint64_t *ret_nsec,
                   uint64_t *ret_n, struct corral_error *err)
{
	const struct corral_files_grep grep = { .pattern = task->pattern, .flags = task->flags };
	struct corral_files_matches found = { 0 };
	struct corral_files_rows rows = { 0 };
	uint64_t begin = bench_now();
	int r;

	if (task->kind == GREP)
		r = corral_backend_grep(b->backend, &grep, &found, err);
	else
		r = corral_backend_glob(b->backend, task->pattern, "", task->flags, &rows, err);
	*ret_n = found.n + rows.n;
	if (found.truncated || rows.truncated)
		r = corral_error_set(err, EFBIG, "'%s' finds more than is given", task->pattern);
	corral_files_matches_done(&found);
	corral_files_rows_done(&rows);
	*ret_nsec = bench_now() - begin;
	return r;
}

static void report(const struct bench *b, const struct task *task, struct bench_series *series,
                   const uint64_t *n)
{
	struct bench_summary ours = bench_series_summary(&series[0]), sum[PEERS_MAX];
	double ratio[PEERS_MAX] = { 0 };

	printf("  %-28s %9llu %9.2f %9.2f", task->name, (unsigned long long)n[0],
	       ours.min_usec / 1000, ours.p50_usec / 1000);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		sum[i] = bench_series_summary(&series[1 + i]);
		if (!sum[i].n) {
			printf(" %9s %9s %7s", "", "", "");
			continue;
		}
		ratio[i] = sum[i].p50_usec > 0 ? ours.p50_usec / sum[i].p50_usec : 0;
		printf(" %9.2f %9.2f %7.2f", sum[i].min_usec / 1000, sum[i].p50_usec / 1000,
		       ratio[i]);
		if (n[1 + i] != n[0])
			printf("*");
	}
	printf("\n");
	for (size_t i = 0; i < PEERS_MAX; i++)
		if (sum[i].n && n[1 + i] != n[0])
			printf("  * %s finds %llu\n", series[1 + i].name,
			       (unsigned long long)n[1 + i]);
	(void)fflush(stdout);
	if (!b->tsv)
		return;
	(void)fprintf(b->tsv, "%s\t%.1f", task->name, ours.p50_usec);
	for (size_t i = 0; i < PEERS_MAX; i++) {
		if (sum[i].n)
			(void)fprintf(b->tsv, "\t%.1f\t%.4f", sum[i].p50_usec, ratio[i]);
		else
			(void)fprintf(b->tsv, "\t\t");
	}
	(void)fprintf(b->tsv, "\n");
}

static int task_run(const struct bench *b, const struct task *task, struct corral_error *err)
{
	struct bench_series series[1 + PEERS_MAX] = { { .name = "corral" } };
	uint64_t n[1 + PEERS_MAX] = { 0, UINT64_MAX, UINT64_MAX }, nsec = 0;
	char *programs[PEERS_MAX] = { NULL };
	int r = 0;

	for (size_t i = 0; i < PEERS_MAX; i++) {
		programs[i] = program_find(task->peers[i].command);
		series[1 + i].name = task->peers[i].name;
	}
	/* The first round fills the page cache. */
	for (uint64_t round = 0; r == 0 && round <= b->rounds; round++) {
		for (size_t i = 0; r == 0 && i <= PEERS_MAX; i++) {
			if (i && !programs[i - 1])
				continue;
			if (i)
				r = peer_run(b, programs[i - 1], task, &task->peers[i - 1], &nsec,
				             &n[i], err);
			else
				r = our_run(b, task, &nsec, &n[0], err);
			if (r == 0 && round)
				r = bench_series_add(&series[i], nsec, err);
		}
	}
	if (r == 0)
		report(b, task, series, n);
	for (size_t i = 0; i < PEERS_MAX; i++)
		free(programs[i]);
	for (size_t i = 0; i <= PEERS_MAX; i++)
		bench_series_done(&series[i]);
	return r;
}

static void title(const struct task *task)
{
	printf("%s (milliseconds: least, median; ratio of medians)\n",
	       task->kind == GREP ? "grep" : "glob");
	printf("  %-28s %9s %9s %9s", "", task->kind == GREP ? "lines" : "files", "corral", "");
	for (size_t i = 0; i < PEERS_MAX; i++)
		printf(" %9s %9s %7s", task->peers[i].name, "", "ratio");
	printf("\n");
}

static int measure(struct bench *b, struct corral_error *err)
{
	const struct corral_local_options options = { .root_dir = b->dir, .no_execute = true };
	cpu_set_t cpus;
	int n, r;

	n = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
	if (n > CORRAL_FILES_THREADS_MAX)
		n = CORRAL_FILES_THREADS_MAX;
	(void)snprintf(b->threads, sizeof(b->threads), "%d", n);
	b->out = memfd_create("corral-bench-files", MFD_CLOEXEC);
	if (b->out < 0)
		return corral_error_sys(err, errno, "output in memory");
	r = corral_local_backend_new(&options, &b->backend, err);
	for (size_t i = 0; r == 0 && i < CORRAL_COUNT(tasks); i++) {
		if (b->only && strcmp(b->only, tasks[i].name) != 0)
			continue;
		if (!i || b->only || tasks[i].kind != tasks[i - 1].kind)
			title(&tasks[i]);
		r = task_run(b, &tasks[i], err);
	}
	if (r == 0)
		printf("  threads: %d, rounds: %llu\n", n, (unsigned long long)b->rounds);
	corral_backend_close(b->backend);
	(void)close(b->out);
	return r;
}

/* The given directory; an empty one, or a temporary one of our own, is filled first. */
static int run(struct bench *b, uint64_t n_files, struct corral_error *err)
{
	const char *tmp = getenv("TMPDIR");
	struct bench_tree made;
	char own[256] = "";
	int r = 0;

	if (!b->dir) {
		(void)snprintf(own, sizeof(own), "%s/corral-bench-files.XXXXXX",
		               tmp ? tmp : "/tmp");
		if (!mkdtemp(own))
			return corral_error_sys(err, errno, "make '%s'", own);
		b->dir = own;
	}
	/* rmdir(2) knows best whether it is empty. */
	if (own[0] || rmdir(b->dir) == 0 || errno == ENOENT) {
		if (mkdir(b->dir, 0755) < 0 && errno != EEXIST)
			return corral_error_sys(err, errno, "make '%s'", b->dir);
		r = bench_tree_make(b->dir, n_files, &made, err);
		if (r == 0)
			printf("%llu files in %llu directories, %.0f MB\n",
			       (unsigned long long)made.files, (unsigned long long)made.dirs,
			       (double)made.bytes / 1e6);
	}
	if (r == 0)
		r = measure(b, err);
	if (own[0])
		bench_tree_remove(own);
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "rounds", required_argument, NULL, 'r' },
		                                 { "files", required_argument, NULL, 'f' },
		                                 { "tsv", required_argument, NULL, 'v' },
		                                 { "only", required_argument, NULL, 'o' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { 0 } };
	struct bench b = { .rounds = 30 };
	struct corral_error err = { 0 };
	const char *tsv = NULL;
	uint64_t files = 50000;
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'r')
			r = corral_parse_u64(optarg, 100000, &b.rounds, &err);
		else if (option == 'f')
			r = corral_parse_u64(optarg, 1000000, &files, &err);
		else if (option == 'v')
			tsv = optarg;
		else if (option == 'o')
			b.only = optarg;
		else
			break;
	}
	if (r == 0 && (option != -1 || argc - optind > 1)) {
		(void)fputs("usage: corral-bench-files [--rounds N] [--files N] [--only TASK] "
		            "[--tsv FILE] [DIR]\n"
		            "DIR is filled with a tree when it is empty; else what is there is "
		            "searched.\n",
		            stderr);
		return 2;
	}
	b.dir = argv[optind];
	if (r == 0 && tsv) {
		b.tsv = fopen(tsv, "we");
		if (!b.tsv)
			r = corral_error_sys(&err, errno, "open '%s'", tsv);
	}
	if (r == 0)
		r = run(&b, files, &err);
	if (b.tsv && fclose(b.tsv) != 0 && r == 0)
		r = corral_error_sys(&err, errno, "write '%s'", tsv);
	if (r < 0)
		(void)fprintf(stderr, "corral-bench-files: %s\n", err.text);
	return r < 0 ? 1 : 0;
}
