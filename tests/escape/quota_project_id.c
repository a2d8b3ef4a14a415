/* Way out: leave the project whose quota limits this directory, or change the quota itself. */
/* Stopped by: the seccomp profile: EPERM for quotactl and for FS_IOC_FSSETXATTR. */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(quota_project_id)
{
	char path[] = "./corral-project-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	struct fsxattr attr = { .fsx_projid = 4711 };
	int r;

	(void)run;
	unlink(path);
	if (fd < 0)
		return untried("no writable directory");
	r = refused("ioctl(FS_IOC_FSSETXATTR)", ioctl(fd, FS_IOC_FSSETXATTR, &attr), EPERM);
	close(fd);
	CHECK(r);
	CHECK(refused("quotactl", syscall(SYS_quotactl, QCMD(Q_SYNC, 0), NULL, 0, NULL), EPERM));
#ifdef SYS_quotactl_fd
	CHECK(refused("quotactl_fd", syscall(SYS_quotactl_fd, -1, 0, 0, NULL), EPERM, ENOSYS));
#endif
	return HELD;
}
