/* Way out: kernel parameters that hold for the whole host. */
/* Stopped by: /proc/sys is read-only; behind it they belong to the host's user namespace. */
#include <fcntl.h>
#include <stdio.h>

#include "tests/escape/escape.h"

ESCAPE(proc_sys_write)
{
	static const char *const names[] = {
		"kernel/modprobe",
		"kernel/hostname",
		"kernel/core_pattern",
		"kernel/randomize_va_space",
		"kernel/ns_last_pid",
		"kernel/domainname",
		"kernel/poweroff_cmd",
		"kernel/hotplug",
		"kernel/panic",
		"kernel/shmmax",
		"kernel/usermodehelper/bset",
		"vm/overcommit_memory",
		"vm/drop_caches",
		"fs/suid_dumpable",
		"fs/protected_symlinks",
		"fs/file-max",
		"fs/binfmt_misc/register",
		"net/ipv4/ip_forward",
		"net/core/somaxconn",
		"user/max_user_namespaces",
	};

	(void)run;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "/proc/sys/%s", names[i]);
		CHECK(cannot_open(path, O_WRONLY));
	}
	CHECK(cannot_open("/proc/sys/kernel/hostname", O_RDWR | O_TRUNC));
	CHECK(cannot_open("/proc/irq/default_smp_affinity", O_WRONLY));
	return cannot_open("/proc/bus/pci/00/00.0", O_WRONLY);
}
