/* Way out: kernel addresses and other people's names in the kernel's log and tables. */
/* Stopped by: masked files of /proc, a minimal /dev, the seccomp profile. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/escape/escape.h"

ESCAPE(syslog_kernel_log)
{
	char text[4096];

	(void)run;
	CHECK(cannot_read("/proc/kmsg"));
	CHECK(cannot_open("/dev/kmsg", O_RDONLY));
	if (read_text("/proc/kallsyms", text, sizeof(text)) > 0 && strtoull(text, NULL, 16))
		return escaped("/proc/kallsyms shows addresses: %.40s", text);
	return HELD;
}
