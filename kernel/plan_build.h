/*
 * Inside the kernel: how a plan is made from a policy and facts, and what the launch finds in it.
 */
#ifndef CORRAL_KERNEL_PLAN_BUILD_H
#define CORRAL_KERNEL_PLAN_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/etc.h"
#include "kernel/host.h"
#include "kernel/init/wire.h"
#include "kernel/plan.h"
#include "policy/policy.h"

enum corral_id_scheme {
	CORRAL_ID_RANGE,  /* as root: a range of its own, entered last through a prepared namespace
	                   */
	CORRAL_ID_SINGLE, /* one id; a second namespace, entered last, locks the mounts */
	CORRAL_ID_SUBIDS, /* the caller's subordinate ids */
	CORRAL_ID_HOST,   /* the confined tier: no namespace at all, the caller's own ids */
};

struct corral_plan_facts {
	const struct corral_host *host;
	const struct corral_etc *etc;
	enum corral_id_scheme scheme;
	uint32_t base;       /* host id of the guest's 0, as seen where the root is built */
	unsigned int n_join; /* cgroup files to write oneself to */
	bool into_cgroup;    /* clone3 puts init into its v2 cgroup */
	bool has_cgroup;
	bool cgroup_pids;          /* and that counts processes */
	bool netns_ready;          /* a network namespace comes as a descriptor */
	const char *template_path; /* what a composed root begins with as a layer; NULL: each
	                              sandbox has a skeleton of its own, and the host's files */
	uint32_t template_has;     /* bit i: etc->bind[i] is in it, and need not be bound */
	bool one_thread;           /* the caller, whose end is seen by its thread's */
	bool launchpad; /* started from a mount namespace of one mount: host paths come as
	                   descriptors */
};

enum corral_slot_kind {
	CORRAL_SLOT_JOIN, /* cgroup file number `index` */
	CORRAL_SLOT_NETNS,
	CORRAL_SLOT_USERNS,
	CORRAL_SLOT_LEASE,  /* held by init as well, until it is gone */
	CORRAL_SLOT_IMAGE,  /* the same, of the policy's root */
	CORRAL_SLOT_SOURCE, /* a detached copy of host_path with attributes */
};

enum corral_slot_map {
	CORRAL_MAP_NONE,
	CORRAL_MAP_RANGE, /* id-mapped to the sandbox's range as it is */
	CORRAL_MAP_OWNER, /* the owner of host_path is the guest's user inside */
};

/* One descriptor that the launch opens and sends along, in this order. */
struct corral_slot {
	enum corral_slot_kind kind;
	unsigned int index;
	enum corral_slot_map map;
	bool recursive;
	uint64_t attr;
	const char *host_path; /* in the policy, or static */
	const char *label;     /* for messages: "--workspace", "--bind", "layer" */
};

struct corral_plan {
	struct corral_wire_launch *message; /* a mapping of its own, read-only once built */
	size_t map_size;
	uint64_t clone_flags;
	struct corral_slot slots[CORRAL_WIRE_FDS_MAX];
	unsigned int n_slots;
	uint32_t layers; /* set of enum corral_layer, if every step works */
};

/*
 * Pure: nothing is opened or looked at. -E2BIG when it does not fit one message; -EOPNOTSUPP when
 * the host cannot do what the policy needs, with the reason.
 */
int corral_plan_compile(const struct corral_policy *p, const struct corral_plan_facts *f,
                        struct corral_plan **ret, struct corral_error *err);

/*
 * Whether RLIMIT_NPROC, set to the limit itself, holds exactly what was asked for: nobody else's
 * processes count, and no control group counts them.
 */
bool corral_plan_limits_processes(const struct corral_plan_facts *f);

/* Whether RLIMIT_NPROC is set: it counts this sandbox's processes alone, or in the confined tier
 * all of the user's. */
bool corral_plan_counts_processes(const struct corral_plan_facts *f);

/* Which namespaces clone3 makes: known before the plan is compiled, which can wait until the child
 * is on its way. */
uint64_t corral_plan_clone_flags(const struct corral_policy *p, const struct corral_plan_facts *f);

/* The text at an offset of the plan's message; "" for 0. */
const char *corral_plan_text(const struct corral_plan *p, uint32_t offset);

/* A failed step as a sentence: what, on what, why, and the remedy. detail as guest init gave it.
 * Returns -code. */
int corral_plan_explain(const struct corral_plan *p, uint32_t step, int code, int detail,
                        struct corral_error *err);

#endif
