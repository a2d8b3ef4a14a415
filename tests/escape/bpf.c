/* Way out: bpf(2), the largest source of local privilege escalations. */
/* Stopped by: the seccomp profile, EPERM, whatever the sysctl says about unprivileged users. */
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(bpf)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 4,
		.max_entries = 1,
	};

	(void)run;
	/* A command that no kernel knows: without the filter it is EINVAL, or EPERM by the sysctl.
	 */
	CHECK(refused("bpf(no such command)", syscall(SYS_bpf, 9999, &attr, sizeof(attr)), EPERM));
	return refused("bpf(BPF_MAP_CREATE)", syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)),
	               EPERM);
}
