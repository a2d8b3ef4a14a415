/*
 * What happened, told plainly: the result of one command in a sandbox (design, section 4). Filled
 * by the kernel, printed as JSON by tools/. Plain data without pointers to free, so that it can be
 * copied.
 */
#ifndef CORRAL_KERNEL_RECEIPT_H
#define CORRAL_KERNEL_RECEIPT_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/cgroup.h"
#include "kernel/network/ledger.h"
#include "policy/limits.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why the command ended, in one word. */
enum corral_reason {
	CORRAL_REASON_EXIT,    /* by itself */
	CORRAL_REASON_SIGNAL,  /* by a signal that nobody of ours sent */
	CORRAL_REASON_TIMEOUT, /* limits.timeout_ms passed */
	CORRAL_REASON_OOM,     /* out of memory: the group died together */
	CORRAL_REASON_PIDS,    /* it failed, and forks had been refused */
	CORRAL_REASON_DISK,    /* it failed, and its writable space was full */
	CORRAL_REASON_OUTPUT,  /* more output than limits.output_bytes */
	CORRAL_REASON_KILLED,  /* the caller asked for it */
};
const char *corral_reason_name(enum corral_reason reason);

/* What contains it: one bit each, in the order in which receipts list them. */
enum corral_layer {
	CORRAL_LAYER_USER_NS = 1u << 0,
	CORRAL_LAYER_ID_RANGE = 1u << 1, /* a range of host ids that no other live sandbox has */
	CORRAL_LAYER_MOUNT_NS = 1u << 2,
	CORRAL_LAYER_PID_NS = 1u << 3,
	CORRAL_LAYER_IPC_NS = 1u << 4,
	CORRAL_LAYER_UTS_NS = 1u << 5,
	CORRAL_LAYER_CGROUP_NS = 1u << 6,
	CORRAL_LAYER_NET_NS = 1u << 7,
	CORRAL_LAYER_ROOT = 1u << 8, /* own root, the host's gone */
	CORRAL_LAYER_ID_MAPPED = 1u << 9,
	CORRAL_LAYER_MOUNTS_LOCKED = 1u << 10, /* mounts belong to an outer user namespace */
	CORRAL_LAYER_CAPS = 1u << 11,
	CORRAL_LAYER_NO_NEW_PRIVS = 1u << 12,
	CORRAL_LAYER_SECCOMP = 1u << 13,
	CORRAL_LAYER_LANDLOCK = 1u << 14,
	CORRAL_LAYER_CGROUP = 1u << 15,
	CORRAL_LAYER_RLIMITS = 1u << 16,
	CORRAL_LAYER_KEYRING = 1u << 17,
};
#define CORRAL_LAYER_COUNT 18
const char *corral_layer_name(enum corral_layer layer); /* "user-namespace", "seccomp", ... */

/* How much isolation the host allowed. Anything below FULL needs the caller's consent. */
enum corral_tier {
	CORRAL_TIER_FULL,     /* all namespaces, own root, seccomp */
	CORRAL_TIER_CONFINED, /* no namespaces to be had: Landlock, seccomp, rlimits in the caller's
	                         own */
	CORRAL_TIER_NONE,     /* a process of the caller's, by a backend that contains nothing */
	CORRAL_TIER_CONTAINER, /* a container of an engine's, which made it and answers for it */
};
const char *corral_tier_name(enum corral_tier tier);

/* Stages of a launch, each in microseconds of wall time. */
enum corral_stage {
	CORRAL_STAGE_PLAN,    /* configuration to plan */
	CORRAL_STAGE_PREPARE, /* cgroup, ids, namespaces made ahead */
	CORRAL_STAGE_CLONE,
	CORRAL_STAGE_INIT,    /* clone until guest init runs */
	CORRAL_STAGE_ROOT,    /* mounts and pivot_root */
	CORRAL_STAGE_CONFINE, /* ids, capabilities, Landlock, seccomp */
	CORRAL_STAGE_EXEC, /* until the command executes; with no_wait until its process is made */
	CORRAL_STAGE_RUN,  /* until its end */
	CORRAL_STAGE_KILL, /* until its tree was gone */
	CORRAL_STAGE_WIPE, /* cgroup, scratch, leases given back */
};
#define CORRAL_STAGE_COUNT 10
const char *corral_stage_name(enum corral_stage stage);

#define CORRAL_DENIALS_MAX 32

struct corral_denial {
	struct seccomp_data call; /* the first refused call of its kind */
	uint32_t error;           /* errno that the guest got */
	uint32_t count;
};

struct corral_receipt {
	enum corral_reason reason;
	int exit_code;  /* -1 when ended by a signal */
	int signal;     /* 0 when it exited */
	int exec_error; /* errno when the command could not be started: ENOENT, EACCES, ENOEXEC,
	                   ...; else 0 */
	enum corral_tier tier;
	uint32_t layers;          /* set of enum corral_layer */
	uint32_t network;         /* enum corral_network_mode */
	char address[46];         /* the sandbox's own in it; "" without */
	uint32_t limits_enforced; /* set of enum corral_limit */
	uint32_t limits_lost;     /* wanted by default, but this host cannot */
	uint64_t wall_usec, user_usec, system_usec;
	uint64_t memory_peak_bytes, pids_peak, written_bytes; /* UINT64_MAX: not known here */
	uint64_t oom_kills, pids_refused, throttled_usec;     /* the same */
	uint32_t struck; /* of disk and disk_inodes, which was used up at the end */
	uint64_t stage_usec[CORRAL_STAGE_COUNT];
	struct corral_denial denials[CORRAL_DENIALS_MAX];
	uint32_t n_denials;
	uint64_t denials_dropped; /* refused calls of further kinds, beyond the table */
	/* Under network "allow", since the last receipt of the same sandbox; NULL otherwise, and
	 * when what was counted could not be had. A receipt's own: corral_receipt_copy(), _done().
	 */
	struct corral_ledger *ledger;
	uint64_t output_bytes; /* as counted by the caller's pumps; 0 when streams passed straight
	                          through */
};

/* A copy with a ledger of its own, which is NULL when there is no memory for it. ret is written
 * over: what it held is the caller's to have given back. */
void corral_receipt_copy(const struct corral_receipt *r, struct corral_receipt *ret);
/* Frees what it holds, not itself; again is fine. */
void corral_receipt_done(struct corral_receipt *r);

#ifdef __cplusplus
}
#endif

#endif
