/*
 * corral-bench-sessions: what sessions cost the program that manages them, next to posix_spawn(3)
 * of a shell. Everything is made in a directory of its own and removed at the end.
 *
 * Theory of operation: one manager over a store for what is timed in rounds, the contestants in
 * turns; then one for each of the large things: a session that holds a gigabyte, many sessions of
 * which few are resident, many that only lie on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backends/sessions/manager.h"
#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "tools/bench/idle_memory.h"
#include "tools/bench/samples.h"
#include "tools/bench/sessions_docker.h"
#include "tools/bench/spawn.h"

#define WARM_UP  5
#define FORKS    100
#define FILES    10000
#define RESIDENT 20
#define WAIT_MS  5000

enum contestant {
	SPAWN,
	KNOWN,
	EXECUTE,
	CALL,
	NEW,
	WAKE,
	CHECKPOINT,
	FORK,
	UNDO,
	ON_DOCKER,
	ON_DOCKER_KNOWN = ON_DOCKER + DOCKER_KNOWN,
	ON_DOCKER_EXECUTE = ON_DOCKER + DOCKER_EXECUTE,
	ON_DOCKER_CALL = ON_DOCKER + DOCKER_CALL,
	ON_DOCKER_NEW = ON_DOCKER + DOCKER_NEW,
	CONTESTANTS = ON_DOCKER + DOCKER_CONTESTANTS
};

struct options {
	uint64_t rounds, big_mib, open, stored;
	const char *docker, *tsv;
};

struct bench {
	struct options o;
	char root[64];
	struct corral_session_store *store;
	struct corral_runtime_catalogue *catalogue;
	struct corral_session_manager *manager;
	struct corral_backend *live, *call;
	posix_spawn_file_actions_t quiet;
	struct bench_series series[CONTESTANTS];
	FILE *tsv;
	unsigned int last;
};

static int execute(struct corral_backend *backend, const char *command, struct corral_error *err)
{
	const struct corral_execute x = { .command = command, .timeout_ms = 120000 };
	struct corral_executed e;
	int r = corral_backend_execute(backend, &x, &e, err);

	if (r == 0 && e.exit_code != 0)
		r = corral_error_set(err, EIO, "'%.60s' ended with %d: %.200s", command,
		                     e.exit_code, e.out.len ? e.out.data : "");
	corral_executed_done(&e);
	return r;
}

static int open_session(struct bench *b, const char *id, const char *runtime, unsigned int flags,
                        bool history, struct corral_backend **ret, struct corral_error *err)
{
	const struct corral_session_ask ask = {
		.id = id, .runtime = runtime, .flags = flags, .history = history
	};

	return corral_session_manager_get_or_create(b->manager, &ask, ret, err);
}

static int run_known(struct bench *b, struct corral_error *err)
{
	struct corral_backend *lease = NULL;
	int r = open_session(b, "live", NULL, 0, false, &lease, err);

	corral_backend_close(lease);
	return r;
}

/* Until it stands ready for its first command. */
static int run_new(struct bench *b, uint64_t *ret_nsec, struct corral_error *err)
{
	struct corral_backend *lease = NULL;
	uint64_t begin;
	char id[32];
	int r;

	(void)snprintf(id, sizeof(id), "new-%u", ++b->last);
	begin = bench_now();
	r = open_session(b, id, NULL, CORRAL_SESSION_NEW | CORRAL_SESSION_START, false, &lease,
	                 err);
	*ret_nsec = bench_now() - begin;
	corral_backend_close(lease);
	if (r == 0)
		r = corral_session_manager_release(b->manager, id, CORRAL_SESSION_PURGE, err);
	return r < 0 ? r : 0;
}

static int run_wake(struct bench *b, uint64_t *ret_nsec, struct corral_error *err)
{
	int r = corral_session_manager_hibernate(b->manager, "live", err);
	uint64_t begin = bench_now();

	if (r >= 0)
		r = execute(b->live, "true", err);
	*ret_nsec = bench_now() - begin;
	return r;
}

static int contestant_run(struct bench *b, enum contestant which, uint64_t *ret_nsec,
                          struct corral_error *err)
{
	uint64_t begin = bench_now();
	int r;

	switch (which) {
	case SPAWN:
		r = bench_spawn_shell(&b->quiet, err);
		break;
	case KNOWN:
		r = run_known(b, err);
		break;
	case EXECUTE:
		r = execute(b->live, "true", err);
		break;
	case CALL:
		r = execute(b->call, "true", err);
		break;
	case NEW:
		return run_new(b, ret_nsec, err);
	case WAKE:
		return run_wake(b, ret_nsec, err);
	default:
		return -EINVAL;
	}
	*ret_nsec = bench_now() - begin;
	return r;
}

static int rounds_run(struct bench *b, struct corral_error *err)
{
	uint64_t nsec = 0;
	int r = 0;

	for (uint64_t round = 0; r == 0 && round < b->o.rounds + WARM_UP; round++) {
		for (unsigned int k = 0; r == 0 && k <= WAKE; k++) {
			enum contestant which = (enum contestant)((k + round) % (WAKE + 1));

			/* What one leaves to be made or wiped behind it is not the next one's. */
			(void)usleep(10000);
			r = contestant_run(b, which, &nsec, err);
			if (r == 0 && round >= WARM_UP)
				r = bench_series_add(&b->series[which], nsec, err);
			if (r < 0)
				r = corral_error_wrap(err, r, "%s", b->series[which].name);
		}
	}
	return r;
}

static void tell(struct bench *b, const char *name, double value, const char *unit)
{
	printf("  %-58s %10.2f %s\n", name, value, unit);
	(void)fflush(stdout);
	if (b->tsv)
		(void)fprintf(b->tsv, "%s\t1\t\t%.2f\n", name, value);
}

static double disk_used_mb(const struct bench *b)
{
	struct statvfs v;

	if (statvfs(b->root, &v) < 0)
		return 0;
	return (double)(v.f_blocks - v.f_bfree) * (double)v.f_frsize / 1e6;
}

/* Of a session that holds so much, with a change in each round, so that there is something to
 * freeze. */
static int big_rounds(struct bench *b, struct corral_backend *big, struct corral_error *err)
{
	uint64_t rounds = b->o.rounds < 20 ? b->o.rounds : 20, nsec;
	char name[CORRAL_SESSION_ID_SIZE], id[32];
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < rounds; i++) {
		const struct corral_session_ask ask = { .id = id };
		struct corral_backend *fork = NULL;

		(void)snprintf(id, sizeof(id), "fork-%" PRIu64, i);
		r = execute(big, "date >change; echo x >>/root/more", err);
		if (r < 0)
			break;
		nsec = bench_now();
		r = corral_session_manager_checkpoint(b->manager, "big", NULL, name, WAIT_MS, err);
		nsec = bench_now() - nsec;
		if (r == 0)
			r = bench_series_add(&b->series[CHECKPOINT], nsec, err);
		if (r < 0)
			break;
		nsec = bench_now();
		r = corral_session_manager_fork(b->manager, "big", NULL, &ask, WAIT_MS, &fork, err);
		nsec = bench_now() - nsec;
		if (r == 0)
			r = bench_series_add(&b->series[FORK], nsec, err);
		if (r == 0)
			r = execute(fork, "test -s change && test -s blob/3", err);
		corral_backend_close(fork);
		if (r == 0)
			r = corral_session_checkpoint_drop(b->store, "big", name, err);
		if (r == 0)
			r = corral_session_manager_release(b->manager, id, CORRAL_SESSION_PURGE,
			                                   err);
		r = r < 0 ? r : 0;
	}
	return r;
}

static int many_forks(struct bench *b, struct corral_error *err)
{
	double before_mb = disk_used_mb(b);
	long long before_kb = 0, after_kb = 0;
	char id[32];
	int r = bench_settled_kb(&before_kb, err);

	for (unsigned int i = 0; r == 0 && i < FORKS; i++) {
		const struct corral_session_ask ask = { .id = id };
		struct corral_backend *fork = NULL;

		(void)snprintf(id, sizeof(id), "many-%u", i);
		r = corral_session_manager_fork(b->manager, "big", NULL, &ask, WAIT_MS, &fork, err);
		corral_backend_close(fork);
	}
	if (r == 0)
		r = bench_settled_kb(&after_kb, err);
	if (r == 0) {
		tell(b, "100 forks of it: new disk", disk_used_mb(b) - before_mb, "MB");
		tell(b, "100 forks of it: memory", (double)(before_kb - after_kb) / 1000, "MB");
	}
	for (unsigned int i = 0; r >= 0 && i < FORKS; i++) {
		(void)snprintf(id, sizeof(id), "many-%u", i);
		r = corral_session_manager_release(b->manager, id, CORRAL_SESSION_PURGE, err);
	}
	return r < 0 ? r : 0;
}

static int big_run(struct bench *b, struct corral_error *err)
{
	struct corral_backend *big = NULL;
	char command[160];
	int r = open_session(b, "big", NULL, 0, false, &big, err);

	(void)snprintf(command, sizeof(command),
	               "mkdir blob && for i in $(seq 64); do head -c %" PRIu64
	               " /dev/urandom >blob/$i; done",
	               (b->o.big_mib << 20) / 64);
	if (r == 0)
		r = execute(big, command, err);
	if (r == 0)
		r = big_rounds(b, big, err);
	if (r == 0)
		r = many_forks(b, err);
	corral_backend_close(big);
	if (r == 0)
		r = corral_session_manager_release(b->manager, "big", CORRAL_SESSION_PURGE, err);
	return r < 0 ? r : 0;
}

static int undo_run(struct bench *b, struct corral_error *err)
{
	struct corral_backend *undone = NULL;
	uint64_t rounds = b->o.rounds < 10 ? b->o.rounds : 10, nsec;
	char command[128];
	int r = open_session(b, "undone", NULL, 0, true, &undone, err);

	(void)snprintf(command, sizeof(command),
	               "mkdir many && cd many && for i in $(seq %d); do : >$i; done", FILES);
	for (uint64_t i = 0; r == 0 && i < rounds; i++) {
		r = execute(undone, command, err);
		if (r < 0)
			break;
		nsec = bench_now();
		r = corral_session_manager_undo(b->manager, "undone", 1, WAIT_MS, err);
		nsec = bench_now() - nsec;
		if (r == 0)
			r = bench_series_add(&b->series[UNDO], nsec, err);
		if (r == 0)
			r = execute(undone, "test ! -e many", err);
	}
	corral_backend_close(undone);
	if (r == 0)
		r = corral_session_manager_release(b->manager, "undone", CORRAL_SESSION_PURGE, err);
	return r < 0 ? r : 0;
}

/* So many sessions open, each of which ran something, of which some are resident. */
static int open_run(struct bench *b, struct corral_error *err)
{
	const struct corral_session_manager_options o = { .store = b->store,
		                                          .max_resident = RESIDENT };
	struct corral_session_manager *manager = NULL;
	long long before_kb = 0, after_kb = 0;
	char id[32], text[80];
	int r = bench_settled_kb(&before_kb, err);

	if (r == 0)
		r = corral_session_manager_new(&o, &manager, err);
	for (uint64_t i = 0; r == 0 && i < b->o.open; i++) {
		const struct corral_session_ask ask = { .id = id };
		struct corral_backend *lease = NULL;

		(void)snprintf(id, sizeof(id), "open-%" PRIu64, i);
		r = corral_session_manager_get_or_create(manager, &ask, &lease, err);
		if (r == 0)
			r = execute(lease, "echo here >mine", err);
		corral_backend_close(lease);
	}
	if (r == 0)
		r = bench_settled_kb(&after_kb, err);
	if (r == 0) {
		(void)snprintf(text, sizeof(text), "%" PRIu64 " sessions open, %d resident: memory",
		               b->o.open, RESIDENT);
		tell(b, text, (double)(before_kb - after_kb) / 1000, "MB");
	}
	for (uint64_t i = 0; r >= 0 && i < b->o.open; i++) {
		(void)snprintf(id, sizeof(id), "open-%" PRIu64, i);
		r = corral_session_manager_release(manager, id, CORRAL_SESSION_PURGE, err);
	}
	corral_session_manager_free(manager);
	return r < 0 ? r : 0;
}

static int list_timed(struct bench *b, struct corral_error *err)
{
	struct corral_session_store *store = NULL;
	struct corral_session_record *records = NULL;
	uint64_t begin = bench_now();
	char text[80];
	size_t n = 0;
	int r = corral_session_store_open(b->root, &store, err);

	if (r == 0)
		r = corral_session_store_list(store, &records, &n, err);
	if (r == 0) {
		(void)snprintf(text, sizeof(text), "%zu stored sessions listed after a restart", n);
		tell(b, text, (double)(bench_now() - begin) / 1e6, "ms");
	}
	corral_session_records_free(records, n);
	corral_session_store_close(store);
	return r;
}

static int stored_run(struct bench *b, struct corral_error *err)
{
	const struct corral_runtime *runtime = NULL;
	char id[32];
	int r = corral_runtime_catalogue_get(b->catalogue, CORRAL_RUNTIME_DEFAULT, &runtime, err);

	for (uint64_t i = 0; r == 0 && i < b->o.stored; i++) {
		const struct corral_session_order order = { .id = id,
			                                    .runtime = runtime,
			                                    .isolation = CORRAL_ISOLATION_NATIVE };

		(void)snprintf(id, sizeof(id), "stored-%" PRIu64, i);
		r = corral_session_store_create(b->store, &order, NULL, err);
	}
	corral_session_store_close(b->store);
	b->store = NULL;
	return r < 0 ? r : list_timed(b, err);
}

static int runtime_write(const char *dir, const char *name, const char *text,
                         struct corral_error *err)
{
	corral_autofd int fd = -1;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return corral_error_sys(err, errno, "write '%s'", path);
	return 0;
}

/* More runtimes than the built-in ones: the host's, with a sandbox for each command, and those of
 * an engine's image. */
static int catalogue_make(struct bench *b, struct corral_error *err)
{
	char dir[80], text[512];
	const char *const dirs[] = { dir, NULL };
	int r;

	(void)snprintf(dir, sizeof(dir), "%s.runtimes", b->root);
	if (mkdir(dir, 0700) < 0)
		return corral_error_sys(err, errno, "make '%s'", dir);
	r = runtime_write(dir, "call", "{ \"scope\": \"call\" }\n", err);
	for (int call = 0; r == 0 && b->o.docker && call < 2; call++) {
		(void)snprintf(text, sizeof(text),
		               "{ \"image\": \"%.300s\", \"isolation\": \"docker\", \"scope\": "
		               "\"%s\" }\n",
		               b->o.docker, call ? "call" : "session");
		r = runtime_write(dir, call ? BENCH_DOCKER_CALL : BENCH_DOCKER_RUNTIME, text, err);
	}
	return r < 0 ? r : corral_runtime_catalogue_open(dirs, &b->catalogue, err);
}

static int prepare(struct bench *b, struct corral_error *err)
{
	struct corral_session_manager_options o = { 0 };
	int r;

	(void)snprintf(b->root, sizeof(b->root), "/var/tmp/corral-bench-sessions.XXXXXX");
	if (!mkdtemp(b->root)) {
		b->root[0] = '\0';
		return corral_error_sys(err, errno, "make a directory in /var/tmp");
	}
	r = bench_spawn_init(&b->quiet, err);
	if (r == 0)
		r = catalogue_make(b, err);
	if (r == 0)
		r = corral_session_store_open(b->root, &b->store, err);
	o.store = b->store;
	o.catalogue = b->catalogue;
	if (r == 0)
		r = corral_session_manager_new(&o, &b->manager, err);
	if (r == 0)
		r = open_session(b, "live", NULL, CORRAL_SESSION_START, false, &b->live, err);
	if (r == 0)
		r = open_session(b, "call", "call", 0, false, &b->call, err);
	return r;
}

static int docker_run(struct bench *b, struct corral_error *err)
{
#ifdef CORRAL_WITH_DOCKER
	uint64_t rounds = b->o.rounds < 20 ? b->o.rounds : 20;

	return bench_sessions_docker(b->store, b->catalogue, rounds, &b->series[ON_DOCKER], err);
#else
	(void)b;
	return corral_error_set(err, EOPNOTSUPP, "--docker: built without Docker");
#endif
}

static int measure(struct bench *b, struct corral_error *err)
{
	int r = prepare(b, err);

	if (r == 0)
		r = rounds_run(b, err);
	if (r == 0)
		printf("Sessions, beside what is timed\n");
	if (r == 0 && b->o.big_mib)
		r = big_run(b, err);
	if (r == 0)
		r = undo_run(b, err);
	corral_backend_close(b->live);
	corral_backend_close(b->call);
	corral_session_manager_free(b->manager);
	if (r == 0 && b->o.docker)
		r = docker_run(b, err);
	if (r == 0 && b->o.open)
		r = open_run(b, err);
	if (r == 0 && b->o.stored)
		r = stored_run(b, err);
	if (r == 0)
		bench_print("Sessions", b->series, CONTESTANTS, SPAWN);
	return r;
}

static void clean_up(struct bench *b)
{
	char runtimes[80];
	struct corral_error err = { 0 };
	const char *name = b->root[0] ? strrchr(b->root, '/') + 1 : NULL;
	corral_autofd int dir_fd = open("/var/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	corral_session_store_close(b->store);
	corral_runtime_catalogue_close(b->catalogue);
	if (!name)
		return;
	(void)snprintf(runtimes, sizeof(runtimes), "%s.runtimes", name);
	if (corral_layer_remove(dir_fd, name, &err) < 0 ||
	    corral_layer_remove(dir_fd, runtimes, &err) < 0)
		(void)fprintf(stderr, "corral-bench-sessions: %s\n", err.text);
}

static int options_parse(struct options *o, int argc, char **argv, struct corral_error *err)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "big-mib", required_argument, NULL, 'b' },
		{ "open", required_argument, NULL, 'o' },
		{ "stored", required_argument, NULL, 's' },
		{ "docker", required_argument, NULL, 'd' },
		{ "tsv", required_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option, r = 0;

	while (r == 0 && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'r')
			r = corral_parse_u64(optarg, 100000, &o->rounds, err);
		else if (option == 'b')
			r = corral_parse_u64(optarg, 1u << 20, &o->big_mib, err);
		else if (option == 'o')
			r = corral_parse_u64(optarg, 100000, &o->open, err);
		else if (option == 's')
			r = corral_parse_u64(optarg, 1000000, &o->stored, err);
		else if (option == 'd')
			o->docker = optarg;
		else if (option == 'v')
			o->tsv = optarg;
		else
			return option == 'h' ? 1 : 2;
	}
	return r < 0 ? r : optind != argc ? 2 : 0;
}

int main(int argc, char **argv)
{
	static struct bench b = {
		.o = { .rounds = 100, .big_mib = 1024, .open = 1000, .stored = 10000 },
		.series = {
			[SPAWN] = { .name = "posix_spawn" },
			[KNOWN] = { .name = "get_or_create of a live session" },
			[EXECUTE] = { .name = "command in a live session" },
			[CALL] = { .name = "command under scope call" },
			[NEW] = { .name = "get_or_create of a new session" },
			[WAKE] = { .name = "wake of a hibernated session" },
			[CHECKPOINT] = { .name = "checkpoint of a large session" },
			[FORK] = { .name = "fork of a large session" },
			[UNDO] = { .name = "undo of 10,000 files" },
			[ON_DOCKER_KNOWN] = { .name = "on Docker: get_or_create of a live "
			                                       "session" },
			[ON_DOCKER_EXECUTE] = { .name = "on Docker: command in a live "
			                                         "session" },
			[ON_DOCKER_CALL] = { .name = "on Docker: command under scope "
			                                      "call" },
			[ON_DOCKER_NEW] = { .name = "on Docker: get_or_create of a new "
			                                     "session" },
		},
	};
	struct corral_error err = { 0 };
	int r = options_parse(&b.o, argc, argv, &err);

	if (r > 0) {
		(void)fputs("usage: corral-bench-sessions [--rounds N] [--big-mib N] [--open N] "
		            "[--stored N] [--docker IMAGE] [--tsv FILE]\n"
		            "IMAGE is one that the engine has, with a shell in it.\n",
		            r == 1 ? stdout : stderr);
		return r == 1 ? 0 : 2;
	}
	if (r == 0 && b.o.tsv) {
		b.tsv = fopen(b.o.tsv, "we");
		if (!b.tsv)
			r = corral_error_sys(&err, errno, "open '%s'", b.o.tsv);
	}
	if (r == 0)
		r = measure(&b, &err);
	clean_up(&b);
	if (b.tsv)
		bench_write_tsv(b.tsv, b.series, CONTESTANTS, SPAWN);
	if (b.tsv && fclose(b.tsv) != 0 && r == 0)
		r = corral_error_sys(&err, errno, "write '%s'", b.o.tsv);
	if (r < 0)
		(void)fprintf(stderr, "corral-bench-sessions: %s\n", err.text);
	return r < 0 ? 1 : 0;
}
