/*
 * corral-bench-library: what a fresh sandbox costs a program that has the library loaded, next to
 * posix_spawn(3) of the same shell.
 *
 * Theory of operation: one launcher for the whole run. In each round the contestants run once, in
 * rotated order: a shell by posix_spawn; a sandbox opened, the shell run in it, closed; and the
 * shell run in a sandbox that stays. Then as many fresh sandboxes without a pause. The surroundings
 * (mounts, memory, threads) are made before the launcher is opened, as a program would have them.
 * With --memory nothing is timed: many sandboxes are held open instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <sys/wait.h>

#include "backends/native.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "kernel/sandbox.h"
#include "policy/config.h"
#include "tools/bench/idle_memory.h"
#include "tools/bench/samples.h"
#include "tools/bench/spawn.h"
#include "tools/bench/surroundings.h"

#define WARM_UP     10
#define BREATH_NSEC 10000000

enum contestant {
	SPAWN,
	FRESH,
	LIVE,
	EXECUTE,
	READ,
	WRITE,
	TURNS,
	ROW = TURNS,
	WAKE,
	REOPEN,
	CONTESTANTS
};

struct options {
	uint64_t mounts, rss_bytes, threads, rounds, memory_boxes;
	bool stages, cold, made;
	const char *title, *json, *tsv;
};

struct bench {
	struct corral_launcher *launcher;
	struct corral_policy *policy;
	struct corral_sandbox *live;
	struct corral_backend *backend;
	struct corral_policy *kept_policy;
	struct corral_backend *kept;
	struct corral_policy *worked_policy;
	struct corral_backend *worked;
	char kept_dir[64], worked_dir[64];
	posix_spawn_file_actions_t quiet;
	struct bench_series series[CONTESTANTS];
	struct bench_series stages[CORRAL_STAGE_COUNT];
};

static int run_in(struct corral_sandbox *s, struct corral_error *err)
{
	const struct corral_command command = {
		.argv = bench_shell_argv,
		.stdin_fd = -1,
		.stdout_fd = -1,
		.stderr_fd = -1,
		.no_wait = true /* as the backends have it */
	};
	const struct corral_receipt *receipt;
	int r;

	r = corral_sandbox_start(s, &command, err);
	if (r < 0)
		return corral_error_wrap(err, r, "start the shell");
	r = corral_sandbox_wait(s, err);
	if (r < 0)
		return corral_error_wrap(err, r, "wait for the shell");
	receipt = corral_sandbox_receipt(s);
	if (receipt->reason != CORRAL_REASON_EXIT || receipt->exit_code != 0)
		return corral_error_set(err, EIO, "the shell ended by %s, code %d",
		                        corral_reason_name(receipt->reason), receipt->exit_code);
	return 0;
}

static int run_fresh(struct bench *b, struct corral_receipt *ret_receipt, struct corral_error *err)
{
	struct corral_sandbox *s = NULL;
	int r;

	r = corral_sandbox_open(b->launcher, b->policy, &s, err);
	if (r < 0)
		return corral_error_wrap(err, r, "open a sandbox");
	r = run_in(s, err);
	corral_sandbox_close(s, ret_receipt);
	return r;
}

/* The same shell, with a pipe for its output, as a protocol's execute has it. */
static int run_execute(struct corral_backend *b, struct corral_error *err)
{
	const struct corral_execute x = { .command = "true", .timeout_ms = 60000 };
	struct corral_executed e;
	int r = corral_backend_execute(b, &x, &e, err);

	if (r == 0 && e.exit_code != 0)
		r = corral_error_set(err, EIO, "the shell ended with %d", e.exit_code);
	corral_executed_done(&e);
	return r;
}

static char page[4096];

static int run_file(struct bench *b, bool write, struct corral_error *err)
{
	corral_autobuf struct corral_buf text = CORRAL_BUF_INIT;
	int r;

	if (write)
		return corral_backend_write(b->backend, "page", page, sizeof(page), err);
	r = corral_backend_read_bytes(b->backend, "page", 0, &text, err);
	if (r == 0 && text.len != sizeof(page))
		r = corral_error_set(err, EIO, "%zu bytes were read", text.len);
	return r;
}

static int run_one(struct bench *b, enum contestant which, bool counted, struct corral_error *err)
{
	struct corral_receipt receipt;
	uint64_t begin = bench_now(), nsec;
	size_t i;
	int r = 0;

	switch (which) {
	case SPAWN:
		r = bench_spawn_shell(&b->quiet, err);
		break;
	case FRESH:
		r = run_fresh(b, &receipt, err);
		break;
	case ROW:
		r = run_fresh(b, NULL, err);
		break;
	case LIVE:
		r = run_in(b->live, err);
		break;
	case EXECUTE:
		r = run_execute(b->backend, err);
		break;
	case READ:
	case WRITE:
		r = run_file(b, which == WRITE, err);
		break;
	case WAKE: /* of what ended a moment ago, untimed, with its changes kept */
		r = corral_backend_end(b->kept, err);
		begin = bench_now();
		if (r == 0)
			r = run_execute(b->kept, err);
		break;
	case REOPEN: /* the same, where all that is kept is the workspace */
		r = corral_backend_end(b->worked, err);
		begin = bench_now();
		if (r == 0)
			r = run_execute(b->worked, err);
		break;
	case CONTESTANTS:
		break;
	}
	nsec = bench_now() - begin;
	if (r == 0 && counted)
		r = bench_series_add(&b->series[which], nsec, err);
	if (which == FRESH && counted)
		for (i = 0; i < CORRAL_STAGE_COUNT && r == 0; i++)
			r = bench_series_add(&b->stages[i], receipt.stage_usec[i] * 1000, err);
	return r < 0 ? corral_error_wrap(err, r, "%s", b->series[which].name) : 0;
}

static int measure(struct bench *b, uint64_t rounds, struct corral_error *err)
{
	uint64_t round;
	int r = 0;

	for (round = 0; round < rounds + WARM_UP && r == 0; round++) {
		unsigned int k;

		for (k = 0; k < TURNS && r == 0; k++) {
			/* What one leaves to be made or wiped behind it is not the next one's. */
			(void)nanosleep(&(struct timespec) { 0, BREATH_NSEC }, NULL);
			r = run_one(b, (enum contestant)((k + round) % TURNS), round >= WARM_UP,
			            err);
		}
	}
	/* Without the breath that the others' turns give to what is made ahead. */
	for (round = 0; round < rounds + WARM_UP && r == 0; round++)
		r = run_one(b, ROW, round >= WARM_UP, err);
	for (round = 0; round < rounds + WARM_UP && r == 0; round++)
		r = run_one(b, WAKE, round >= WARM_UP, err);
	/* Ended and asked for again after a breath, as sessions are. */
	for (round = 0; round < rounds + WARM_UP && r == 0; round++) {
		(void)nanosleep(&(struct timespec) { 0, BREATH_NSEC }, NULL);
		r = run_one(b, REOPEN, round >= WARM_UP, err);
	}
	return r;
}

static void print_stages(struct bench *b)
{
	size_t i;

	printf("  stages of a fresh sandbox, median in microseconds:");
	for (i = 0; i < CORRAL_STAGE_COUNT; i++)
		printf(" %s %.0f", corral_stage_name((enum corral_stage)i),
		       bench_series_summary(&b->stages[i]).p50_usec);
	printf("\n");
}

/* One that has a directory of the host's, for what `key` says. */
static int with_dir(struct bench *b, const char *key, char dir[64],
                    struct corral_policy **ret_policy, struct corral_backend **ret,
                    struct corral_error *err)
{
	struct corral_config *config = corral_config_new();
	char json[128];
	int n, r;

	if (!config)
		return corral_error_sys(err, ENOMEM, "configuration");
	(void)snprintf(dir, 64, "/tmp/corral-bench-XXXXXX");
	if (!mkdtemp(dir)) {
		dir[0] = '\0';
		corral_config_free(config);
		return corral_error_sys(err, errno, "make a directory");
	}
	n = snprintf(json, sizeof(json), "{\"%s\":\"%s\"}", key, dir);
	r = corral_config_parse(config, json, (size_t)n, err);
	if (r == 0)
		r = corral_policy_compile(config, NULL, ret_policy, err);
	corral_config_free(config);
	if (r == 0)
		r = corral_native_sandbox_new(b->launcher, *ret_policy, NULL, ret, err);
	return r < 0 ? corral_error_wrap(err, r, "the sandbox with a %s", key) : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

static int time_cycles(struct bench *b, const struct options *o, struct corral_error *err)
{
	int r;

	b->series[SPAWN].name = "posix_spawn";
	b->series[FRESH].name = "fresh sandbox";
	b->series[LIVE].name = "command in a live sandbox";
	b->series[EXECUTE].name = "execute through the backend";
	b->series[READ].name = "read of a 4 kB file";
	b->series[WRITE].name = "write of a 4 kB file";
	b->series[WAKE].name = "wake of an ended one, changes kept";
	b->series[REOPEN].name = "wake of an ended one, with a workspace";
	b->series[ROW].name = "fresh ones back to back";
	r = bench_spawn_init(&b->quiet, err);
	if (r < 0)
		return r;
	r = corral_sandbox_open(b->launcher, b->policy, &b->live, err);
	if (r < 0)
		return corral_error_wrap(err, r, "open the live sandbox");
	r = corral_native_sandbox_new(b->launcher, b->policy, NULL, &b->backend, err);
	if (r == 0)
		r = corral_backend_write(b->backend, "page", page, sizeof(page), err);
	if (r < 0)
		return corral_error_wrap(err, r, "the backend");
	r = with_dir(b, "keep", b->kept_dir, &b->kept_policy, &b->kept, err);
	if (r == 0)
		r = with_dir(b, "workspace", b->worked_dir, &b->worked_policy, &b->worked, err);
	if (r < 0)
		return r;
	r = measure(b, o->rounds, err);
	if (r < 0)
		return r;
	bench_print(o->title, b->series, CONTESTANTS, SPAWN);
	if (o->stages)
		print_stages(b);
	if (o->json)
		r = bench_save_json(o->json, o->title, b->series, CONTESTANTS, SPAWN, err);
	if (r == 0 && o->tsv)
		r = bench_save_tsv(o->tsv, b->series, CONTESTANTS, SPAWN, err);
	return r;
}

static int hold_memory(struct bench *b, const struct options *o, struct corral_error *err)
{
	double kb[BENCH_IDLE_ROUNDS] = { 0 }, low, high, median;
	unsigned long long n = o->memory_boxes;
	FILE *f;
	int r;

	r = bench_idle_memory(b->launcher, b->policy, n, kb, err);
	if (r < 0)
		return r;
	low = kb[0] < kb[1] ? kb[0] : kb[1];
	high = kb[0] < kb[1] ? kb[1] : kb[0];
	median = kb[2] < low ? low : kb[2] > high ? high : kb[2];
	printf("Memory of an idle sandbox, over %llu: %.0f kB (rounds: %.0f, %.0f, %.0f)\n", n,
	       median, kb[0], kb[1], kb[2]);
	if (o->json) {
		json_t *root = json_pack("{s:I, s:f, s:[f,f,f]}", "sandboxes", (json_int_t)n,
		                         "kb_each", median, "rounds", kb[0], kb[1], kb[2]);

		r = root ? json_dump_file(root, o->json, JSON_REAL_PRECISION(6)) : -1;
		json_decref(root);
		if (r < 0)
			return corral_error_set(err, EIO, "write results to '%s'", o->json);
	}
	if (o->tsv) {
		f = fopen(o->tsv, "we");
		if (!f)
			return corral_error_sys(err, errno, "open '%s'", o->tsv);
		(void)fprintf(f, "idle\t%.1f\n", median);
		(void)fclose(f);
	}
	return 0;
}

static int bench_open(struct bench *b, const struct options *o, struct corral_error *err)
{
	struct corral_config *config = corral_config_new();
	struct rlimit files;
	int r;

	if (!config)
		return corral_error_sys(err, ENOMEM, "configuration");
	r = corral_policy_compile(config, NULL, &b->policy, err);
	corral_config_free(config);
	if (r < 0)
		return r;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (o->mounts) {
		r = bench_mounts_make(o->mounts, err);
		if (r < 0)
			return r;
	}
	r = bench_memory_hold(o->rss_bytes, err);
	if (r == 0)
		r = bench_threads_start(o->threads, err);
	if (r == 0)
		r = corral_launcher_open(o->cold ? 0
		                                 : CORRAL_LAUNCHER_POOLED |
		                                           (o->made ? 0 : CORRAL_LAUNCHER_WARM),
		                         &b->launcher, err);
	return r;
}

static void bench_done(struct bench *b)
{
	size_t i;

	corral_backend_close(b->backend);
	corral_backend_close(b->kept);
	if (b->kept_dir[0])
		(void)nftw(b->kept_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	corral_policy_free(b->kept_policy);
	corral_backend_close(b->worked);
	if (b->worked_dir[0])
		(void)nftw(b->worked_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	corral_policy_free(b->worked_policy);
	if (b->live)
		corral_sandbox_close(b->live, NULL);
	if (b->launcher)
		corral_launcher_close(b->launcher);
	corral_policy_free(b->policy);
	for (i = 0; i < CONTESTANTS; i++)
		bench_series_done(&b->series[i]);
	for (i = 0; i < CORRAL_STAGE_COUNT; i++)
		bench_series_done(&b->stages[i]);
}

static const char usage[] =
        "usage: corral-bench-library [--rounds N] [--mounts N] [--rss SIZE] [--threads N] "
        "[--cold|--made]\n"
        "                            [--stages] [--title TEXT] [--json FILE] [--tsv FILE]\n"
        "       corral-bench-library --memory N [--json FILE] [--tsv FILE]\n"
        "Times a fresh sandbox through the library next to posix_spawn of the same shell; or\n"
        "measures the memory of N idle sandboxes. --made: no sandbox is made ahead of need, only "
        "its\n"
        "parts; --cold: nothing at all.\n";

/* 0; 1 after --help; -EINVAL with a text. */
static int options_parse(struct options *o, int argc, char **argv, struct corral_error *err)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "mounts", required_argument, NULL, 'm' },
		{ "rss", required_argument, NULL, 's' },
		{ "threads", required_argument, NULL, 'n' },
		{ "memory", required_argument, NULL, 'k' },
		{ "cold", no_argument, NULL, 'c' },
		{ "made", no_argument, NULL, 'd' },
		{ "stages", no_argument, NULL, 'g' },
		{ "title", required_argument, NULL, 't' },
		{ "json", required_argument, NULL, 'j' },
		{ "tsv", required_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'r')
			r = corral_parse_u64(optarg, 1000000, &o->rounds, err);
		else if (option == 'm')
			r = corral_parse_u64(optarg, 100000, &o->mounts, err);
		else if (option == 's')
			r = corral_parse_bytes(optarg, &o->rss_bytes, err);
		else if (option == 'n')
			r = corral_parse_u64(optarg, 10000, &o->threads, err);
		else if (option == 'k')
			r = corral_parse_u64(optarg, 10000, &o->memory_boxes, err);
		else if (option == 'c')
			o->cold = true;
		else if (option == 'd')
			o->made = true;
		else if (option == 'g')
			o->stages = true;
		else if (option == 't')
			o->title = optarg;
		else if (option == 'j')
			o->json = optarg;
		else if (option == 'v')
			o->tsv = optarg;
		else
			return option == 'h' ? 1 : corral_error_set(err, EINVAL, "see --help");
	}
	if (r == 0 && optind < argc)
		return corral_error_set(err, EINVAL, "unexpected '%s'; see --help", argv[optind]);
	return r;
}

int main(int argc, char **argv)
{
	struct options o = { .rounds = 1000, .title = "Library" };
	struct corral_error err = { 0 };
	static struct bench b;
	int r;

	r = options_parse(&o, argc, argv, &err);
	if (r > 0) {
		(void)fputs(usage, stdout);
		return 0;
	}
	if (r == 0)
		r = bench_open(&b, &o, &err);
	if (r == 0)
		r = o.memory_boxes ? hold_memory(&b, &o, &err) : time_cycles(&b, &o, &err);
	bench_done(&b);
	if (r < 0)
		(void)fprintf(stderr, "corral-bench-library: %s\n", err.text);
	return r < 0 ? 1 : 0;
}
