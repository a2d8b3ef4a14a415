/*
 * A limit on what a directory of the host may hold, where its file system counts that: project
 * quotas of ext4 and XFS. What is made beneath belongs to the directory's project, whoever makes
 * it; so the guest, which may write files of any of its ids there, cannot leave it.
 */
#ifndef CORRAL_KERNEL_QUOTA_H
#define CORRAL_KERNEL_QUOTA_H

#include <stdint.h>

#include "kernel/base/error.h"

/*
 * Sets the limits (0: none) of the directory's project. One that has none yet is given a project of
 * its own, as are the directories right in it; what is deeper already is not counted. -EOPNOTSUPP,
 * with the reason as half a sentence, where the file system does not count or the caller may not
 * say. Takes CAP_SYS_ADMIN in the initial user namespace.
 */
int corral_quota_limit(int dir_fd, uint64_t bytes, uint64_t inodes, struct corral_error *err);

/* Whether that can be had there, without setting anything: 0, or as above. */
int corral_quota_possible(int dir_fd, struct corral_error *err);
/* -EOPNOTSUPP: a limit of that name, which was asked for and cannot be had, and what to do. */
int corral_quota_refuse(const char *limit_name, const struct corral_error *why,
                        struct corral_error *err);

/* Of the same project as `from_fd`: both then count towards one limit. For an empty directory. */
int corral_quota_join(int dir_fd, int from_fd, struct corral_error *err);

struct corral_quota {
	uint64_t bytes, bytes_limit; /* limit 0: none */
	uint64_t inodes, inodes_limit;
};
int corral_quota_get(int dir_fd, struct corral_quota *ret, struct corral_error *err);

#endif
