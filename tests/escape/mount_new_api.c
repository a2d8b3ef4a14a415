/* Way out: the new mount calls, forgotten by denylists (CVE-2021-41133), and fsconfig's overflow
   (CVE-2022-0185). */
/* Stopped by: the seccomp profile for every one of them: EPERM, or ENOSYS for numbers it is older
 * than. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define OPEN_TREE_ATTR_NUMBER 467 /* Linux 6.15 */

ESCAPE(mount_new_api)
{
	long null[4] = { 0 };

	(void)run;
	CHECK(refused("fsopen", syscall(SYS_fsopen, "tmpfs", 0), EPERM, ENOSYS));
	CHECK(refused("fsconfig", syscall(SYS_fsconfig, -1, 0, NULL, NULL, 0), EPERM, ENOSYS));
	CHECK(refused("fsmount", syscall(SYS_fsmount, -1, 0, 0), EPERM, ENOSYS));
	CHECK(refused("fspick", syscall(SYS_fspick, AT_FDCWD, "/proc", 0), EPERM, ENOSYS));
	CHECK(refused("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1), EPERM, ENOSYS));
	CHECK(refused("move_mount", syscall(SYS_move_mount, -1, "", -1, "", 0), EPERM, ENOSYS));
	CHECK(refused("mount_setattr",
	              syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, null, sizeof(null)), EPERM,
	              ENOSYS));
	return refused("open_tree_attr",
	               syscall(OPEN_TREE_ATTR_NUMBER, AT_FDCWD, "/", 1, null, sizeof(null)), EPERM,
	               ENOSYS);
}
