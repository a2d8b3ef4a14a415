/*
 * What a sandbox may do, as checked data: a configuration whose every value made sense. Pure: reads
 * the profile and the configuration, touches nothing of the host's state, needs no privileges.
 * Immutable once compiled; threads may share it.
 */
#ifndef CORRAL_POLICY_POLICY_H
#define CORRAL_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base/error.h"
#include "policy/config.h"
#include "policy/limits.h"
#include "policy/seccomp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is taken when nothing was asked for. */
#define CORRAL_WORK_DIR_DEFAULT "/workspace"
#define CORRAL_HOSTNAME_DEFAULT "corral"

struct corral_policy {
	bool rootfs_is_host; /* the host's /usr and a composed /etc; else rootfs_path */
	char *rootfs_path;
	/* The root of an image, which nobody changes as long as this is open: each of its
	 * sandboxes has it as well. */
	bool rootfs_is_image;
	int rootfs_lease_fd;
	char *workspace_path; /* NULL: empty, in memory */
	char *work_dir;       /* where the command starts and the workspace is */
	/* keep_path, layer_paths and workspace_path lie on a disk of their own, of a size that is
	 * the limit (kernel/disk.h): its root, by which these paths go. */
	bool has_disk;
	int disk_fd;
	char *keep_path;    /* what the sandbox changes outside of the workspace; NULL: in memory */
	char **layer_paths; /* frozen ones beneath it, the nearest first */
	size_t n_layers;
	bool keep_work_dir;  /* the work directory is kept as well */
	char *work_dir_base; /* beneath what is kept of it, on the host; NULL: nothing */
	bool bare_work_dir;  /* it is the root's own, and nothing is mounted on it */
	char *hostname;
	struct corral_config_mount *mounts; /* in the order in which they are made */
	size_t n_mounts;
	char **env; /* complete, NULL-terminated */
	size_t n_env;
	uint32_t guest_uid, guest_gid;
	uint32_t guest_groups[CORRAL_ACCOUNT_GROUPS_MAX]; /* beside guest_gid, in the sandbox's
	                                                     range */
	uint32_t n_groups;
	uint32_t n_groups_beyond; /* others, with numbers above the range */
	enum corral_network_mode network;
	bool network_pasta;
	char **allow; /* as corral_egress_compile() takes it */
	size_t n_allow;
	struct corral_publish *publish;
	size_t n_publish;
	enum corral_ids_mode ids;
	uint64_t caps; /* what stays, in the sandbox's own user namespace */
	struct corral_limits limits;
	uint32_t limits_asked;
	bool allow_weaker;
	struct corral_seccomp seccomp;
	unsigned int shares; /* holders beside the first, by several threads: not to be touched */
};

/*
 * cache_dir: for compiled seccomp profiles, NULL for none. -EINVAL with the place in the text:
 * "work_dir: not an absolute path". The caller frees the policy; the configuration may go before
 * it.
 */
int corral_policy_compile(const struct corral_config *c, const char *cache_dir,
                          struct corral_policy **ret, struct corral_error *err);
/* One more holder of the same policy, who frees it as well. */
const struct corral_policy *corral_policy_share(const struct corral_policy *p);
/*
 * Whether a sandbox made for one serves the other: alike in all but the environment, the workspace,
 * the limits that its control group has (memory, swap, processor) and those that the caller counts
 * (time, output), which it gets when it is handed out; and made of nothing else that may change on
 * the host between the making and the use (no directory bound, no root but the host's /usr or
 * an image's, no network).
 */
bool corral_policy_interchangeable(const struct corral_policy *a, const struct corral_policy *b);
/* Whether a control group has the same limits for both, that of processes aside. */
bool corral_limits_same_group(const struct corral_limits *a, const struct corral_limits *b);
/* Whether it takes more than the namespace: a helper that connects it (kernel/network/network.h).
 */
bool corral_policy_has_network(const struct corral_policy *p);
/* Takes NULL. */
void corral_policy_free(struct corral_policy *p);
/* For corral_auto(). */
static inline void corral_policy_freep(struct corral_policy **p)
{
	corral_policy_free(*p);
}

#ifdef __cplusplus
}
#endif

#endif
