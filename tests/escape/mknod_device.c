/* Way out: make a device node for the disk or the kernel's memory, and open it. */
/* Stopped by: no CAP_MKNOD in the host's user namespace, nodev on every mount, EPERM. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int cannot_make(const char *dir, mode_t type, unsigned int major_id, unsigned int minor_id)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/corral-node-%d", dir, (int)getpid());
	r = mknod(path, type | 0600, makedev(major_id, minor_id));
	if (r == 0)
		unlink(path);
	return refused(path, r, EPERM, EACCES, EROFS);
}

ESCAPE(mknod_device)
{
	static const char *const dirs[] = { ".", "/tmp", "/dev", "/" };

	(void)run;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		CHECK(cannot_make(dirs[i], S_IFCHR, 1, 1));
		CHECK(cannot_make(dirs[i], S_IFCHR, 10, 229));
		CHECK(cannot_make(dirs[i], S_IFBLK, 8, 0));
		CHECK(cannot_make(dirs[i], S_IFBLK, 254, 0));
	}
	return HELD;
}
