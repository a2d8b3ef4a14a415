/* Way out: the emergency keys: reboot, kill all, crash, for whoever may write the trigger. */
/* Stopped by: /proc/sysrq-trigger is read-only, and the guest's root is not the host's. */
#include <fcntl.h>

#include "tests/escape/escape.h"

ESCAPE(sysrq)
{
	(void)run;
	CHECK(cannot_open("/proc/sysrq-trigger", O_WRONLY));
	return cannot_open("/proc/sys/kernel/sysrq", O_WRONLY);
}
