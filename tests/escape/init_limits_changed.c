/* Way out: squeeze PID 1 by limits or priority, so that it can no longer do what it has to. */
/* Stopped by: PID 1 has other ids than the guest, or the seccomp profile refuses another's pid. */
#include <sys/resource.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(init_limits_changed)
{
	struct rlimit limit = { 0, 0 };

	(void)run;
	/* What it has is what it gets: nothing changes where this works. */
	CHECK(refused("prlimit(1)", prlimit(1, RLIMIT_NOFILE, NULL, &limit), EPERM, EACCES));
	return refused("prlimit(1, same)", prlimit(1, RLIMIT_NOFILE, &limit, NULL), EPERM, EACCES);
}
