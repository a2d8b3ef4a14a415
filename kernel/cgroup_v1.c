/*
 * Control groups v1: a hierarchy and a directory for each controller, a freezer that must be asked
 * repeatedly, no way to kill a group at once.
 */
#include "kernel/cgroup_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char memory_file[] = "memory.limit_in_bytes";
static const char memsw_file[] = "memory.memsw.limit_in_bytes";

static int write_bytes(int dir_fd, const char *name, uint64_t bytes)
{
	if (bytes > INT64_MAX)
		return corral_cgroup_write(dir_fd, name, "-1");
	return corral_cgroup_write_u64(dir_fd, name, bytes);
}

static int memory_clear(struct corral_cgroup *c, int fd, struct corral_error *err)
{
	int r = 0;

	if (!corral_cgroup_is_set(c, CORRAL_LIMIT_MEMORY))
		return 0;
	if (corral_cgroup_is_set(c, CORRAL_LIMIT_MEMORY_SWAP))
		r = corral_cgroup_write(fd, memsw_file, "-1");
	if (r == 0 || r == -ENOENT)
		r = corral_cgroup_write(fd, memory_file, "-1");
	if (r < 0)
		return corral_error_sys(err, -r, "cgroup %s: lift the memory limit", c->name);
	corral_cgroup_mark(c, CORRAL_LIMIT_MEMORY, false);
	corral_cgroup_mark(c, CORRAL_LIMIT_MEMORY_SWAP, false);
	return 0;
}

/* The kernel insists on memory <= memory and swap at every instant, so that order matters. */
static int v1_limit_memory(struct corral_cgroup *c, const struct corral_limits *l,
                           struct corral_error *err)
{
	int fd = c->v1_fd[CORRAL_CGROUP_MEMORY];
	uint64_t both;
	int r, swap = -EAGAIN;

	if (!l->memory_bytes)
		return memory_clear(c, fd, err);
	if (__builtin_add_overflow(l->memory_bytes, l->memory_swap_bytes, &both))
		both = UINT64_MAX;
	r = write_bytes(fd, memory_file, l->memory_bytes);
	if (r == -EINVAL) { /* above the old sum: raise that first */
		swap = write_bytes(fd, memsw_file, both);
		r = write_bytes(fd, memory_file, l->memory_bytes);
	}
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return corral_error_sys(err, -r, "cgroup %s: write %llu to %s", c->name,
		                        (unsigned long long)l->memory_bytes, memory_file);
	corral_cgroup_mark(c, CORRAL_LIMIT_MEMORY, true);
	if (swap == -EAGAIN)
		swap = write_bytes(fd, memsw_file, both);
	if (swap < 0 && swap != -ENOENT)
		return corral_error_sys(err, -swap, "cgroup %s: write %llu to %s", c->name,
		                        (unsigned long long)both, memsw_file);
	corral_cgroup_mark(c, CORRAL_LIMIT_MEMORY_SWAP, swap == 0 || c->host->no_swap);
	return 0;
}

static int v1_limit_pids(struct corral_cgroup *c, const struct corral_limits *l,
                         struct corral_error *err)
{
	int r;

	if (!l->pids && !corral_cgroup_is_set(c, CORRAL_LIMIT_PIDS))
		return 0;
	r = corral_cgroup_write_pids(c->v1_fd[CORRAL_CGROUP_PIDS], l->pids);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return corral_error_sys(err, -r, "cgroup %s: write %llu to pids.max", c->name,
		                        (unsigned long long)l->pids);
	corral_cgroup_mark(c, CORRAL_LIMIT_PIDS, l->pids != 0);
	return 0;
}

static int limit_quota(struct corral_cgroup *c, int fd, uint64_t cpu_millis,
                       struct corral_error *err)
{
	bool was_set = corral_cgroup_is_set(c, CORRAL_LIMIT_CPUS);
	uint64_t quota_us, period_us;
	int r = 0;

	if (!cpu_millis && !was_set)
		return 0;
	corral_cgroup_bandwidth(cpu_millis, &quota_us, &period_us);
	/* Without a quota the period may change freely; a new group has the usual period. */
	if (was_set)
		r = corral_cgroup_write(fd, "cpu.cfs_quota_us", "-1");
	if (r == 0 && cpu_millis && (was_set || period_us != 100000))
		r = corral_cgroup_write_u64(fd, "cpu.cfs_period_us", period_us);
	if (r == 0 && cpu_millis)
		r = corral_cgroup_write_u64(fd, "cpu.cfs_quota_us", quota_us);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return corral_error_sys(err, -r, "cgroup %s: quota of %llu us in %llu us", c->name,
		                        (unsigned long long)quota_us,
		                        (unsigned long long)period_us);
	corral_cgroup_mark(c, CORRAL_LIMIT_CPUS, cpu_millis != 0);
	return 0;
}

/* v1_fd[CPU] is -1 while nothing but the usual weight was ever asked for. */
static int v1_limit_cpu(struct corral_cgroup *c, const struct corral_limits *l,
                        struct corral_error *err)
{
	int fd = c->v1_fd[CORRAL_CGROUP_CPU], r;
	uint64_t weight = l->cpu_weight ? l->cpu_weight : CORRAL_CGROUP_WEIGHT_USUAL;

	if (fd >= 0) {
		r = limit_quota(c, fd, l->cpu_millis, err);
		if (r < 0)
			return r;
		if (weight != CORRAL_CGROUP_WEIGHT_USUAL ||
		    corral_cgroup_is_set(c, CORRAL_LIMIT_CPU_WEIGHT)) {
			r = corral_cgroup_write_u64(fd, "cpu.shares", corral_cgroup_shares(weight));
			if (r < 0)
				return corral_error_sys(err, -r, "cgroup %s: weight %llu", c->name,
				                        (unsigned long long)weight);
		}
	}
	corral_cgroup_mark(c, CORRAL_LIMIT_CPU_WEIGHT, l->cpu_weight != 0);
	return 0;
}

static void v1_read_memory(const struct corral_cgroup *c, bool lasting,
                           struct corral_cgroup_stats *ret)
{
	int fd = c->v1_fd[CORRAL_CGROUP_MEMORY];
	char text[256];

	if (!lasting)
		ret->memory_bytes = corral_cgroup_slurp_u64(fd, "memory.usage_in_bytes");
	ret->memory_peak_bytes = corral_cgroup_slurp_u64(fd, "memory.max_usage_in_bytes");
	if (corral_cgroup_slurp(fd, "memory.oom_control", text, sizeof(text)) > 0)
		(void)corral_cgroup_parse_key(text, "oom_kill", &ret->oom_kills);
}

static void v1_read_pids(const struct corral_cgroup *c, bool lasting,
                         struct corral_cgroup_stats *ret)
{
	corral_cgroup_read_pids(c->v1_fd[CORRAL_CGROUP_PIDS], lasting, ret);
}

static void v1_read_cpu(const struct corral_cgroup *c, bool lasting,
                        struct corral_cgroup_stats *ret)
{
	int fd = c->v1_fd[CORRAL_CGROUP_CPU];
	uint64_t ns;
	char text[256];

	if (fd < 0)
		return;
	if (corral_cgroup_slurp(fd, "cpu.stat", text, sizeof(text)) > 0 &&
	    corral_cgroup_parse_key(text, "throttled_time", &ns) == 0)
		ret->throttled_usec = ns / 1000;
	if (lasting)
		return;
	/* Where cpuacct is mounted together with cpu, and no v2 tree counted already. */
	ns = ret->cpu_usec == UINT64_MAX ? corral_cgroup_slurp_u64(fd, "cpuacct.usage")
	                                 : UINT64_MAX;
	if (ns != UINT64_MAX)
		ret->cpu_usec = ns / 1000;
}

/* A directory that every process of the group is listed in. */
static int any_fd(const struct corral_cgroup *c)
{
	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++)
		if (c->v1_fd[i] >= 0)
			return c->v1_fd[i];
	return -1;
}

static int v1_freeze(const struct corral_cgroup *c, bool frozen, unsigned int timeout_ms,
                     struct corral_error *err)
{
	int fd = c->v1_fd[CORRAL_CGROUP_FREEZER];
	const char *want = frozen ? "FROZEN" : "THAWED";
	int64_t deadline = corral_cgroup_now_usec() + (int64_t)timeout_ms * 1000;
	unsigned int pause_usec = 50;
	char state[32];

	if (fd < 0)
		return corral_error_set(err, EOPNOTSUPP, "no freezer hierarchy on this host");
	/* Written again each time: a task that forked meanwhile keeps the state at FREEZING. */
	for (;;) {
		int r = corral_cgroup_write(fd, "freezer.state", want);

		if (r == 0)
			r = (int)corral_cgroup_slurp(fd, "freezer.state", state, sizeof(state));
		if (r < 0)
			return corral_error_sys(err, -r, "cgroup %s: freezer.state", c->name);
		if (strncmp(state, want, strlen(want)) == 0)
			return 0;
		if (corral_cgroup_now_usec() >= deadline)
			return corral_error_set(err, ETIMEDOUT, "cgroup %s: not %s after %u ms",
			                        c->name, want, timeout_ms);
		corral_cgroup_sleep(pause_usec);
		if (pause_usec < 5000)
			pause_usec *= 2;
	}
}

/* Frozen processes cannot fork, so one pass meets all; without a freezer, until none is left. */
static int v1_kill(const struct corral_cgroup *c, struct corral_error *err)
{
	enum { ROUNDS = 64, FREEZE_MS = 100 };
	bool frozen =
	        c->v1_fd[CORRAL_CGROUP_FREEZER] >= 0 && v1_freeze(c, true, FREEZE_MS, NULL) == 0;
	int r = 0;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		r = corral_cgroup_kill_listed(any_fd(c));
		if (r <= 0 || frozen)
			break;
		corral_cgroup_sleep(1000);
	}
	if (c->v1_fd[CORRAL_CGROUP_FREEZER] >= 0)
		(void)corral_cgroup_write(c->v1_fd[CORRAL_CGROUP_FREEZER], "freezer.state",
		                          "THAWED");
	if (r < 0)
		return corral_error_sys(err, -r, "cgroup %s: list processes", c->name);
	return 0;
}

static int v1_populated(const struct corral_cgroup *c, struct corral_error *err)
{
	int r = corral_cgroup_listed(any_fd(c));

	if (r < 0)
		return corral_error_sys(err, -r, "cgroup %s: list processes", c->name);
	return r;
}

static void v1_wait(const struct corral_cgroup *c, unsigned int usec)
{
	(void)c;
	corral_cgroup_sleep(usec);
}

const struct corral_cgroup_ops corral_cgroup_v1_ops = {
	.limit = { v1_limit_memory, v1_limit_pids, v1_limit_cpu },
	.read = { v1_read_memory, v1_read_pids, v1_read_cpu },
	.freeze = v1_freeze,
	.kill = v1_kill,
	.populated = v1_populated,
	.wait = v1_wait,
};
