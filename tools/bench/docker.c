/*
 * The Docker backend beside Docker's own command line tool, in one and the same container: commands
 * and files. Each task is done in turns by both; theirs is the time of a whole process, as that is
 * what one has to run, ours that of a call.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "tools/bench/engine.h"
#include "tools/bench/samples.h"

#define WORDS_MAX  8 /* of a command of theirs */
#define FILE_SIZE  4096u
#define TREE_FILES 200u
#define GUEST_DIR  "/bench" /* on the container's own file system: docker cp sees no tmpfs */

struct bench {
	struct corral_backend *backend;
	char host_file[64]; /* FILE_SIZE bytes, for docker cp */
	char data[FILE_SIZE];
	uint64_t rounds;
	FILE *tsv;
};

struct task {
	const char *name;
	int (*ours)(struct bench *b, struct corral_error *err);
	/* In words: "%c" is the container, "%f" the host's file. */
	const char *theirs[WORDS_MAX];
};

static int our_execute(struct bench *b, struct corral_error *err)
{
	const struct corral_execute x = { .command = "true", .timeout_ms = 60000 };
	struct corral_executed e;
	int r = corral_backend_execute(b->backend, &x, &e, err);

	if (r == 0 && e.exit_code != 0)
		r = corral_error_set(err, EIO, "the command ended with %d", e.exit_code);
	corral_executed_done(&e);
	return r;
}

static int our_read(struct bench *b, struct corral_error *err)
{
	corral_autobuf struct corral_buf got = CORRAL_BUF_INIT;
	int r = corral_backend_read_bytes(b->backend, GUEST_DIR "/file", 0, &got, err);

	if (r == 0 && got.len != FILE_SIZE)
		r = corral_error_set(err, EIO, "%zu bytes were read", got.len);
	return r;
}

static int our_write(struct bench *b, struct corral_error *err)
{
	return corral_backend_write(b->backend, GUEST_DIR "/ours", b->data, FILE_SIZE, err);
}

static int put(void *ctx, const void *data, size_t len, struct corral_error *err)
{
	(void)data;
	(void)err;
	*(size_t *)ctx += len;
	return 0;
}

static int our_tree(struct bench *b, struct corral_error *err)
{
	size_t len = 0;
	const struct corral_files_sink sink = { .put = put, .ctx = &len };
	struct corral_files_copied copied = { 0 };
	int r = corral_backend_tar_out(b->backend, GUEST_DIR "/tree", &sink, &copied, err);

	if (r == 0 && len < (size_t)TREE_FILES * FILE_SIZE)
		r = corral_error_set(err, EIO, "the tree came as %zu bytes", len);
	return r;
}

static const struct task tasks[] = {
	{ "execute of sh -c true", our_execute, { "docker", "exec", "%c", "sh", "-c", "true" } },
	{ "read of 4 kB", our_read, { "docker", "cp", "%c:" GUEST_DIR "/file", "-" } },
	{ "write of 4 kB", our_write, { "docker", "cp", "%f", "%c:" GUEST_DIR "/theirs" } },
	{ "tree of 200 files out", our_tree, { "docker", "cp", "%c:" GUEST_DIR "/tree", "-" } },
};

/* The word with what it stands for; the caller frees. NULL: no memory. */
static char *word_fill(const struct bench *b, const char *word)
{
	char *filled = NULL;
	int n;

	if (!strncmp(word, "%c", 2))
		n = asprintf(&filled, "%s%s", corral_docker_sandbox_container(b->backend),
		             word + 2);
	else
		n = asprintf(&filled, "%s", !strcmp(word, "%f") ? b->host_file : word);
	return n < 0 ? NULL : filled;
}

static int spawn(char *const *argv, struct corral_error *err)
{
	posix_spawn_file_actions_t actions;
	int r, status = 0;
	pid_t pid;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	(void)posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r == 0 && waitpid(pid, &status, 0) < 0)
		r = errno;
	if (r)
		return corral_error_sys(err, r, "run %s %s", argv[0], argv[1]);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return corral_error_set(err, EIO, "%s %s failed (wait status %d)", argv[0], argv[1],
		                        status);
	return 0;
}

static int their_run(const struct bench *b, const struct task *task, uint64_t *ret_nsec,
                     struct corral_error *err)
{
	char *argv[WORDS_MAX + 1] = { NULL };
	uint64_t begin;
	int r = 0;

	for (size_t i = 0; r == 0 && i < WORDS_MAX && task->theirs[i]; i++) {
		argv[i] = word_fill(b, task->theirs[i]);
		if (!argv[i])
			r = corral_error_sys(err, ENOMEM, "run docker");
	}
	begin = bench_now();
	if (r == 0 && argv[0])
		r = spawn(argv, err);
	*ret_nsec = bench_now() - begin;
	for (size_t i = 0; i < WORDS_MAX; i++)
		free(argv[i]);
	return r;
}

static int our_run(struct bench *b, const struct task *task, uint64_t *ret_nsec,
                   struct corral_error *err)
{
	uint64_t begin = bench_now();
	int r = task->ours(b, err);

	*ret_nsec = bench_now() - begin;
	return r;
}

static void report(const struct bench *b, const struct task *task, struct bench_series *series)
{
	struct bench_summary ours = bench_series_summary(&series[0]);
	struct bench_summary theirs = bench_series_summary(&series[1]);
	double ratio = theirs.p50_usec > 0 ? ours.p50_usec / theirs.p50_usec : 0;

	printf("  %-24s %9.2f %9.2f %9.2f %9.2f %8.3f\n", task->name, ours.p50_usec / 1000,
	       ours.p99_usec / 1000, theirs.p50_usec / 1000, theirs.p99_usec / 1000, ratio);
	(void)fflush(stdout);
	if (b->tsv)
		(void)fprintf(b->tsv, "%s\t%.1f\t%.1f\t%.4f\n", task->name, ours.p50_usec,
		              theirs.p50_usec, ratio);
}

static int task_run(struct bench *b, const struct task *task, struct corral_error *err)
{
	struct bench_series series[2] = { { .name = "corral" }, { .name = "docker" } };
	uint64_t nsec = 0;
	int r = 0;

	/* Who goes first changes from round to round; the first round warms both up. */
	for (uint64_t turn = 0; r == 0 && turn < 2 * (b->rounds + 1); turn++) {
		size_t which = (turn ^ (turn >> 1)) & 1;

		r = which ? their_run(b, task, &nsec, err) : our_run(b, task, &nsec, err);
		if (r == 0 && turn >= 2)
			r = bench_series_add(&series[which], nsec, err);
		if (r < 0)
			r = corral_error_wrap(err, r, "%s, by %s", task->name, series[which].name);
	}
	if (r == 0)
		report(b, task, series);
	bench_series_done(&series[0]);
	bench_series_done(&series[1]);
	return r;
}

/* What both read, on the host and inside. The first of it starts the container. */
static int files_make(struct bench *b, struct corral_error *err)
{
	corral_autofd int fd = -1;
	char path[64];
	int r;

	memset(b->data, 'x', sizeof(b->data));
	(void)snprintf(b->host_file, sizeof(b->host_file), "/tmp/corral-bench-docker.XXXXXX");
	fd = mkostemp(b->host_file, O_CLOEXEC);
	if (fd < 0) {
		b->host_file[0] = 0;
		return corral_error_sys(err, errno, "make a file in /tmp");
	}
	if (write(fd, b->data, sizeof(b->data)) != (ssize_t)sizeof(b->data))
		return corral_error_sys(err, errno, "write '%s'", b->host_file);
	r = corral_backend_write(b->backend, GUEST_DIR "/file", b->data, FILE_SIZE, err);
	for (unsigned int i = 0; r == 0 && i < TREE_FILES; i++) {
		(void)snprintf(path, sizeof(path), GUEST_DIR "/tree/%u/%u", i % 10, i);
		r = corral_backend_write(b->backend, path, b->data, FILE_SIZE, err);
	}
	return r;
}

static int measure(struct bench *b, const char *image, struct corral_error *err)
{
	/* Nothing is downloaded for a measurement. */
	const struct corral_docker_options options = {
		.image = image,
		.images = { .pull = CORRAL_DOCKER_PULL_NEVER },
	};
	struct corral_docker_engine *engine = NULL;
	int r = bench_engine_open(&engine, err);

	if (r == 0)
		r = corral_docker_sandbox_new(engine, &options, &b->backend, err);
	if (r == 0)
		r = files_make(b, err);
	if (r == 0)
		printf("The Docker backend and docker exec, docker cp (milliseconds)\n"
		       "  %-24s %9s %9s %9s %9s %8s\n",
		       "", "corral", "p99", "docker", "p99", "ratio");
	for (size_t i = 0; r == 0 && i < CORRAL_COUNT(tasks); i++)
		r = task_run(b, &tasks[i], err);
	corral_backend_close(b->backend);
	corral_docker_engine_close(engine);
	if (b->host_file[0])
		(void)unlink(b->host_file);
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "rounds", required_argument, NULL, 'r' },
		                                 { "image", required_argument, NULL, 'i' },
		                                 { "tsv", required_argument, NULL, 'v' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { 0 } };
	static struct bench b = { .rounds = 50 };
	struct corral_error err = { 0 };
	const char *tsv = NULL, *image = NULL;
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'r')
			r = corral_parse_u64(optarg, 100000, &b.rounds, &err);
		else if (option == 'i')
			image = optarg;
		else if (option == 'v')
			tsv = optarg;
		else
			break;
	}
	if (r == 0 && (option != -1 || optind != argc || !image)) {
		(void)fputs(
		        "usage: corral-bench-docker --image NAME [--rounds N] [--tsv FILE]\n"
		        "The engine is the one of DOCKER_HOST and its like; it has the image, with "
		        "a shell in it.\n",
		        stderr);
		return 2;
	}
	if (r == 0 && tsv) {
		b.tsv = fopen(tsv, "we");
		if (!b.tsv)
			r = corral_error_sys(&err, errno, "open '%s'", tsv);
	}
	if (r == 0)
		r = measure(&b, image, &err);
	if (b.tsv && fclose(b.tsv) != 0 && r == 0)
		r = corral_error_sys(&err, errno, "write '%s'", tsv);
	if (r < 0)
		(void)fprintf(stderr, "corral-bench-docker: %s\n", err.text);
	return r < 0 ? 1 : 0;
}
