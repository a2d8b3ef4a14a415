/* Way out: fanotify watches and blocks a whole mount or file system, the host's included. */
/* Stopped by: the seccomp profile, EPERM. */
#include <sys/fanotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(fanotify)
{
	(void)run;
	CHECK(refused("fanotify_init", fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, 0), EPERM));
	CHECK(refused("fanotify_init(REPORT_FID)", fanotify_init(FAN_REPORT_FID, 0), EPERM));
	return refused("fanotify_mark", syscall(SYS_fanotify_mark, -1, 0, 0, -1, NULL), EPERM);
}
