/* Way out: userfaultfd makes kernel races winnable; by the call or by its device. */
/* Stopped by: the seccomp profile, EPERM; a minimal /dev. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(userfaultfd)
{
	(void)run;
	CHECK(refused("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC), EPERM));
	CHECK(refused("userfaultfd(USER_MODE_ONLY)",
	              syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY), EPERM));
	return cannot_open("/dev/userfaultfd", O_RDWR);
}
