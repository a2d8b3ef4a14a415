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
		struct rlimit limit, more;
		char what[32];

		if (getrlimit((__rlimit_resource_t)limits[i], &limit) < 0)
			return untried("no limit %d", limits[i]);
		if (limit.rlim_max == RLIM_INFINITY)
			return escaped("limit %d is infinite", limits[i]);
		more = limit;
		more.rlim_max++;
		snprintf(what, sizeof(what), "raising limit %d", limits[i]);
		/* For core the profile answers 0 and does nothing, since shells ask for it. */
		if (setrlimit((__rlimit_resource_t)limits[i], &more) < 0)
			CHECK(refused(what, -1, EPERM));
		if (getrlimit((__rlimit_resource_t)limits[i], &more) < 0 ||
		    more.rlim_max != limit.rlim_max)
			return escaped("%s worked", what);
	}
	return HELD;
}
