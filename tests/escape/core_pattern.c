/* Way out: core dumps: a pattern that starts a program on the host, and dumps that a host helper
 * reads. */
/* Stopped by: the pattern is read-only, RLIMIT_CORE is 0 or 1 for good (1: not into a pipe either).
 */
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
	/* The answer may be 0, since shells ask for it; what counts is the limit. */
	(void)setrlimit(RLIMIT_CORE, &limit);
	if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur > 1 || limit.rlim_max > 1)
		return escaped("cores of %llu bytes", (unsigned long long)limit.rlim_max);
	status = in_child(abort);
	if (status == -1 || !WIFSIGNALED(status))
		return untried("no child that dumps core");
	return WCOREDUMP(status) ? escaped("a core was dumped") : HELD;
}
