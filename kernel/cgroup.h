/*
 * Control groups behind one interface, whatever this host has: v2, v1, or both side by side
 * (controllers on v1, an empty v2 tree). A group is made from limits, entered by the sandbox's
 * first process, read for statistics, frozen, killed and removed. Only groups made here are ever
 * touched.
 *
 * Where: as root below "corral" at the root of each hierarchy, or below the caller's own cgroup
 * when that is all it may write; without root below a delegated cgroup (systemd's user scope). The
 * "no internal processes" rule of v2 (cgroups(7)) is met by leaves of our own.
 */
#ifndef CORRAL_KERNEL_CGROUP_H
#define CORRAL_KERNEL_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel/base/error.h"
#include "policy/limits.h"

#ifdef __cplusplus
extern "C" {
#endif

enum corral_cgroup_kind {
	CORRAL_CGROUP_NONE, /* nothing that we may write */
	CORRAL_CGROUP_V1,
	CORRAL_CGROUP_V2,
	CORRAL_CGROUP_HYBRID, /* controllers on v1; kill, freeze and CLONE_INTO_CGROUP by v2 */
};

/* What this host offers to this caller: found once per process, immutable, shared by threads. */
struct corral_cgroup_host;

/*
 * Looks at /proc/self/cgroup and /proc/self/mountinfo and tries what it finds. Succeeds with
 * CORRAL_CGROUP_NONE where nothing is writable; reason (below) then says why and what would mend
 * it.
 */
int corral_cgroup_host_open(struct corral_cgroup_host **ret, struct corral_error *err);
/*
 * Removes what killed owners left in our parent groups, where those were there before us: apart
 * from opening, so that it can be done while nobody waits. Once is enough.
 */
void corral_cgroup_host_sweep(struct corral_cgroup_host *h);
void corral_cgroup_host_close(struct corral_cgroup_host *h);
enum corral_cgroup_kind corral_cgroup_host_kind(const struct corral_cgroup_host *h);
/* The limits (MEMORY, MEMORY_SWAP, CPUS, CPU_WEIGHT, PIDS) that can be enforced here. */
uint32_t corral_cgroup_host_can(const struct corral_cgroup_host *h);
/* Why a limit of the set cannot be enforced and the line that mends it; static or owned by h; NULL
 * when it can. */
const char *corral_cgroup_host_reason(const struct corral_cgroup_host *h, enum corral_limit limit);

#define CORRAL_CGROUP_JOIN_MAX 6

struct corral_cgroup {
	const struct corral_cgroup_host *host; /* borrowed */
	char name[64];
	int v2_fd; /* directory on the v2 tree for CLONE_INTO_CGROUP and kill; -1 without */
	int v1_fd[CORRAL_CGROUP_JOIN_MAX]; /* directories on v1 hierarchies; -1 where unused */
	/*
	 * Files that the first process writes "0" to, from within (moves itself alone and so takes
	 * no global lock, where writing another's pid to cgroup.procs waits for an RCU grace
	 * period). Empty for pure v2 with CLONE_INTO_CGROUP.
	 */
	int join_fd[CORRAL_CGROUP_JOIN_MAX];
	unsigned int n_join;
	unsigned int n_joins_to_be; /* after corral_cgroup_begin(): what n_join will be */
	uint32_t enforced;          /* the limits that are set on it */
};

struct corral_cgroup_stats {
	uint64_t memory_bytes, memory_peak_bytes; /* UINT64_MAX: not known here */
	uint64_t cpu_usec, cpu_user_usec, cpu_system_usec, throttled_usec;
	uint64_t pids, pids_peak;
	uint64_t oom_kills;   /* processes killed because the group was out of memory */
	uint64_t pids_events; /* forks refused by the limit */
};

/*
 * Makes a group with these limits (0 = leave alone; swap follows memory). use_clone_into: whether
 * the caller will use v2_fd with CLONE_INTO_CGROUP; otherwise the v2 tree gets a join_fd too.
 * Limits this host cannot enforce are left out of `enforced`, which is the caller's to judge; any
 * other failure is an error and leaves nothing behind. Memory's out-of-memory kill takes the whole
 * group (v2: memory.oom.group; v1: the caller watches corral_cgroup_oom_fd and kills).
 */
int corral_cgroup_open(const struct corral_cgroup_host *h, const struct corral_limits *limits,
                       bool use_clone_into, struct corral_cgroup *ret, struct corral_error *err);

/*
 * The same in two halves, for a caller with something to do in between: what clone3 needs, and the
 * rest (limits and the other hierarchies). After a failed second half the group must be closed. How
 * many files there will be to join by is known after the first.
 */
int corral_cgroup_begin(const struct corral_cgroup_host *h, const struct corral_limits *limits,
                        bool use_clone_into, struct corral_cgroup *ret, struct corral_error *err);
int corral_cgroup_complete(struct corral_cgroup *c, const struct corral_limits *limits,
                           struct corral_error *err);

/* The same group with other limits; for a recycled or running sandbox. */
int corral_cgroup_limit(struct corral_cgroup *c, const struct corral_limits *limits,
                        struct corral_error *err);

/* v1 only: an eventfd that becomes readable when the group runs out of memory; -1 without an error
 * where the kernel kills the whole group itself. */
int corral_cgroup_oom_fd(const struct corral_cgroup *c, int *ret_fd, struct corral_error *err);

/*
 * lasting: only what is still to be seen when all is over, peaks and events, and processor time
 * held back where that is limited; a third of the files, and none that the kernel has to add up
 * first.
 */
int corral_cgroup_read(const struct corral_cgroup *c, bool lasting, struct corral_cgroup_stats *ret,
                       struct corral_error *err);

/* Freezes or thaws every process; returns when the kernel says so, -ETIMEDOUT after timeout_ms. */
int corral_cgroup_freeze(const struct corral_cgroup *c, bool frozen, unsigned int timeout_ms,
                         struct corral_error *err);

/*
 * SIGKILL to every process in the group, also to those forked meanwhile (v2: cgroup.kill;
 * before 5.14 and on v1: freeze, kill each, thaw, until empty). Does not wait for their end.
 */
int corral_cgroup_kill(const struct corral_cgroup *c, struct corral_error *err);

/* Whether any process is in the group: 1, 0 or -errno. */
int corral_cgroup_populated(const struct corral_cgroup *c, struct corral_error *err);

/*
 * Kills what is left, waits until the group is empty (at most timeout_ms), removes its directories
 * and closes its descriptors. -ETIMEDOUT when something would not die; the directories then stay,
 * and the next process that opens the host sweeps them.
 */
int corral_cgroup_close(struct corral_cgroup *c, unsigned int timeout_ms, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
