/*
 * Inside the kernel: what a launcher holds between sandboxes, and what it lends to one. The public
 * face is in kernel/sandbox.h.
 */
#ifndef CORRAL_KERNEL_LAUNCHER_H
#define CORRAL_KERNEL_LAUNCHER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/cgroup.h"
#include "kernel/etc.h"
#include "kernel/host.h"
#include "kernel/ids.h"
#include "kernel/network/network.h"
#include "kernel/plan_build.h"
#include "kernel/sandbox.h"
#include "kernel/template.h"

#define CORRAL_POOL_SIZE  8
#define CORRAL_WIPE_QUEUE 32

/* Networks that are connected ahead, as long as somebody asked for one in the last minute. */
#define CORRAL_CONNECTED_SIZE   4
#define CORRAL_CONNECTED_AGE_MS 60000

#define CORRAL_WARM_POLICIES  4
#define CORRAL_WARM_SANDBOXES 4
/* A sandbox shows the host as it was when it was made: libraries, their cache, certificates. */
/* A host's /etc is seen as it was at most so long ago. */
#define CORRAL_TEMPLATE_AGE_MS 1000

#define CORRAL_WARM_AGE_MS   60000
#define CORRAL_WARM_RETRY_MS 5000

/* Sandboxes made ahead for one policy. Under the launcher's lock. */
struct corral_warm {
	const struct corral_policy *policy;                  /* a share of ours; NULL: unused */
	struct corral_sandbox *boxes[CORRAL_WARM_SANDBOXES]; /* the oldest first */
	unsigned int n;
	uint64_t used_ms;
	uint64_t failed_ms; /* when the last could not be made; whoever opens one hears why */
};

/* A network namespace of CORRAL_NETWORK_BRIDGE, without published ports, that nobody has had. */
struct corral_connected {
	int netns_fd;
	struct corral_network network;
};

struct corral_launcher_template {
	struct corral_template template;
	struct corral_launcher_template *older;
};

struct corral_launcher {
	unsigned int flags;
	struct corral_host host;
	struct corral_cgroup_host *cgroups;
	struct corral_etc etc;
	char runtime_dir[128]; /* for the locks on id ranges and the template; "" without */
	/*
	 * What composed roots begin with: the newest first, NULL without. Those of a host that was
	 * different stay until the end, since sandboxes lie on them. In *template nothing changes
	 * but sources; that, and the list's head, under the lock.
	 */
	struct corral_launcher_template *templates;
	uint64_t template_ms; /* when the host was looked at last */
	int image_fd;         /* guest init, sealed */
	int launchpad_fd;     /* a mount namespace of one mount, or -1 */
	struct corral_network_helper *network;
	bool swept; /* with __atomic_*: what killed callers left in the control groups is gone */
	bool reset_oom; /* we are protected from the out-of-memory killer, and the guest must not be
	                 */

	/* The keeper thread of a pooled launcher makes ahead and wipes behind. */
	pthread_t keeper;
	bool has_keeper, stopping, netns_fail;
	pid_t owner; /* what is made ahead is this process's: a fork of it has copies of the
	                descriptors, and no keeper */
	pthread_mutex_t lock;
	pthread_cond_t work;
	int netns[CORRAL_POOL_SIZE];
	unsigned int n_netns;
	struct corral_connected connected[CORRAL_CONNECTED_SIZE];
	unsigned int n_connected;
	uint64_t bridged_ms; /* when one was asked for; 0: never, or the last try failed */
	struct corral_ids ids[CORRAL_POOL_SIZE];
	unsigned int n_ids;
	struct corral_warm warm[CORRAL_WARM_POLICIES];
	struct corral_pool pool; /* the counts alone */
	struct corral_sandbox *wipe[CORRAL_WIPE_QUEUE];
	unsigned int n_wipe;
};

#define CORRAL_LIMITS_BY_CGROUP                                               \
	(CORRAL_LIMIT_MEMORY | CORRAL_LIMIT_MEMORY_SWAP | CORRAL_LIMIT_CPUS | \
	 CORRAL_LIMIT_CPU_WEIGHT | CORRAL_LIMIT_PIDS)

bool corral_launcher_is_root(const struct corral_launcher *l);
/* There is a keeper, and this process is the one that it serves. */
bool corral_launcher_keeps(const struct corral_launcher *l);
/* Clears away what killed callers left in control groups, where no keeper does. For a moment in
 * which guest init and the other core are busy with a command. */
void corral_launcher_sweep_once(struct corral_launcher *l);

/* A leased range, from the pool or made now. */
int corral_launcher_take_ids(struct corral_launcher *l, struct corral_ids *ret,
                             struct corral_error *err);
int corral_launcher_take_netns(struct corral_launcher *l, int *ret_fd, struct corral_error *err);

/* One that is connected already, if p says no more than that; from now on more are made. False: it
 * has to be made. */
bool corral_launcher_take_connected(struct corral_launcher *l, const struct corral_policy *p,
                                    struct corral_connected *ret);

/* Hands a dead sandbox to the keeper; false when there is none or its queue is full, and the caller
 * must do it. */
bool corral_launcher_wipe_later(struct corral_launcher *l, struct corral_sandbox *s);

/* kernel/warm.c */
/* A sandbox that was made ahead for such a policy, or NULL; from now on more are made. */
struct corral_sandbox *corral_warm_take(struct corral_launcher *l, const struct corral_policy *p);
/*
 * For the keeper, with the lock held, which is let go meanwhile: makes one, or lets go of an old
 * one. False when there is nothing to do before *ret_wait_ms have passed (-1: ever).
 */
bool corral_warm_tend(struct corral_launcher *l, int *ret_wait_ms);
/* Lets go of all. Nobody else uses the launcher any more. */
void corral_warm_clear(struct corral_launcher *l);

/* kernel/launch.c: a sandbox for exactly this policy, behind every fence. */
int corral_sandbox_make(struct corral_launcher *l, const struct corral_policy *p,
                        struct corral_sandbox **ret);

/* kernel/sandbox.c: gives back what a sandbox held, and frees it. */
void corral_sandbox_wipe(struct corral_sandbox *s);

/* What is true of this launcher and this policy, for the compiler of plans. */
int corral_launcher_facts(struct corral_launcher *l, const struct corral_policy *p,
                          struct corral_plan_facts *ret, struct corral_error *err);

#endif
