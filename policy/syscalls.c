#include "policy/syscalls.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/base/cleanup.h"

/*
 * Numbers are the same on every architecture from 424 on. Up to Linux 6.18; where libseccomp knows
 * a name as well, its answer comes first.
 */
static const struct {
	uint16_t nr;
	const char *name;
} newer[] = {
#if CORRAL_NATIVE_HAS_X32
	{ 335, "uretprobe" },
	{ 336, "uprobe" },
#endif
	{ 450, "set_mempolicy_home_node" },
	{ 451, "cachestat" },
	{ 452, "fchmodat2" },
	{ 453, "map_shadow_stack" },
	{ 454, "futex_wake" },
	{ 455, "futex_wait" },
	{ 456, "futex_requeue" },
	{ 457, "statmount" },
	{ 458, "listmount" },
	{ 459, "lsm_get_self_attr" },
	{ 460, "lsm_set_self_attr" },
	{ 461, "lsm_list_modules" },
	{ 462, "mseal" },
	{ 463, "setxattrat" },
	{ 464, "getxattrat" },
	{ 465, "listxattrat" },
	{ 466, "removexattrat" },
	{ 467, "open_tree_attr" },
	{ 468, "file_getattr" },
	{ 469, "file_setattr" },
};

/* Calls of other architectures that libseccomp does not know either. */
static const char *const foreign[] = { "riscv_hwprobe", "uretprobe", "uprobe" };

int corral_syscall_number(const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr >= 0)
		return nr < (int)CORRAL_SYSCALLS_MAX ? nr : -EOPNOTSUPP;
	if (nr != __NR_SCMP_ERROR)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < CORRAL_COUNT(newer); i++)
		if (strcmp(newer[i].name, name) == 0)
			return newer[i].nr;
	for (size_t i = 0; i < CORRAL_COUNT(foreign); i++)
		if (strcmp(foreign[i], name) == 0)
			return -EOPNOTSUPP;
	return -ENOENT;
}

bool corral_syscall_name(uint32_t nr, char *name, size_t size)
{
	corral_autofree char *found = NULL;

	if (nr >= CORRAL_SYSCALLS_MAX)
		return false;
	found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
	if (found) {
		(void)snprintf(name, size, "%s", found);
		return true;
	}
	for (size_t i = 0; i < CORRAL_COUNT(newer); i++) {
		if (newer[i].nr == nr) {
			(void)snprintf(name, size, "%s", newer[i].name);
			return true;
		}
	}
	return false;
}
