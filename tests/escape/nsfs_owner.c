/* Way out: ask a namespace for its parent or owner, and get a descriptor of the host's
 * (ioctl_ns(2)). */
/* Stopped by: the kernel: EPERM beyond one's own namespace; or the seccomp profile. */
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(nsfs_owner)
{
	int user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	int pid = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);

	(void)run;
	if (user < 0 || pid < 0)
		return untried("no /proc/self/ns");
	CHECK(refused("parent user namespace", ioctl(user, NS_GET_PARENT), EPERM));
	return refused("parent pid namespace", ioctl(pid, NS_GET_PARENT), EPERM);
}
