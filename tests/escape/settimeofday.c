/* Way out: the clock is one for the whole host. */
/* Stopped by: no CAP_SYS_TIME, and the seccomp profile, EPERM. */
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(settimeofday)
{
	struct timex tick = { .modes = ADJ_TICK, .tick = 0 }; /* out of range for those who may */
	struct timespec now;

	(void)run;
	/* Neither time nor zone: nothing is set, the right is checked all the same. */
	CHECK(refused("settimeofday", syscall(SYS_settimeofday, NULL, NULL), EPERM));
	CHECK(refused("adjtimex", adjtimex(&tick), EPERM));
	CHECK(refused("clock_adjtime", clock_adjtime(CLOCK_REALTIME, &tick), EPERM));
	clock_gettime(CLOCK_REALTIME, &now);
	return refused("clock_settime", clock_settime(CLOCK_REALTIME, &now), EPERM);
}
