/* Way out: CVE-2022-0492: a user and cgroup namespace, then a cgroup v1 mount, then release_agent.
 */
/* Stopped by: the seccomp profile refuses both namespaces and the mount; no cgroupfs is in sight.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2022_0492)
{
	(void)run;
	CHECK(refused("unshare(USER|CGROUP)", unshare(CLONE_NEWUSER | CLONE_NEWCGROUP), EPERM));
	CHECK(refused("mount cgroup", mount("cgroup", "/tmp", "cgroup", 0, "memory"), EPERM));
	CHECK(refused("mount cgroup2", mount("cgroup", "/tmp", "cgroup2", 0, NULL), EPERM));
	return cannot_open("/sys/fs/cgroup/memory/release_agent", O_WRONLY);
}
