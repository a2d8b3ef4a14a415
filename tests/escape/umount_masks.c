/* Way out: take away what masks /proc, make it writable again, or mount another one. */
/* Stopped by: the seccomp profile and no capability; the mounts belong to an outer user namespace.
 */
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(umount_masks)
{
	(void)run;
	CHECK(refused("umount /proc", umount2("/proc", MNT_DETACH), EPERM));
	CHECK(refused("umount /proc/sys", umount2("/proc/sys", MNT_DETACH), EPERM));
	CHECK(refused("umount /proc/kcore", umount2("/proc/kcore", MNT_DETACH), EPERM));
	CHECK(refused("remount /proc/sys rw",
	              mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM));
	CHECK(refused("mount proc", mount("proc", "/tmp", "proc", 0, NULL), EPERM));
	CHECK(refused("bind /proc", mount("/proc", "/tmp", NULL, MS_BIND | MS_REC, NULL), EPERM));
	CHECK(refused("make / shared", mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), EPERM));
	return refused("pivot_root", syscall(SYS_pivot_root, "/tmp", "/tmp"), EPERM);
}
