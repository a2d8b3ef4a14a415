/* Way out: raise one's own limits again. */
/* Stopped by: hard limits that are not infinite, EPERM without CAP_SYS_RESOURCE on the host. */
#include <stdio.h>
#include <sys/resource.h>

#include "tests/escape/escape.h"

ESCAPE(rlimits_raised)
{
	static const int limits[] = { RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_CORE,
		                      RLIMIT_RTPRIO, RLIMIT_NICE,    RLIMIT_MSGQUEUE };

	(void)run;
	/* Of this process only: prlimit(2) on another may work, and it would then be changed. */
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit;
		char what[32];

		if (getrlimit((__rlimit_resource_t)limits[i], &limit) < 0)
			return untried("no limit %d", limits[i]);
		if (limit.rlim_max == RLIM_INFINITY)
			return escaped("limit %d is infinite", limits[i]);
		limit.rlim_max++;
		snprintf(what, sizeof(what), "raising limit %d", limits[i]);
		CHECK(refused(what, setrlimit((__rlimit_resource_t)limits[i], &limit), EPERM));
	}
	return HELD;
}
