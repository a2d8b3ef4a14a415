/*
 * What a live sandbox is asked beside its commands.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "kernel/disk.h"
#include "kernel/quota.h"
#include "kernel/sandbox_state.h"

#define FREEZE_MS 5000

bool corral_sandbox_is_alive(const struct corral_sandbox *s)
{
	struct pollfd pfd = { .fd = s->pidfd, .events = POLLIN };

	return s->pidfd >= 0 && poll(&pfd, 1, 0) == 0;
}

void corral_sandbox_kill_now(struct corral_sandbox *s)
{
	/* What is frozen dies of it, but not before it is let go where control groups are v1. */
	if (s->has_cgroup)
		(void)corral_cgroup_freeze(&s->cgroup, false, 0, NULL);
	corral_sandbox_kill_all(s);
}

int corral_sandbox_freeze(struct corral_sandbox *s, bool frozen, struct corral_error *err)
{
	if (!s->has_cgroup)
		return corral_error_set(err, EOPNOTSUPP,
		                        "a sandbox is frozen by its control group, and this host "
		                        "gives none (see corral doctor)");
	return corral_cgroup_freeze(&s->cgroup, frozen, FREEZE_MS, err);
}

void corral_sandbox_usage(struct corral_sandbox *s, struct corral_sandbox_usage *ret)
{
	struct corral_disk_usage disk;
	struct corral_quota quota;
	uint64_t free_bytes;

	memset(&ret->group, 0xff, sizeof(ret->group));
	if (s->has_cgroup)
		(void)corral_cgroup_read(&s->cgroup, false, &ret->group, NULL);
	ret->limits = s->limits;
	pthread_mutex_lock(&s->lock);
	free_bytes = s->scratch_free_bytes;
	pthread_mutex_unlock(&s->lock);
	ret->disk_bytes = UINT64_MAX;
	if (s->disk_fd >= 0 && corral_disk_usage(s->disk_fd, &disk) == 0 &&
	    disk.free_bytes <= s->limits.disk_bytes)
		ret->disk_bytes = s->limits.disk_bytes - disk.free_bytes;
	else if (s->disk_quota)
		ret->disk_bytes =
		        corral_quota_get(s->keep.fd, &quota, NULL) == 0 ? quota.bytes : UINT64_MAX;
	else if (s->limits.disk_bytes && free_bytes <= s->limits.disk_bytes)
		ret->disk_bytes = s->limits.disk_bytes - free_bytes;
}
