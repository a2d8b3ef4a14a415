/* Way out: perf_event_open, kernel bugs and a view of other programs' timing. */
/* Stopped by: the seccomp profile, EPERM. */
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(perf_event)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	(void)run;
	return refused("perf_event_open", syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0), EPERM);
}
