/*
 * One policy for many holders, and one sandbox for many policies.
 */
#include <string.h>

#include "policy/policy.h"

const struct corral_policy *corral_policy_share(const struct corral_policy *p)
{
	/* The count is all that changes in a policy. */
	(void)__atomic_fetch_add(&((struct corral_policy *)(uintptr_t)p)->shares, 1,
	                         __ATOMIC_RELAXED);
	return p;
}

bool corral_policy_has_network(const struct corral_policy *p)
{
	return p->network == CORRAL_NETWORK_BRIDGE || p->network == CORRAL_NETWORK_ALLOW ||
	       p->n_publish;
}

/* Limits that a sandbox need not be made with. */
#define ADOPTED                                                                        \
	((uint32_t)(CORRAL_LIMIT_TIMEOUT | CORRAL_LIMIT_OUTPUT | CORRAL_LIMIT_MEMORY | \
	            CORRAL_LIMIT_MEMORY_SWAP | CORRAL_LIMIT_CPUS | CORRAL_LIMIT_CPU_WEIGHT))

static bool same_seccomp(const struct corral_seccomp *a, const struct corral_seccomp *b)
{
	return a->n_insns == b->n_insns && !strcmp(a->digest, b->digest) &&
	       !memcmp(a->insns, b->insns, a->n_insns * sizeof(a->insns[0]));
}

bool corral_limits_same_group(const struct corral_limits *a, const struct corral_limits *b)
{
	return a->memory_bytes == b->memory_bytes && a->memory_swap_bytes == b->memory_swap_bytes &&
	       a->cpu_millis == b->cpu_millis && a->cpu_weight == b->cpu_weight;
}

/* Every field that is made into the sandbox is named, so that none is compared by its padding or
 * forgotten in silence; time and output are counted by the caller, and its group can be given other
 * limits. Not of processes: there are resource limits beneath that one. */
static bool same_limits(const struct corral_limits *a, const struct corral_limits *b)
{
	return a->pids == b->pids && a->disk_bytes == b->disk_bytes &&
	       a->disk_inodes == b->disk_inodes && a->file_size_bytes == b->file_size_bytes &&
	       a->open_files == b->open_files;
}

static bool self_contained(const struct corral_policy *p)
{
	return (p->rootfs_is_host || p->rootfs_is_image) && !p->keep_path && !p->has_disk &&
	       !p->n_mounts && p->network == CORRAL_NETWORK_NONE && !p->n_publish;
}

static bool same_root(const struct corral_policy *a, const struct corral_policy *b)
{
	if (a->rootfs_is_host || b->rootfs_is_host)
		return a->rootfs_is_host && b->rootfs_is_host;
	return !strcmp(a->rootfs_path, b->rootfs_path) && a->bare_work_dir == b->bare_work_dir;
}

static bool same_user(const struct corral_policy *a, const struct corral_policy *b)
{
	return a->guest_uid == b->guest_uid && a->guest_gid == b->guest_gid &&
	       a->n_groups == b->n_groups && a->n_groups_beyond == b->n_groups_beyond &&
	       !memcmp(a->guest_groups, b->guest_groups, a->n_groups * sizeof(a->guest_groups[0]));
}

bool corral_policy_interchangeable(const struct corral_policy *a, const struct corral_policy *b)
{
	if (!self_contained(a) || !self_contained(b))
		return false;
	return a == b ||
	       (same_root(a, b) && !strcmp(a->work_dir, b->work_dir) &&
	        !strcmp(a->hostname, b->hostname) && same_user(a, b) && a->ids == b->ids &&
	        a->caps == b->caps && same_limits(&a->limits, &b->limits) &&
	        ((a->limits_asked ^ b->limits_asked) & ~ADOPTED) == 0 &&
	        a->allow_weaker == b->allow_weaker && same_seccomp(&a->seccomp, &b->seccomp));
}
