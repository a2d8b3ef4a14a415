/*
 * Control groups v2: one tree, whose inner nodes hand controllers on to their children. Also used
 * for a tree without controllers, which still kills, freezes and counts processor time.
 */
#include "kernel/cgroup_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"

static const char above_file[] = "cgroup.subtree_control";
static const char inner_file[] = CORRAL_CGROUP_PARENT "/cgroup.subtree_control";

uint32_t corral_cgroup_v2_set(int dir_fd, const char *name)
{
	char text[512];
	ssize_t n = corral_cgroup_slurp(dir_fd, name, text, sizeof(text));
	uint32_t set = 0;

	for (unsigned int i = 0; n > 0 && i < CORRAL_CGROUP_LIMITERS; i++)
		if (corral_cgroup_parse_word(text, (size_t)n, corral_cgroup_ctl_names[i]))
			set |= 1u << i;
	return set;
}

/* One at a time, so that one which cannot be had does not cost the others. */
static int enable(int base_fd, const char *file, uint32_t ctls)
{
	int first = 0;

	for (unsigned int i = 0; i < CORRAL_CGROUP_LIMITERS; i++) {
		char text[16];
		int r;

		if (!(ctls & 1u << i))
			continue;
		(void)snprintf(text, sizeof(text), "+%s", corral_cgroup_ctl_names[i]);
		r = corral_cgroup_write(base_fd, file, text);
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

/*
 * Asked before, and not left to the kernel's EBUSY: it does let pids and cpu be handed on beside
 * processes, but makes the group a threaded one by that, and its children useless to us. The root
 * of the tree, which has no type, is exempt (cgroups(7), "no internal processes").
 */
static bool holds_processes(int base_fd)
{
	return faccessat(base_fd, "cgroup.type", F_OK, 0) == 0 &&
	       corral_cgroup_listed(base_fd) != 0;
}

static int prepare_once(int base_fd, uint32_t ctls, uint32_t *ret_base_enabled)
{
	uint32_t missing;
	int r;

	if (mkdirat(base_fd, CORRAL_CGROUP_PARENT, 0755) < 0 && errno != EEXIST)
		return -errno;
	if (!ctls)
		return 0;
	missing = ctls & ~corral_cgroup_v2_set(base_fd, inner_file);
	if (!missing)
		return 0;
	/* Step by step from above: a group can only hand on what it was given. */
	missing = ctls & ~corral_cgroup_v2_set(base_fd, above_file);
	if (missing && holds_processes(base_fd))
		return -EBUSY;
	r = enable(base_fd, above_file, missing);
	if (ret_base_enabled && missing)
		*ret_base_enabled |= missing & corral_cgroup_v2_set(base_fd, above_file);
	return r < 0 ? r : enable(base_fd, inner_file, ctls);
}

int corral_cgroup_v2_prepare(int base_fd, uint32_t ctls, uint32_t *ret_base_enabled)
{
	int r = -ENOENT;

	/* Somebody else's last group may take the parent away between any two of these calls. */
	for (unsigned int i = 0; i < CORRAL_CGROUP_RETRIES_MAX && (r == -ENOENT || r == -ENODEV);
	     i++)
		r = prepare_once(base_fd, ctls, ret_base_enabled);
	return r;
}

/*
 * A file that is not there may mean that another process removed "corral" and a third one made it
 * again a moment ago, or that nobody asked for this controller yet. Written even when the parent
 * claims to hand it on already: it says so before the files are made, and only a writer waits for
 * the one who is making them.
 */
static int hand_on(const struct corral_cgroup *c, enum corral_cgroup_ctl ctl)
{
	int r = corral_cgroup_v2_prepare(c->host->v2_base, 1u << ctl, NULL);

	return r < 0 ? r : enable(c->host->v2_base, inner_file, 1u << ctl);
}

static int v2_write(const struct corral_cgroup *c, enum corral_cgroup_ctl ctl, const char *name,
                    const char *text)
{
	int r = corral_cgroup_write(c->v2_fd, name, text);

	if (r != -ENOENT || hand_on(c, ctl) < 0)
		return r;
	return corral_cgroup_write(c->v2_fd, name, text);
}

static int v2_failed(const struct corral_cgroup *c, int r, const char *name, const char *text,
                     struct corral_error *err)
{
	return corral_error_sys(err, -r, "cgroup %s: write %s to %s", c->name, text, name);
}

static const char *number(char *text, size_t size, uint64_t value)
{
	(void)snprintf(text, size, "%llu", (unsigned long long)value);
	return text;
}

static int v2_limit_memory(struct corral_cgroup *c, const struct corral_limits *l,
                           struct corral_error *err)
{
	bool fresh = !corral_cgroup_is_set(c, CORRAL_LIMIT_MEMORY);
	char text[24];
	const char *value = "max";
	int r;

	if (l->memory_bytes)
		value = number(text, sizeof(text), l->memory_bytes);
	else if (fresh)
		return 0;
	r = v2_write(c, CORRAL_CGROUP_MEMORY, "memory.max", value);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return v2_failed(c, r, "memory.max", value, err);
	corral_cgroup_mark(c, CORRAL_LIMIT_MEMORY, l->memory_bytes != 0);

	value = l->memory_bytes ? number(text, sizeof(text), l->memory_swap_bytes) : "max";
	r = corral_cgroup_write(c->v2_fd, "memory.swap.max", value);
	if (r < 0 && r != -ENOENT)
		return v2_failed(c, r, "memory.swap.max", value, err);
	corral_cgroup_mark(c, CORRAL_LIMIT_MEMORY_SWAP,
	                   l->memory_bytes && (r == 0 || c->host->no_swap));

	if (fresh) {
		r = corral_cgroup_write(c->v2_fd, "memory.oom.group", "1");
		if (r < 0 && r != -ENOENT) /* since 4.19 */
			return v2_failed(c, r, "memory.oom.group", "1", err);
	}
	return 0;
}

static int v2_limit_pids(struct corral_cgroup *c, const struct corral_limits *l,
                         struct corral_error *err)
{
	char text[24];
	int r;

	if (!l->pids && !corral_cgroup_is_set(c, CORRAL_LIMIT_PIDS))
		return 0;
	r = corral_cgroup_write_pids(c->v2_fd, l->pids);
	if (r == -ENOENT && hand_on(c, CORRAL_CGROUP_PIDS) == 0)
		r = corral_cgroup_write_pids(c->v2_fd, l->pids);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return v2_failed(c, r, "pids.max", number(text, sizeof(text), l->pids), err);
	corral_cgroup_mark(c, CORRAL_LIMIT_PIDS, l->pids != 0);
	return 0;
}

static int limit_weight(struct corral_cgroup *c, uint64_t cpu_weight, struct corral_error *err)
{
	uint64_t weight = cpu_weight ? cpu_weight : CORRAL_CGROUP_WEIGHT_USUAL;
	char text[24];
	int r = 0;

	number(text, sizeof(text), weight);
	if (weight != CORRAL_CGROUP_WEIGHT_USUAL) {
		r = v2_write(c, CORRAL_CGROUP_CPU, "cpu.weight", text);
		if (r == -ENOENT)
			return 0;
	} else if (corral_cgroup_is_set(c, CORRAL_LIMIT_CPU_WEIGHT)) {
		r = corral_cgroup_write(c->v2_fd, "cpu.weight", text);
		if (r == -ENOENT) /* never had another one */
			r = 0;
	}
	if (r < 0)
		return v2_failed(c, r, "cpu.weight", text, err);
	corral_cgroup_mark(c, CORRAL_LIMIT_CPU_WEIGHT, cpu_weight != 0);
	return 0;
}

static int v2_limit_cpu(struct corral_cgroup *c, const struct corral_limits *l,
                        struct corral_error *err)
{
	uint64_t quota_us, period_us;
	char text[64] = "max 100000";
	int r;

	if (l->cpu_millis || corral_cgroup_is_set(c, CORRAL_LIMIT_CPUS)) {
		corral_cgroup_bandwidth(l->cpu_millis, &quota_us, &period_us);
		if (l->cpu_millis)
			(void)snprintf(text, sizeof(text), "%llu %llu",
			               (unsigned long long)quota_us, (unsigned long long)period_us);
		r = v2_write(c, CORRAL_CGROUP_CPU, "cpu.max", text);
		if (r < 0 && r != -ENOENT)
			return v2_failed(c, r, "cpu.max", text, err);
		if (r == 0)
			corral_cgroup_mark(c, CORRAL_LIMIT_CPUS, l->cpu_millis != 0);
	}
	return limit_weight(c, l->cpu_weight, err);
}

static void v2_read_memory(const struct corral_cgroup *c, bool lasting,
                           struct corral_cgroup_stats *ret)
{
	char text[512];

	if (!lasting)
		ret->memory_bytes = corral_cgroup_slurp_u64(c->v2_fd, "memory.current");
	ret->memory_peak_bytes = corral_cgroup_slurp_u64(c->v2_fd, "memory.peak"); /* 5.19 */
	if (corral_cgroup_slurp(c->v2_fd, "memory.events", text, sizeof(text)) > 0)
		(void)corral_cgroup_parse_key(text, "oom_kill", &ret->oom_kills);
}

static void v2_read_pids(const struct corral_cgroup *c, bool lasting,
                         struct corral_cgroup_stats *ret)
{
	corral_cgroup_read_pids(c->v2_fd, lasting, ret);
}

static void v2_read_cpu(const struct corral_cgroup *c, bool lasting,
                        struct corral_cgroup_stats *ret)
{
	char text[1024];

	(void)lasting;
	/* The times are there without the controller, too. */
	if (corral_cgroup_slurp(c->v2_fd, "cpu.stat", text, sizeof(text)) <= 0)
		return;
	(void)corral_cgroup_parse_key(text, "usage_usec", &ret->cpu_usec);
	(void)corral_cgroup_parse_key(text, "user_usec", &ret->cpu_user_usec);
	(void)corral_cgroup_parse_key(text, "system_usec", &ret->cpu_system_usec);
	(void)corral_cgroup_parse_key(text, "throttled_usec", &ret->throttled_usec);
}

/* Reads cgroup.events anew and takes the key's value: 0, 1 or -errno. */
static int events_read(int events_fd, const char *key)
{
	char text[256];
	uint64_t value;
	ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	if (corral_cgroup_parse_key(text, key, &value) < 0)
		return -EOPNOTSUPP;
	return value != 0;
}

static int events_open(const struct corral_cgroup *c)
{
	int fd = openat(c->v2_fd, "cgroup.events", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The kernel tells at most every 10 ms what changes in between, hence the caller's short turns. */
static void events_poll(int events_fd, unsigned int usec)
{
	struct pollfd p = { .fd = events_fd, .events = POLLPRI };
	const struct timespec ts = { .tv_sec = usec / 1000000,
		                     .tv_nsec = (long)(usec % 1000000) * 1000 };

	(void)ppoll(&p, 1, &ts, NULL);
}

static int v2_freeze(const struct corral_cgroup *c, bool frozen, unsigned int timeout_ms,
                     struct corral_error *err)
{
	int64_t deadline = corral_cgroup_now_usec() + (int64_t)timeout_ms * 1000;
	corral_autofd int events = events_open(c);
	unsigned int pause_usec = 100;
	int r = events < 0 ? events : 0;

	if (r == 0)
		r = corral_cgroup_write(c->v2_fd, "cgroup.freeze", frozen ? "1" : "0");
	if (r == -ENOENT)
		return corral_error_set(err, EOPNOTSUPP, "cgroup.freeze needs Linux 5.2");
	while (r == 0) {
		int now = events_read(events, "frozen");

		if (now == (frozen ? 1 : 0))
			return 0;
		if (now < 0)
			r = now;
		else if (corral_cgroup_now_usec() >= deadline)
			return corral_error_set(err, ETIMEDOUT, "cgroup %s: not %s after %u ms",
			                        c->name, frozen ? "frozen" : "thawed", timeout_ms);
		else
			events_poll(events, pause_usec);
		if (pause_usec < 10000)
			pause_usec *= 2;
	}
	return corral_error_sys(err, -r, "cgroup %s: freeze", c->name);
}

static int v2_kill(const struct corral_cgroup *c, struct corral_error *err)
{
	enum { ROUNDS = 64, FREEZE_MS = 100 };
	bool frozen;
	int r = corral_cgroup_write(c->v2_fd, "cgroup.kill", "1");

	if (r == 0)
		return 0;
	if (r != -ENOENT)
		return corral_error_sys(err, -r, "cgroup %s: kill", c->name);
	/* Before 5.14. Frozen processes cannot fork, and here they do die while frozen. */
	frozen = v2_freeze(c, true, FREEZE_MS, NULL) == 0;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		r = corral_cgroup_kill_listed(c->v2_fd);
		if (r <= 0 || frozen)
			break;
		corral_cgroup_sleep(1000);
	}
	(void)corral_cgroup_write(c->v2_fd, "cgroup.freeze", "0");
	if (r < 0)
		return corral_error_sys(err, -r, "cgroup %s: list processes", c->name);
	return 0;
}

static int v2_populated(const struct corral_cgroup *c, struct corral_error *err)
{
	corral_autofd int events = events_open(c);
	int r = events < 0 ? events : events_read(events, "populated");

	if (r < 0)
		return corral_error_sys(err, -r, "cgroup %s: read cgroup.events", c->name);
	return r;
}

static void v2_wait(const struct corral_cgroup *c, unsigned int usec)
{
	corral_autofd int events = events_open(c);
	int r = events < 0 ? events : events_read(events, "populated");

	if (r == 1)
		events_poll(events, usec);
	else
		corral_cgroup_sleep(usec);
}

const struct corral_cgroup_ops corral_cgroup_v2_ops = {
	.limit = { v2_limit_memory, v2_limit_pids, v2_limit_cpu },
	.read = { v2_read_memory, v2_read_pids, v2_read_cpu },
	.freeze = v2_freeze,
	.kill = v2_kill,
	.populated = v2_populated,
	.wait = v2_wait,
};
