/* Way out: overlayfs and fuse carry setuid bits and file capabilities out of a user namespace
   (CVE-2023-0386, CVE-2021-3493, CVE-2023-2640). */
/* Stopped by: no mount, no file capability to be set, nosuid and nodev on every mount. */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int all_mounts_are_nosuid(void)
{
	char text[65536], *line, *rest = text;

	if (read_text("/proc/self/mounts", text, sizeof(text)) < 0)
		return untried("no /proc/self/mounts");
	while ((line = strsep(&rest, "\n"))) {
		char target[256], options[512];

		if (sscanf(line, "%*s %255s %*s %511s", target, options) != 2)
			continue;
		if (!strstr(options, "nosuid"))
			return escaped("%s is mounted without nosuid", target);
		if (!strstr(options, "nodev") && strncmp(target, "/dev", 4))
			return escaped("%s is mounted without nodev", target);
	}
	return HELD;
}

ESCAPE(overlay_setuid_copyup)
{
	struct vfs_ns_cap_data caps = { .magic_etc = VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE,
		                        .data = { { .permitted = ~0U } } };
	int fd = open("capable", O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	int r;

	(void)run;
	CHECK(refused("mount overlay", mount("overlay", "/tmp", "overlay", 0, "lowerdir=/usr:/etc"),
	              EPERM));
	CHECK(refused("mount fuse", mount("f", "/tmp", "fuse", 0, "fd=0,rootmode=40000"), EPERM));
	if (fd < 0)
		return untried("the workspace is not writable");
	r = refused("file capabilities",
	            fsetxattr(fd, "security.capability", &caps, sizeof(caps), 0), EPERM,
	            EOPNOTSUPP);
	unlink("capable");
	CHECK(r);
	return all_mounts_are_nosuid();
}
