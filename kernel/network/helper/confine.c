#include "kernel/network/helper/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/base/cleanup.h"
#include "policy/seccomp_builtin.h"

#ifndef SECCOMP_FILTER_FLAG_TSYNC
#define SECCOMP_FILTER_FLAG_TSYNC (1ul << 0)
#endif

void corral_net_fds_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max < CORRAL_NET_FDS_MAX ? limit.rlim_max : CORRAL_NET_FDS_MAX;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Ways to have what was not relayed outlive a mistake: files, dumps, more processes. */
static int limits_set(void)
{
	static const int none[] = { RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_MEMLOCK,
		                    RLIMIT_MSGQUEUE };
	const struct rlimit zero = { 0, 0 };

	corral_net_fds_raise();
	for (size_t i = 0; i < CORRAL_COUNT(none); i++)
		if (setrlimit((__rlimit_resource_t)none[i], &zero) < 0)
			return -errno;
	return 0;
}

static int caps_drop(uint64_t caps)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) }
	};

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned int cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL)
			break; /* above the last one this kernel knows */
		/* An ordinary user's that has none to give away: no_new_privs keeps them from
		 * being gained. */
		if (errno != EPERM)
			return -errno;
		break;
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

/* Every access to a file, of as many kinds as this kernel can tell apart, and for none of them a
 * rule. From later headers than Debian 12's: access_net and scoped (landlock(7)). */
static int landlock_close(void)
{
	struct {
		uint64_t access_fs, access_net, scoped;
	} attr = { (1ull << 13) - 1, 0, 0 };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int fd, r;

	if (abi < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	if (abi >= 2)
		attr.access_fs |= 1ull << 13; /* LANDLOCK_ACCESS_FS_REFER */
	if (abi >= 3)
		attr.access_fs |= 1ull << 14; /* _TRUNCATE */
	if (abi >= 5)
		attr.access_fs |= 1ull << 15; /* _IOCTL_DEV */
	if (abi >= 6)
		attr.scoped = 1ull << 0; /* LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET */
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, abi >= 6 ? 24 : abi >= 4 ? 16 : 8, 0);
	if (fd < 0)
		return -errno;
	r = syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
	(void)close(fd);
	return r;
}

int corral_net_confine_thread(uint64_t caps, struct corral_error *err)
{
	int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (r == 0)
		r = limits_set();
	if (r == 0)
		r = landlock_close();
	if (r == 0)
		r = caps_drop(caps);
	return r < 0 ? corral_error_sys(err, -r, "confine the network's process") : 0;
}

int corral_net_confine(uint64_t caps, struct corral_error *err)
{
	const struct sock_fprog filter = {
		.len = corral_seccomp_relay_n,
		.filter = (struct sock_filter *)(uintptr_t)corral_seccomp_relay,
	};
	int r = corral_net_confine_thread(caps, err);

	if (r < 0)
		return r;
	/* A thread that cannot be synchronised is the call's result. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) != 0)
		return corral_error_sys(err, errno,
		                        "filter the system calls of the network's "
		                        "process");
	return 0;
}
