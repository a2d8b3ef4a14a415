/*
 * One group, from its making to its removal, on however many hierarchies it takes. Making it sits
 * on the way of every sandbox: a mkdir, an open and a few writes for each hierarchy, and nothing is
 * written that the kernel would have set anyway.
 */
#include "kernel/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/trace.h"
#include "kernel/cgroup_ops.h"

#define GROUP_PATH_SIZE (sizeof(CORRAL_CGROUP_NESTED) + 64)

static const char *group_path(const char *prefix, const char *name, char *ret)
{
	(void)snprintf(ret, GROUP_PATH_SIZE, "%s%s", prefix, name);
	return ret;
}

static void group_empty(struct corral_cgroup *c)
{
	memset(c, 0, sizeof(*c));
	c->v2_fd = -1;
	for (unsigned int i = 0; i < CORRAL_CGROUP_JOIN_MAX; i++)
		c->v1_fd[i] = c->join_fd[i] = -1;
}

static void group_release(struct corral_cgroup *c)
{
	for (unsigned int i = 0; i < CORRAL_CGROUP_JOIN_MAX; i++) {
		corral_fd_closep(&c->v1_fd[i]);
		corral_fd_closep(&c->join_fd[i]);
	}
	corral_fd_closep(&c->v2_fd);
	c->n_join = 0;
}

/* The parent goes with its last user, so that it may be missing at any time: it is made again. */
static int parent_make(const struct corral_cgroup_host *h, int base_fd)
{
	if (base_fd == h->v2_base)
		return corral_cgroup_v2_prepare(base_fd, h->v2_ctls, NULL);
	if (mkdirat(base_fd, CORRAL_CGROUP_PARENT, 0755) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/*
 * Makes the group's directory below base_fd, or opens it where a twin hierarchy made it already.
 * The shared lock says "has an owner" to a sweeper; one that was faster took the group for a
 * leftover, in which case it is made again. An fd or -errno; -EEXIST when the name is taken.
 */
static int group_make_dir(const struct corral_cgroup_host *h, int base_fd, const char *prefix,
                          const char *name, bool twin)
{
	char path[GROUP_PATH_SIZE];
	int r = -ENOENT;

	(void)group_path(prefix, name, path);
	for (unsigned int turn = 0; turn < CORRAL_CGROUP_RETRIES_MAX; turn++) {
		corral_autofd int fd = -1;

		/* Nobody else may open it, as a lock on it means an owner. */
		if (!twin && mkdirat(base_fd, path, 0700) < 0) {
			r = -errno;
			if ((r != -ENOENT && r != -ENODEV) ||
			    strcmp(prefix, CORRAL_CGROUP_FLAT) == 0)
				return r;
			r = parent_make(h, base_fd);
			if (r < 0 && r != -ENOENT && r != -ENODEV)
				return r;
			continue;
		}
		fd = openat(base_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && (twin || flock(fd, LOCK_SH | LOCK_NB) == 0))
			return corral_take_fd(&fd);
		r = -errno;
		if (fd < 0 && r != -ENOENT) {
			if (!twin)
				(void)unlinkat(base_fd, path, AT_REMOVEDIR);
			return r;
		}
		if (fd >= 0) /* a sweeper holds it and removes it now, or we do */
			(void)unlinkat(base_fd, path, AT_REMOVEDIR);
	}
	return r;
}

static int join_add(struct corral_cgroup *c, int dir_fd, const char *file, struct corral_error *err)
{
	int fd = openat(dir_fd, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return corral_error_sys(err, errno, "cgroup %s: open %s", c->name, file);
	c->join_fd[c->n_join++] = fd;
	return 0;
}

static int v1_add(struct corral_cgroup *c, enum corral_cgroup_ctl ctl, bool join,
                  struct corral_error *err)
{
	const struct corral_cgroup_host *h = c->host;
	int fd = group_make_dir(h, h->v1_base[ctl], h->v1_prefix[ctl], c->name, h->v1_twin[ctl]);

	if (fd < 0)
		return corral_error_sys(err, -fd, "create cgroup %s on the %s hierarchy", c->name,
		                        corral_cgroup_ctl_names[ctl]);
	c->v1_fd[ctl] = fd;
	/* "tasks" and not "cgroup.procs": a thread that moves itself alone takes no global lock. */
	return h->v1_twin[ctl] || !join ? 0 : join_add(c, fd, "tasks", err);
}

/* The cpu hierarchy costs as much as the others together; most sandboxes need nothing from it. */
static bool needs_v1(const struct corral_cgroup_host *h, enum corral_cgroup_ctl ctl,
                     const struct corral_limits *l)
{
	if (h->ctl[ctl] != &corral_cgroup_v1_ops)
		return false;
	switch (ctl) {
	case CORRAL_CGROUP_MEMORY:
	case CORRAL_CGROUP_PIDS:
		return true;
	case CORRAL_CGROUP_CPU:
		return l->cpu_millis ||
		       (l->cpu_weight && l->cpu_weight != CORRAL_CGROUP_WEIGHT_USUAL);
	case CORRAL_CGROUP_FREEZER:
		return h->tree == &corral_cgroup_v1_ops;
	}
	return false;
}

static int limits_apply(struct corral_cgroup *c, const struct corral_limits *l,
                        struct corral_error *err)
{
	for (unsigned int i = 0; i < CORRAL_CGROUP_LIMITERS; i++) {
		int r = c->host->ctl[i] ? c->host->ctl[i]->limit[i](c, l, err) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* The v2 directory comes first: it is the one that makes the name ours and kills what follows. */
static int group_begin(struct corral_cgroup *c, const struct corral_limits *limits,
                       bool use_clone_into, struct corral_error *err)
{
	const struct corral_cgroup_host *h = c->host;

	if (h->v2_base >= 0) {
		c->v2_fd = group_make_dir(h, h->v2_base, h->v2_prefix, c->name, false);
		if (c->v2_fd < 0)
			return corral_error_sys(err, -c->v2_fd, "create cgroup %s on the v2 tree",
			                        c->name);
		if (!use_clone_into)
			return join_add(c, c->v2_fd, "cgroup.procs", err);
		return 0;
	}
	/* Without v2 the first hierarchy makes the name ours. */
	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++)
		if (needs_v1(h, i, limits))
			return v1_add(c, i, true, err);
	return 0;
}

static int group_complete(struct corral_cgroup *c, const struct corral_limits *limits,
                          struct corral_error *err)
{
	int r;

	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++) {
		if (!needs_v1(c->host, i, limits) || c->v1_fd[i] >= 0)
			continue;
		r = v1_add(c, i, true, err);
		if (r < 0)
			return r;
	}
	return limits_apply(c, limits, err);
}

/* One attempt at every directory; v2 last, since it is the one that can kill. 0 or the first error.
 */
static int group_remove(const struct corral_cgroup *c)
{
	const struct corral_cgroup_host *h = c->host;
	char path[GROUP_PATH_SIZE];
	int first = 0;

	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++) {
		if (c->v1_fd[i] < 0 || h->v1_twin[i])
			continue;
		(void)group_path(h->v1_prefix[i], c->name, path);
		if (unlinkat(h->v1_base[i], path, AT_REMOVEDIR) < 0 && errno != ENOENT && !first)
			first = -errno;
	}
	if (c->v2_fd >= 0 && !first &&
	    unlinkat(h->v2_base, group_path(h->v2_prefix, c->name, path), AT_REMOVEDIR) < 0 &&
	    errno != ENOENT)
		first = -errno;
	return first;
}

/* How many join files there will be once the group is complete. */
static unsigned int joins_count(const struct corral_cgroup *c, const struct corral_limits *l)
{
	unsigned int n = c->n_join;

	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++)
		n += needs_v1(c->host, i, l) && c->v1_fd[i] < 0 && !c->host->v1_twin[i];
	return n;
}

static int group_try(const struct corral_cgroup_host *h, const struct corral_limits *limits,
                     bool use_clone_into, bool whole, struct corral_cgroup *c,
                     struct corral_error *err)
{
	int r;

	group_empty(c);
	c->host = h;
	/* The counter is all that changes in a host; threads may share it. */
	corral_cgroup_name_format(c->name, sizeof(c->name), getpid(), h->opened_ms,
	                          atomic_fetch_add(&((struct corral_cgroup_host *)h)->serial, 1),
	                          h->salt);
	r = group_begin(c, limits, use_clone_into, err);
	if (r == 0 && whole)
		r = group_complete(c, limits, err);
	if (r < 0) {
		(void)group_remove(c);
		group_release(c);
	}
	return r;
}

static int group_open(const struct corral_cgroup_host *h, const struct corral_limits *limits,
                      bool use_clone_into, bool whole, struct corral_cgroup *ret,
                      struct corral_error *err)
{
	struct corral_cgroup c;
	int r = -EEXIST;

	if (h->kind == CORRAL_CGROUP_NONE)
		return corral_error_set(err, EOPNOTSUPP, "no control groups: %s", h->why[0]);
	for (unsigned int turn = 0; turn < CORRAL_CGROUP_RETRIES_MAX && r == -EEXIST; turn++)
		r = group_try(h, limits, use_clone_into, whole, &c, err);
	if (r < 0)
		return r;
	corral_trace(CORRAL_TRACE_CGROUP, "made %s, enforcing %#x", c.name, c.enforced);
	*ret = c;
	return 0;
}

int corral_cgroup_open(const struct corral_cgroup_host *h, const struct corral_limits *limits,
                       bool use_clone_into, struct corral_cgroup *ret, struct corral_error *err)
{
	return group_open(h, limits, use_clone_into, true, ret, err);
}

int corral_cgroup_begin(const struct corral_cgroup_host *h, const struct corral_limits *limits,
                        bool use_clone_into, struct corral_cgroup *ret, struct corral_error *err)
{
	int r = group_open(h, limits, use_clone_into, false, ret, err);

	if (r == 0)
		ret->n_joins_to_be = joins_count(ret, limits);
	return r;
}

int corral_cgroup_complete(struct corral_cgroup *c, const struct corral_limits *limits,
                           struct corral_error *err)
{
	return group_complete(c, limits, err);
}

int corral_cgroup_limit(struct corral_cgroup *c, const struct corral_limits *limits,
                        struct corral_error *err)
{
	/* The one hierarchy that a group may have been made without: its processes follow. */
	if (needs_v1(c->host, CORRAL_CGROUP_CPU, limits) && c->v1_fd[CORRAL_CGROUP_CPU] < 0) {
		int from = c->v2_fd, r;

		for (unsigned int i = 0; from < 0 && i < CORRAL_CGROUP_CTLS; i++)
			from = c->v1_fd[i];
		r = v1_add(c, CORRAL_CGROUP_CPU, true, err);
		if (r < 0)
			return r;
		r = from < 0 || c->host->v1_twin[CORRAL_CGROUP_CPU]
		            ? 0
		            : corral_cgroup_move(from, c->v1_fd[CORRAL_CGROUP_CPU]);
		if (r < 0)
			return corral_error_sys(err, -r, "cgroup %s: move to the cpu hierarchy",
			                        c->name);
	}
	return limits_apply(c, limits, err);
}

int corral_cgroup_oom_fd(const struct corral_cgroup *c, int *ret_fd, struct corral_error *err)
{
	corral_autofd int event = -1, control = -1;
	int dir_fd = c->v1_fd[CORRAL_CGROUP_MEMORY], r;
	char text[32];

	if (dir_fd < 0) {
		*ret_fd = -1;
		return 0;
	}
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return corral_error_sys(err, errno, "eventfd");
	control = openat(dir_fd, "memory.oom_control", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (control < 0)
		return corral_error_sys(err, errno, "cgroup %s: open memory.oom_control", c->name);
	(void)snprintf(text, sizeof(text), "%d %d", event, control);
	r = corral_cgroup_write(dir_fd, "cgroup.event_control", text);
	if (r < 0)
		return corral_error_sys(err, -r, "cgroup %s: watch memory.oom_control", c->name);
	*ret_fd = corral_take_fd(&event);
	return 0;
}

int corral_cgroup_read(const struct corral_cgroup *c, bool lasting, struct corral_cgroup_stats *ret,
                       struct corral_error *err)
{
	bool cpu = !lasting || (c->enforced & CORRAL_LIMIT_CPUS);
	struct corral_cgroup_stats s;

	(void)err;
	memset(&s, 0xff, sizeof(s)); /* every field UINT64_MAX */
	/* The v2 tree counts processor time with or without the controller. */
	if (c->v2_fd >= 0 && cpu)
		corral_cgroup_v2_ops.read[CORRAL_CGROUP_CPU](c, lasting, &s);
	for (unsigned int i = 0; i < CORRAL_CGROUP_LIMITERS; i++) {
		if (i == CORRAL_CGROUP_CPU && !cpu)
			continue;
		if (c->host->ctl[i] == &corral_cgroup_v1_ops ||
		    (c->host->ctl[i] && i != CORRAL_CGROUP_CPU))
			c->host->ctl[i]->read[i](c, lasting, &s);
	}
	*ret = s;
	return 0;
}

int corral_cgroup_freeze(const struct corral_cgroup *c, bool frozen, unsigned int timeout_ms,
                         struct corral_error *err)
{
	return c->host->tree->freeze(c, frozen, timeout_ms, err);
}

int corral_cgroup_kill(const struct corral_cgroup *c, struct corral_error *err)
{
	return c->host->tree->kill(c, err);
}

int corral_cgroup_populated(const struct corral_cgroup *c, struct corral_error *err)
{
	return c->host->tree->populated(c, err);
}

/*
 * What the tree's own kill cannot reach: a process that entered one hierarchy and died, or was
 * stopped, on its way to the next.
 */
static void kill_stragglers(const struct corral_cgroup *c)
{
	for (unsigned int i = 0; i < CORRAL_CGROUP_CTLS; i++)
		if (c->v1_fd[i] >= 0)
			(void)corral_cgroup_kill_listed(c->v1_fd[i]);
}

/*
 * Removing first and asking later: after an orderly end the group is empty, and rmdir answers that
 * question race-free. EBUSY lasts for an instant after the last process was reaped, too.
 */
int corral_cgroup_close(struct corral_cgroup *c, unsigned int timeout_ms, struct corral_error *err)
{
	int64_t deadline;
	unsigned int pause_usec = 50;
	int r;

	if (!c->host)
		return 0;
	r = group_remove(c);
	deadline = r == -EBUSY ? corral_cgroup_now_usec() + (int64_t)timeout_ms * 1000 : 0;
	for (bool first = true; r == -EBUSY; first = false) {
		(void)corral_cgroup_kill(c, NULL);
		if (!first)
			kill_stragglers(c);
		c->host->tree->wait(c, pause_usec);
		r = group_remove(c);
		if (r == -EBUSY && corral_cgroup_now_usec() >= deadline)
			r = -ETIMEDOUT;
		if (pause_usec < 10000)
			pause_usec *= 2;
	}
	group_release(c);
	c->host = NULL;
	if (r == -ETIMEDOUT)
		return corral_error_set(
		        err, ETIMEDOUT,
		        "cgroup %s: still has processes %u ms after they were killed", c->name,
		        timeout_ms);
	if (r < 0)
		return corral_error_sys(err, -r, "remove cgroup %s", c->name);
	return 0;
}
