/*
 * Control groups of this very kernel, whichever kind it has: limits that bite, kills that reach
 * everybody, and nothing left behind, not even by owners that were killed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/cgroup.h"
#include "kernel/cgroup_ops.h"
#include "tests/support.h"

#define MIB 1048576ull

struct fixture {
	struct corral_cgroup_host *host;
	struct corral_error err;
};

#define OK(call)                                                \
	do {                                                    \
		int ok_ = (call);                               \
		if (ok_ < 0)                                    \
			fail_msg("%s: %s", #call, f->err.text); \
	} while (0)

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || corral_cgroup_host_open(&f->host, &f->err) < 0)
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	corral_cgroup_host_close(f->host);
	free(f);
	return 0;
}

static bool missing(struct fixture *f, uint32_t limits)
{
	if (corral_cgroup_host_kind(f->host) == CORRAL_CGROUP_NONE) {
		if (corral_test_without("cgroup"))
			skip();
		corral_test_skip("control groups: %s",
		                 corral_cgroup_host_reason(f->host, CORRAL_LIMIT_MEMORY));
		return true;
	}
	for (unsigned int i = 0; i < CORRAL_LIMIT_COUNT; i++)
		if ((limits & 1u << i) && !(corral_cgroup_host_can(f->host) & 1u << i)) {
			corral_test_skip("%s: %s", corral_limit_name(1u << i),
			                 corral_cgroup_host_reason(f->host, 1u << i));
			return true;
		}
	return false;
}

static const char *prefix_of(const struct corral_cgroup_host *h, int base_fd)
{
	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++)
		if (base_fd == h->v1_base[i])
			return h->v1_prefix[i];
	return h->v2_prefix;
}

/* How many groups have names that start so, all hierarchies together. */
static unsigned int groups_count(const struct corral_cgroup_host *h, const char *name)
{
	int bases[CORRAL_CGROUP_CTLS + 1];
	unsigned int n = 0;

	memcpy(bases, h->v1_base, sizeof(h->v1_base));
	bases[CORRAL_CGROUP_CTLS] = h->v2_base;
	for (size_t i = 0; i < CORRAL_COUNT(bases); i++) {
		const char *prefix = prefix_of(h, bases[i]);
		bool flat = prefix && strcmp(prefix, CORRAL_CGROUP_FLAT) == 0;
		const struct dirent *e;
		char start[128];
		DIR *dir;
		int fd = bases[i] < 0 ? -1
		                      : openat(bases[i], flat ? "." : CORRAL_CGROUP_PARENT,
		                               O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			continue;
		dir = fdopendir(fd);
		assert_non_null(dir);
		(void)snprintf(start, sizeof(start), "%s%s", flat ? prefix : "", name);
		while ((e = readdir(dir)))
			n += e->d_type == DT_DIR && e->d_name[0] != '.' &&
			     strncmp(e->d_name, start, strlen(start)) == 0;
		(void)closedir(dir);
	}
	return n;
}

typedef int (*child_fn)(void *arg);

/* A process in the group, entered as a sandbox's first process does it. Runs fn and exits. */
static pid_t start(const struct corral_cgroup *c, bool clone_into, child_fn fn, void *arg)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int ready[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	if (clone_into && c->v2_fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)c->v2_fd;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (unsigned int i = 0; i < c->n_join; i++)
			if (write(c->join_fd[i], "0", 1) != 1)
				_exit(99);
		if (write(ready[1], "r", 1) != 1)
			_exit(98);
		(void)close(ready[0]);
		(void)close(ready[1]);
		_exit(fn(arg));
	}
	(void)close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1)
		byte = 0;
	(void)close(ready[0]);
	assert_true(pid > 0);
	assert_int_equal(byte, 'r');
	return pid;
}

static int reap(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool use_clone(const struct fixture *f)
{
	return f->host->v2_base >= 0;
}

static int child_pause(void *arg)
{
	(void)arg;
	/* A test that failed before its end leaves nobody running, either. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		(void)pause();
	return 0;
}

static int child_nothing(void *arg)
{
	(void)arg;
	return 7;
}

static void pause_ms(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static bool comes_true(int (*question)(const struct corral_cgroup *, struct corral_error *),
                       const struct corral_cgroup *c, int answer)
{
	for (unsigned int i = 0; i < 500; i++) {
		if (question(c, NULL) == answer)
			return true;
		pause_ms(10);
	}
	return false;
}

static void every_limit_can_be_had_or_has_a_reason(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 5; i++) {
		const char *why = corral_cgroup_host_reason(f->host, 1u << i);

		if (corral_cgroup_host_can(f->host) & 1u << i) {
			assert_null(why);
		} else {
			assert_non_null(why);
			print_message("%s: %s\n", corral_limit_name(1u << i), why);
			assert_true(strlen(why) > 20);
		}
	}
	print_message("kind %d, can %#x\n", (int)f->host->kind, f->host->can);
}

static void group_that_is_closed_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct corral_cgroup c;
	char name[64];

	if (missing(f, 0))
		return;
	OK(corral_cgroup_open(f->host, &corral_limits_default, use_clone(f), &c, &f->err));
	memcpy(name, c.name, sizeof(name));
	assert_true(groups_count(f->host, name) > 0);
	OK(corral_cgroup_close(&c, 1000, &f->err));
	assert_int_equal(groups_count(f->host, name), 0);
	OK(corral_cgroup_close(&c, 1000, &f->err)); /* twice does no harm */
}

static void group_made_in_two_halves_is_the_same_group(void **state)
{
	struct fixture *f = *state;
	struct corral_limits l = corral_limits_default;
	struct corral_cgroup c;

	if (missing(f, 0))
		return;
	l.cpu_millis = 1500;
	for (unsigned int clone_into = 0; clone_into < 2; clone_into++) {
		OK(corral_cgroup_begin(f->host, &l, clone_into, &c, &f->err));
		assert_int_equal(c.enforced, 0);
		OK(corral_cgroup_complete(&c, &l, &f->err));
		assert_int_equal(c.n_join, c.n_joins_to_be);
		assert_int_equal(c.enforced, corral_cgroup_host_can(f->host));
		assert_int_equal(WEXITSTATUS(reap(start(&c, clone_into, child_nothing, NULL))), 7);
		OK(corral_cgroup_close(&c, 1000, &f->err));
		/* Given up in between. */
		OK(corral_cgroup_begin(f->host, &l, clone_into, &c, &f->err));
		OK(corral_cgroup_close(&c, 1000, &f->err));
	}
}

static void limits_by_default_are_all_enforced_where_they_can_be(void **state)
{
	struct fixture *f = *state;
	struct corral_limits l = corral_limits_default;
	struct corral_cgroup c;

	if (missing(f, 0))
		return;
	l.cpu_millis = 1500;
	l.cpu_weight = 50;
	OK(corral_cgroup_open(f->host, &l, use_clone(f), &c, &f->err));
	assert_int_equal(c.enforced, corral_cgroup_host_can(f->host));
	OK(corral_cgroup_close(&c, 1000, &f->err));
}

static void first_process_enters_every_hierarchy(void **state)
{
	struct fixture *f = *state;
	struct corral_limits l = corral_limits_default;
	struct corral_cgroup c;
	char path[64], text[4096], *at;
	unsigned int found = 0, expected = 0;
	pid_t pid;

	if (missing(f, 0))
		return;
	l.cpu_millis = 500;
	for (unsigned int clone_into = 0; clone_into < 2; clone_into++) {
		OK(corral_cgroup_open(f->host, &l, clone_into, &c, &f->err));
		pid = start(&c, clone_into, child_pause, NULL);
		(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
		assert_true(corral_cgroup_slurp(AT_FDCWD, path, text, sizeof(text)) > 0);
		found = 0;
		for (at = text; (at = strstr(at, c.name)); at++)
			found++;
		expected = c.v2_fd >= 0;
		for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++)
			expected += c.v1_fd[i] >= 0 && !f->host->v1_twin[i];
		assert_int_equal(found, expected);
		assert_int_equal(corral_cgroup_populated(&c, &f->err), 1);
		OK(corral_cgroup_close(&c, 5000, &f->err));
		assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
	}
}

static int child_eat(void *arg)
{
	const size_t *bytes = arg;
	char *p = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < *bytes; i += 4096)
		((volatile char *)p)[i] = 1;
	return 0;
}

static void memory_limit_kills_and_tells(void **state)
{
	struct fixture *f = *state;
	struct corral_limits l = { .memory_bytes = 32 * MIB };
	struct corral_cgroup_stats s;
	struct corral_cgroup c;
	corral_autofd int oom_fd = -1;
	size_t eat = 256 * MIB;
	pid_t eater, bystander;
	int status;

	if (missing(f, CORRAL_LIMIT_MEMORY))
		return;
	OK(corral_cgroup_open(f->host, &l, use_clone(f), &c, &f->err));
	assert_true(c.enforced & CORRAL_LIMIT_MEMORY);
	OK(corral_cgroup_oom_fd(&c, &oom_fd, &f->err));
	bystander = start(&c, use_clone(f), child_pause, NULL);
	eater = start(&c, use_clone(f), child_eat, &eat);
	status = reap(eater);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	if (f->host->ctl[CORRAL_CGROUP_MEMORY] == &corral_cgroup_v1_ops) {
		struct pollfd p = { .fd = oom_fd, .events = POLLIN };

		assert_int_equal(poll(&p, 1, 1000), 1);
		OK(corral_cgroup_kill(&c, &f->err));
	} else {
		assert_int_equal(oom_fd, -1);
	}
	/* On v2 without anybody's doing: the group dies together. */
	assert_int_equal(WTERMSIG(reap(bystander)), SIGKILL);
	OK(corral_cgroup_read(&c, false, &s, &f->err));
	assert_in_range(s.oom_kills, 1, 3); /* a whole group's first victim counts twice */
	if (s.memory_peak_bytes != UINT64_MAX)
		assert_in_range(s.memory_peak_bytes, 24 * MIB, 32 * MIB);
	else
		assert_true(f->host->ctl[CORRAL_CGROUP_MEMORY] == &corral_cgroup_v2_ops);
	OK(corral_cgroup_close(&c, 2000, &f->err));
}

static void memory_below_the_limit_is_nobodys_business(void **state)
{
	struct fixture *f = *state;
	struct corral_limits l = { .memory_bytes = 128 * MIB };
	struct corral_cgroup_stats s;
	struct corral_cgroup c;
	size_t eat = 32 * MIB;

	if (missing(f, CORRAL_LIMIT_MEMORY))
		return;
	OK(corral_cgroup_open(f->host, &l, use_clone(f), &c, &f->err));
	assert_int_equal(reap(start(&c, use_clone(f), child_eat, &eat)), 0);
	OK(corral_cgroup_read(&c, false, &s, &f->err));
	assert_int_equal(s.oom_kills, 0);
	if (s.memory_peak_bytes != UINT64_MAX)
		assert_in_range(s.memory_peak_bytes, 30 * MIB, 64 * MIB);
	OK(corral_cgroup_close(&c, 1000, &f->err));
}

/* What the kernel says the limit is: memory alone, and memory with swap. */
static uint64_t limit_now(const struct fixture *f, const struct corral_cgroup *c, bool swap)
{
	if (f->host->ctl[CORRAL_CGROUP_MEMORY] == &corral_cgroup_v1_ops)
		return corral_cgroup_slurp_u64(c->v1_fd[CORRAL_CGROUP_MEMORY],
		                               swap ? "memory.memsw.limit_in_bytes"
		                                    : "memory.limit_in_bytes");
	return corral_cgroup_slurp_u64(c->v2_fd, "memory.max") +
	       (swap ? corral_cgroup_slurp_u64(c->v2_fd, "memory.swap.max") : 0);
}

static void memory_limit_can_be_raised_lowered_and_lifted(void **state)
{
	static const uint64_t steps[][2] = { { 64 * MIB, 0 },        { 256 * MIB, 64 * MIB },
		                             { 32 * MIB, 0 },        { 32 * MIB, 512 * MIB },
		                             { 16 * MIB, 16 * MIB }, { 1024 * MIB, 0 } };
	struct fixture *f = *state;
	struct corral_limits l = corral_limits_default;
	struct corral_cgroup c;

	if (missing(f, CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_MEMORY_SWAP))
		return;
	OK(corral_cgroup_open(f->host, &l, use_clone(f), &c, &f->err));
	for (size_t i = 0; i < CORRAL_COUNT(steps); i++) {
		l.memory_bytes = steps[i][0];
		l.memory_swap_bytes = steps[i][1];
		OK(corral_cgroup_limit(&c, &l, &f->err));
		assert_int_equal(limit_now(f, &c, false), steps[i][0]);
		if (!f->host->no_swap)
			assert_int_equal(limit_now(f, &c, true), steps[i][0] + steps[i][1]);
	}
	l.memory_bytes = 0;
	OK(corral_cgroup_limit(&c, &l, &f->err));
	assert_true(limit_now(f, &c, false) > 1ull << 60);
	assert_false(c.enforced & (CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_MEMORY_SWAP));
	OK(corral_cgroup_close(&c, 1000, &f->err));
}

static int child_fork_ten(void *arg)
{
	int made = 0;

	(void)arg;
	for (unsigned int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;) /* outlives its parent, to be counted */
				(void)pause();
		if (pid < 0)
			return errno == EAGAIN ? made : 90;
		made++;
	}
	return made;
}

static void pids_limit_refuses_forks_and_counts_them(void **state)
{
	struct fixture *f = *state;
	struct corral_limits l = { .pids = 4 };
	struct corral_cgroup_stats s;
	struct corral_cgroup c;

	if (missing(f, CORRAL_LIMIT_PIDS))
		return;
	OK(corral_cgroup_open(f->host, &l, use_clone(f), &c, &f->err));
	assert_int_equal(WEXITSTATUS(reap(start(&c, use_clone(f), child_fork_ten, NULL))), 3);
	OK(corral_cgroup_read(&c, false, &s, &f->err));
	assert_int_equal(s.pids, 3);
	assert_true(s.pids_events >= 1 && s.pids_events != UINT64_MAX);
	assert_true(s.pids_peak == 4 || s.pids_peak == UINT64_MAX);
	l.pids = 0;
	OK(corral_cgroup_limit(&c, &l, &f->err));
	assert_int_equal(WEXITSTATUS(reap(start(&c, use_clone(f), child_fork_ten, NULL))), 10);
	l.pids = 1ull << 40; /* more than any kernel has */
	OK(corral_cgroup_limit(&c, &l, &f->err));
	OK(corral_cgroup_close(&c, 5000, &f->err));
}

static int child_burn(void *arg)
{
	const int64_t until = corral_cgroup_now_usec() + *(const int64_t *)arg;

	while (corral_cgroup_now_usec() < until)
		;
	return 0;
}

static void cpu_quota_throttles(void **state)
{
	struct fixture *f = *state;
	struct corral_limits l = { .cpu_millis = 100 };
	struct corral_cgroup_stats s;
	struct corral_cgroup c;
	int64_t burn_usec = 500000;

	if (missing(f, CORRAL_LIMIT_CPUS))
		return;
	OK(corral_cgroup_open(f->host, &l, use_clone(f), &c, &f->err));
	assert_true(c.enforced & CORRAL_LIMIT_CPUS);
	assert_int_equal(reap(start(&c, use_clone(f), child_burn, &burn_usec)), 0);
	OK(corral_cgroup_read(&c, false, &s, &f->err));
	assert_true(s.throttled_usec != UINT64_MAX && s.throttled_usec > 100000);
	if (s.cpu_usec != UINT64_MAX)
		assert_in_range(s.cpu_usec, 10000, 250000);
	OK(corral_cgroup_close(&c, 2000, &f->err));
}

static void cpu_quota_reaches_a_process_that_runs_already(void **state)
{
	struct fixture *f = *state;
	struct corral_limits l = { .pids = 16 };
	struct corral_cgroup_stats s;
	struct corral_cgroup c;
	int64_t burn_usec = 700000;
	pid_t pid;

	if (missing(f, CORRAL_LIMIT_CPUS | CORRAL_LIMIT_PIDS))
		return;
	OK(corral_cgroup_open(f->host, &l, use_clone(f), &c, &f->err));
	pid = start(&c, use_clone(f), child_burn, &burn_usec);
	l.cpu_millis = 50;
	OK(corral_cgroup_limit(&c, &l, &f->err));
	assert_true(c.enforced & CORRAL_LIMIT_CPUS);
	assert_int_equal(reap(pid), 0);
	OK(corral_cgroup_read(&c, false, &s, &f->err));
	assert_true(s.throttled_usec != UINT64_MAX && s.throttled_usec > 100000);
	l.cpu_millis = 1; /* a quota below a millisecond in the usual period */
	OK(corral_cgroup_limit(&c, &l, &f->err));
	l.cpu_millis = 0;
	OK(corral_cgroup_limit(&c, &l, &f->err));
	assert_false(c.enforced & CORRAL_LIMIT_CPUS);
	OK(corral_cgroup_close(&c, 5000, &f->err));
}

static int child_count(void *arg)
{
	volatile unsigned long *counter = arg;

	for (;;)
		(void)__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
	return 0;
}

/* What the kernel says, and not what we waited for. */
static bool is_frozen(const struct corral_cgroup *c)
{
	uint64_t frozen = 0;
	char text[256] = "";

	if (c->v2_fd < 0)
		return corral_cgroup_slurp(c->v1_fd[CORRAL_CGROUP_FREEZER], "freezer.state", text,
		                           sizeof(text)) > 0 &&
		       strcmp(text, "FROZEN\n") == 0;
	return corral_cgroup_slurp(c->v2_fd, "cgroup.events", text, sizeof(text)) > 0 &&
	       corral_cgroup_parse_key(text, "frozen", &frozen) == 0 && frozen == 1;
}

static void frozen_group_stands_still_until_thawed(void **state)
{
	struct fixture *f = *state;
	volatile unsigned long *counter;
	struct corral_cgroup c;
	unsigned long before;
	pid_t pids[12];

	if (missing(f, 0))
		return;
	counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(counter != MAP_FAILED);
	OK(corral_cgroup_open(f->host, &corral_limits_default, use_clone(f), &c, &f->err));
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++)
		pids[i] = start(&c, use_clone(f), child_count, (void *)counter);
	for (unsigned int round = 0; round < 3; round++) {
		OK(corral_cgroup_freeze(&c, true, 2000, &f->err));
		assert_true(is_frozen(&c));
		before = *counter;
		pause_ms(50);
		assert_int_equal(*counter, before);
		OK(corral_cgroup_freeze(&c, false, 2000, &f->err));
		/* On a busy machine it may take a while until its turn comes. */
		for (unsigned int i = 0; i < 500 && *counter == before; i++)
			pause_ms(10);
		assert_true(*counter > before);
	}
	/* Frozen processes are killed as well as others. */
	OK(corral_cgroup_freeze(&c, true, 2000, &f->err));
	OK(corral_cgroup_close(&c, 5000, &f->err));
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++)
		assert_int_equal(WTERMSIG(reap(pids[i])), SIGKILL);
	(void)munmap((void *)counter, 4096);
}

/* Each fork's parent ends at once: whoever kills by a list of pids always comes too late. */
static int child_run_away(void *arg)
{
	(void)arg;
	for (;;)
		if (fork() > 0)
			return 0;
}

static void kill_reaches_a_chain_of_forks(void **state)
{
	struct fixture *f = *state;
	struct corral_cgroup c;

	if (missing(f, CORRAL_LIMIT_PIDS))
		return;
	OK(corral_cgroup_open(f->host, &corral_limits_default, use_clone(f), &c, &f->err));
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(reap(start(&c, use_clone(f), child_run_away, NULL)), 0);
	pause_ms(20);
	assert_int_equal(corral_cgroup_populated(&c, &f->err), 1);
	OK(corral_cgroup_kill(&c, &f->err));
	assert_true(comes_true(corral_cgroup_populated, &c, 0));
	OK(corral_cgroup_close(&c, 2000, &f->err));
}

/* As on a kernel before 5.14, or on v1 alone: by the list, until nobody is in it. */
static void kill_by_list_reaches_many(void **state)
{
	struct fixture *f = *state;
	struct corral_limits l = { .pids = 400 };
	struct corral_cgroup c;
	pid_t pids[150];
	int dir_fd;

	if (missing(f, CORRAL_LIMIT_PIDS))
		return;
	OK(corral_cgroup_open(f->host, &l, use_clone(f), &c, &f->err));
	dir_fd = c.v2_fd >= 0 ? c.v2_fd : c.v1_fd[CORRAL_CGROUP_PIDS];
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++)
		pids[i] = start(&c, use_clone(f), child_pause, NULL);
	assert_int_equal(corral_cgroup_kill_listed(dir_fd), CORRAL_COUNT(pids));
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++)
		assert_int_equal(WTERMSIG(reap(pids[i])), SIGKILL);
	OK(corral_cgroup_close(&c, 2000, &f->err));
}

static int child_fork_and_pause(void *arg)
{
	(void)arg;
	if (fork() >= 0)
		child_pause(NULL);
	return 1;
}

static void close_kills_what_is_left(void **state)
{
	struct fixture *f = *state;
	struct corral_cgroup c;
	char name[64];
	pid_t pid;

	if (missing(f, 0))
		return;
	OK(corral_cgroup_open(f->host, &corral_limits_default, use_clone(f), &c, &f->err));
	memcpy(name, c.name, sizeof(name));
	pid = start(&c, use_clone(f), child_fork_and_pause, NULL);
	OK(corral_cgroup_close(&c, 5000, &f->err));
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
	assert_int_equal(groups_count(f->host, name), 0);
}

/* Of processor time, so that it takes as long as it takes on a busy machine. */
static int child_compute(void *arg)
{
	struct timespec ts = { 0 };

	while ((int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 < *(const int64_t *)arg)
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return 0;
}

static void times_of_the_group_are_known(void **state)
{
	struct fixture *f = *state;
	struct corral_cgroup_stats s;
	struct corral_cgroup c;
	int64_t compute_usec = 100000;

	if (missing(f, 0))
		return;
	if (f->host->v2_base < 0) {
		corral_test_skip("a v2 tree, which counts processor time");
		return;
	}
	OK(corral_cgroup_open(f->host, &corral_limits_default, use_clone(f), &c, &f->err));
	assert_int_equal(reap(start(&c, use_clone(f), child_compute, &compute_usec)), 0);
	OK(corral_cgroup_read(&c, false, &s, &f->err));
	assert_in_range(s.cpu_usec, 90000, 1000000);
	assert_true(s.cpu_user_usec <= s.cpu_usec && s.cpu_system_usec <= s.cpu_usec);
	OK(corral_cgroup_close(&c, 2000, &f->err));
}

/* An owner in a process of its own, which tells its group's name and waits. */
static pid_t owner_start(char *ret_name, size_t size)
{
	int told[2];
	pid_t pid;

	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct corral_cgroup_host *h;
		struct corral_cgroup c;

		if (corral_cgroup_host_open(&h, NULL) < 0 ||
		    corral_cgroup_open(h, &corral_limits_default, false, &c, NULL) < 0 ||
		    write(told[1], c.name, sizeof(c.name)) != sizeof(c.name))
			_exit(1);
		child_pause(NULL);
	}
	assert_true(pid > 0);
	(void)close(told[1]);
	assert_int_equal(read(told[0], ret_name, size), size);
	(void)close(told[0]);
	return pid;
}

static void leftovers_of_a_killed_owner_are_swept(void **state)
{
	struct fixture *f = *state;
	struct corral_cgroup_host *other;
	char name[64];
	pid_t pid;

	if (missing(f, 0))
		return;
	pid = owner_start(name, sizeof(name));
	OK(corral_cgroup_host_open(&other, &f->err));
	corral_cgroup_host_sweep(other);
	assert_true(groups_count(f->host, name) > 0); /* it lives: hands off */
	corral_cgroup_host_close(other);
	assert_true(groups_count(f->host, name) > 0);

	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)reap(pid);
	assert_true(groups_count(f->host, name) > 0);
	OK(corral_cgroup_host_open(&other, &f->err));
	corral_cgroup_host_sweep(other);
	assert_int_equal(groups_count(f->host, name), 0);
	corral_cgroup_host_close(other);
}

static void sweep(int base_fd)
{
	struct corral_cgroup_owners owners = { .next = 0 };

	(void)corral_cgroup_sweep(base_fd, &owners);
}

/* Held by its lock alone: the name speaks of a process that is gone. */
static void group_that_somebody_holds_is_not_swept(void **state)
{
	struct fixture *f = *state;
	struct corral_cgroup c;
	char path[128];
	int base_fd, fd;

	if (missing(f, 0))
		return;
	base_fd = f->host->v2_base >= 0 ? f->host->v2_base : f->host->v1_base[CORRAL_CGROUP_PIDS];
	OK(corral_cgroup_open(f->host, &corral_limits_default, false, &c, &f->err));
	(void)snprintf(path, sizeof(path), "%s2147483646-1-0-00000000",
	               prefix_of(f->host, base_fd));
	assert_int_equal(mkdirat(base_fd, path, 0755), 0);
	fd = openat(base_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	sweep(base_fd);
	assert_int_equal(faccessat(base_fd, path, F_OK, 0), 0);
	(void)close(fd);
	sweep(base_fd);
	assert_int_equal(faccessat(base_fd, path, F_OK, 0), -1);
	OK(corral_cgroup_close(&c, 1000, &f->err));
}

/* The pid lives, but its process started long after the group was made. */
static void name_of_a_process_that_was_younger_is_swept(void **state)
{
	struct fixture *f = *state;
	struct corral_cgroup c;
	char path[128];
	int base_fd;
	pid_t pid;

	if (missing(f, 0))
		return;
	base_fd = f->host->v2_base >= 0 ? f->host->v2_base : f->host->v1_base[CORRAL_CGROUP_PIDS];
	OK(corral_cgroup_open(f->host, &corral_limits_default, false, &c, &f->err));
	pid = fork();
	if (pid == 0)
		child_pause(NULL);
	assert_true(pid > 0);
	(void)snprintf(path, sizeof(path), "%s%d-1-0-00000000", prefix_of(f->host, base_fd),
	               (int)pid);
	assert_int_equal(mkdirat(base_fd, path, 0755), 0);
	sweep(base_fd);
	assert_int_equal(faccessat(base_fd, path, F_OK, 0), -1);
	(void)kill(pid, SIGKILL);
	(void)reap(pid);
	OK(corral_cgroup_close(&c, 1000, &f->err));
}

static int work(unsigned int rounds)
{
	for (unsigned int i = 0; i < rounds; i++) {
		struct corral_cgroup_host *h;
		struct corral_error err = { 0 };
		struct corral_cgroup c;
		int r = corral_cgroup_host_open(&h, &err);

		if (r == 0) {
			corral_cgroup_host_sweep(h);
			r = corral_cgroup_open(h, &corral_limits_default, true, &c, &err);
		}
		if (r == 0 && (c.enforced & corral_cgroup_host_can(h) & CORRAL_LIMIT_PIDS) !=
		                      (corral_cgroup_host_can(h) & CORRAL_LIMIT_PIDS))
			r = corral_error_set(&err, EIO, "pids not enforced");
		if (r == 0)
			r = corral_cgroup_close(&c, 1000, &err);
		if (r < 0) {
			print_message("round %u: %s\n", i, err.text);
			return 1;
		}
		corral_cgroup_host_close(h);
	}
	return 0;
}

static void processes_at_once_do_not_disturb_each_other(void **state)
{
	struct fixture *f = *state;
	pid_t pids[4];

	if (missing(f, 0))
		return;
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(work(150));
		assert_true(pids[i] > 0);
	}
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++)
		assert_int_equal(reap(pids[i]), 0);
	for (size_t i = 0; i < CORRAL_COUNT(pids); i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "%d-", (int)pids[i]);
		assert_int_equal(groups_count(f->host, name), 0);
	}
}

/* The parent goes away while we are idle, and is made again for the next group. */
static void parent_that_was_removed_is_made_again(void **state)
{
	struct fixture *f = *state;
	struct corral_cgroup_host *other;
	struct corral_cgroup c;

	if (missing(f, CORRAL_LIMIT_PIDS))
		return;
	OK(corral_cgroup_host_open(&other, &f->err));
	corral_cgroup_host_close(other); /* empty, so it takes the parent along */
	OK(corral_cgroup_open(f->host, &corral_limits_default, use_clone(f), &c, &f->err));
	assert_true(c.enforced & CORRAL_LIMIT_PIDS);
	assert_int_equal(WEXITSTATUS(reap(start(&c, use_clone(f), child_nothing, NULL))), 7);
	OK(corral_cgroup_close(&c, 1000, &f->err));
}

static int compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void making_and_removing_is_quick(void **state)
{
	enum { ROUNDS = 1000 };
	static int64_t took[ROUNDS], made[ROUNDS];
	struct fixture *f = *state;
	struct corral_cgroup c;

	if (missing(f, 0))
		return;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		int64_t t0 = corral_cgroup_now_usec();

		OK(corral_cgroup_open(f->host, &corral_limits_default, use_clone(f), &c, &f->err));
		made[i] = corral_cgroup_now_usec() - t0;
		OK(corral_cgroup_close(&c, 1000, &f->err));
		took[i] = corral_cgroup_now_usec() - t0;
	}
	qsort(took, ROUNDS, sizeof(took[0]), compare);
	qsort(made, ROUNDS, sizeof(made[0]), compare);
	print_message("open p50 %lld us, open and close p50 %lld us, p99 %lld us\n",
	              (long long)made[ROUNDS / 2], (long long)took[ROUNDS / 2],
	              (long long)took[ROUNDS * 99 / 100]);
	assert_in_range(took[ROUNDS / 2], 1, 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_limit_can_be_had_or_has_a_reason),
		cmocka_unit_test(group_that_is_closed_leaves_nothing),
		cmocka_unit_test(group_made_in_two_halves_is_the_same_group),
		cmocka_unit_test(limits_by_default_are_all_enforced_where_they_can_be),
		cmocka_unit_test(first_process_enters_every_hierarchy),
		cmocka_unit_test(memory_limit_kills_and_tells),
		cmocka_unit_test(memory_below_the_limit_is_nobodys_business),
		cmocka_unit_test(memory_limit_can_be_raised_lowered_and_lifted),
		cmocka_unit_test(pids_limit_refuses_forks_and_counts_them),
		cmocka_unit_test(cpu_quota_throttles),
		cmocka_unit_test(cpu_quota_reaches_a_process_that_runs_already),
		cmocka_unit_test(frozen_group_stands_still_until_thawed),
		cmocka_unit_test(kill_reaches_a_chain_of_forks),
		cmocka_unit_test(kill_by_list_reaches_many),
		cmocka_unit_test(close_kills_what_is_left),
		cmocka_unit_test(times_of_the_group_are_known),
		cmocka_unit_test(leftovers_of_a_killed_owner_are_swept),
		cmocka_unit_test(group_that_somebody_holds_is_not_swept),
		cmocka_unit_test(name_of_a_process_that_was_younger_is_swept),
		cmocka_unit_test(processes_at_once_do_not_disturb_each_other),
		cmocka_unit_test(parent_that_was_removed_is_made_again),
		cmocka_unit_test(making_and_removing_is_quick),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
