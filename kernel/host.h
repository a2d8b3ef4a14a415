/*
 * What this machine can do for this caller. Found by doing, once per process, and cheaply: the
 * facts that a launch needs. The thorough look, with reasons and remedies, is corral_doctor_run()
 * in kernel/doctor.h.
 */
#ifndef CORRAL_KERNEL_HOST_H
#define CORRAL_KERNEL_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum corral_host_feature {
	CORRAL_HOST_NEW_MOUNT_API = 1u << 0,     /* open_tree, move_mount, fsopen (5.2) */
	CORRAL_HOST_MOUNT_SETATTR = 1u << 1,     /* 5.12 */
	CORRAL_HOST_ID_MAPPED = 1u << 2,         /* MOUNT_ATTR_IDMAP below an overlay (5.19) */
	CORRAL_HOST_CLONE_INTO_CGROUP = 1u << 3, /* 5.7 */
	CORRAL_HOST_OPENAT2 = 1u << 4,    /* 5.6; may be refused by an outer seccomp filter */
	CORRAL_HOST_USER_NOTIF = 1u << 5, /* SECCOMP_FILTER_FLAG_NEW_LISTENER (5.0) */
	CORRAL_HOST_LANDLOCK = 1u << 6,   /* landlock_abi > 0 */
	CORRAL_HOST_PRIVILEGED =
	        1u << 7, /* CAP_SYS_ADMIN, SETUID, SETGID in the first user namespace */
	CORRAL_HOST_USERNS = 1u << 8, /* may make user namespaces */
};

struct corral_host {
	uint32_t features;
	int landlock_abi;
	uint32_t uid, gid;
	unsigned int kernel_major, kernel_minor;
};

int corral_host_probe(struct corral_host *ret, struct corral_error *err);

#ifdef __cplusplus
}
#endif

#endif
