/*
 * Runs on every launch, so it asks the kernel and reads almost nothing: a call that is there, given
 * arguments that cannot be right, says EINVAL, EBADF or ENOENT; one that is missing says ENOSYS,
 * and one that an outer seccomp filter refuses says ENOSYS or EPERM. Files under /proc cost ten
 * times as much as such a call; the only one read here is read by the privileged alone.
 */
#include "kernel/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "kernel/base/parse.h"
#include "kernel/base/trace.h"

/* Capabilities without which "root" is only a name: mounts, ids, ownership of layers. */
static const unsigned int needed_caps[] = { CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_CHOWN,
	                                    CAP_DAC_OVERRIDE };

/* A map of at least half of all ids is that of the first user namespace, or as good as it. */
#define FULL_ID_RANGE (UINT64_C(1) << 31)

static int parse_release(const char *release, struct corral_host *h)
{
	unsigned int *parts[] = { &h->kernel_major, &h->kernel_minor };

	for (size_t i = 0; i < CORRAL_COUNT(parts); i++) {
		unsigned int value = 0, digits = 0;

		for (; *release >= '0' && *release <= '9' && digits < 6; release++, digits++)
			value = value * 10 + (unsigned int)(*release - '0');
		if (!digits || (i == 0 && *release++ != '.'))
			return -EINVAL;
		*parts[i] = value;
	}
	return 0;
}

static bool at_least(const struct corral_host *h, unsigned int major, unsigned int minor)
{
	return h->kernel_major > major || (h->kernel_major == major && h->kernel_minor >= minor);
}

static bool has_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	for (size_t i = 0; i < CORRAL_COUNT(needed_caps); i++)
		if (!(data[CAP_TO_INDEX(needed_caps[i])].effective & CAP_TO_MASK(needed_caps[i])))
			return false;
	return true;
}

/* One number of "  0  0 4294967295"; moves *at behind it. */
static bool map_number(char **at, uint64_t *ret)
{
	char *start = *at + strspn(*at, " \t"), *end = start + strspn(start, "0123456789");
	bool more = *end != '\0';

	*end = '\0';
	*at = end + more;
	return corral_parse_u64(start, UINT32_MAX, ret, NULL) == 0;
}

static bool maps_all_ids(void)
{
	corral_autofd int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	char line[128], *at = line;
	uint64_t inside, outside, count;
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	if (n <= 0)
		return false;
	line[n] = '\0';
	return map_number(&at, &inside) && map_number(&at, &outside) && map_number(&at, &count) &&
	       inside == 0 && count >= FULL_ID_RANGE;
}

/* Whether a call that had to fail did so by itself, rather than for being absent or refused. */
static bool answered(long r)
{
	return r >= 0 || (errno != ENOSYS && errno != EPERM);
}

/* move_mount, fsopen and fsmount look for CAP_SYS_ADMIN first: without it EPERM is the kernel's. */
static bool answered_or_unprivileged(long r, bool privileged)
{
	return answered(r) || (!privileged && errno == EPERM);
}

static bool has_new_mount_api(bool privileged)
{
	return answered(syscall(SYS_open_tree, -1, "", 0)) &&
	       answered(syscall(SYS_fsconfig, -1, 0, NULL, NULL, 0)) &&
	       answered_or_unprivileged(syscall(SYS_move_mount, -1, "", -1, "", ~0U), privileged) &&
	       answered_or_unprivileged(syscall(SYS_fsopen, NULL, ~0U), privileged) &&
	       answered_or_unprivileged(syscall(SYS_fsmount, -1, ~0U, 0), privileged);
}

/*
 * A kernel that does not know the field answers E2BIG, since it is not zero; one that does finds
 * the descriptor out of range before it copies anything.
 */
static bool has_clone_into_cgroup(void)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .cgroup = UINT64_MAX };

	return syscall(SYS_clone3, &args, sizeof(args)) < 0 && errno == EINVAL;
}

static uint32_t find_features(const struct corral_host *h)
{
	struct seccomp_notif_sizes sizes;
	bool privileged = has_caps() && maps_all_ids();
	uint32_t features = CORRAL_HOST_USERNS;

	if (privileged)
		features |= CORRAL_HOST_PRIVILEGED;
	if (has_new_mount_api(privileged))
		features |= CORRAL_HOST_NEW_MOUNT_API;
	if (answered(syscall(SYS_mount_setattr, -1, "", 0, NULL, 0)))
		features |= CORRAL_HOST_MOUNT_SETATTR;
	if ((features & CORRAL_HOST_MOUNT_SETATTR) && at_least(h, 5, 19))
		features |= CORRAL_HOST_ID_MAPPED;
	if (has_clone_into_cgroup())
		features |= CORRAL_HOST_CLONE_INTO_CGROUP;
	if (answered(syscall(SYS_openat2, -1, "", NULL, 0)))
		features |= CORRAL_HOST_OPENAT2;
	/* The flag as well, which an outer filter may refuse by itself: a kernel that has it looks
	 * at the filter next. */
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 &&
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, NULL) <
	            0 &&
	    errno == EFAULT)
		features |= CORRAL_HOST_USER_NOTIF;
	if (h->landlock_abi > 0)
		features |= CORRAL_HOST_LANDLOCK;
	return features;
}

int corral_host_probe(struct corral_host *ret, struct corral_error *err)
{
	struct corral_host h = { 0 };
	struct utsname name;
	long abi;

	if (uname(&name) < 0)
		return corral_error_sys(err, errno, "ask the kernel for its version");
	if (parse_release(name.release, &h) < 0)
		return corral_error_set(err, EINVAL, "kernel version '%s' has no number",
		                        name.release);
	h.uid = geteuid();
	h.gid = getegid();
	abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	h.landlock_abi = abi > 0 ? (int)abi : 0;
	h.features = find_features(&h);
	corral_trace(CORRAL_TRACE_HOST, "Linux %u.%u, uid %u, features %#x, Landlock ABI %d",
	             h.kernel_major, h.kernel_minor, h.uid, h.features, h.landlock_abi);
	*ret = h;
	return 0;
}
