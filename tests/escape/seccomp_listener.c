/* Way out: a supervisor of the guest's own answers calls in place of ours, or hides them from us.
 */
/* Stopped by: the seccomp profile, EPERM for SECCOMP_FILTER_FLAG_NEW_LISTENER. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(seccomp_listener)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { .len = 1, .filter = &allow };

	(void)run;
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* A second listener in one chain of filters is EBUSY. */
	CHECK(refused("seccomp(NEW_LISTENER)",
	              syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	                      SECCOMP_FILTER_FLAG_NEW_LISTENER, &program),
	              EPERM, EBUSY));
	return refused("seccomp(NEW_LISTENER|TSYNC_ESRCH)",
	               syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	                       SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC |
	                               SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
	                       &program),
	               EPERM, EBUSY);
}
