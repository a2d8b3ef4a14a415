/* Way out: core dumps: a pattern that starts a program on the host, and dumps that a host helper
 * reads. */
/* Stopped by: the pattern is read-only, RLIMIT_CORE is 0 for good. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/escape/escape.h"

ESCAPE(core_pattern)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	int status;

	(void)run;
	CHECK(cannot_open("/proc/sys/kernel/core_pattern", O_WRONLY));
	CHECK(cannot_open("/proc/sys/kernel/core_pipe_limit", O_WRONLY));
	CHECK(refused("setrlimit(CORE)", setrlimit(RLIMIT_CORE, &limit), EPERM));
	status = in_child(abort);
	if (status == -1 || !WIFSIGNALED(status))
		return untried("no child that dumps core");
	return WCOREDUMP(status) ? escaped("a core was dumped") : HELD;
}
