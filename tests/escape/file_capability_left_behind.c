/* Way out: a program with file capabilities left in the workspace, for an accomplice on the host:
 * those that a namespace's root sets are stored as the owner's on disk, and where that is root the
 * host obeys them. */
/* Stopped by: no sandbox with CAP_SETFCAP and a writable directory of root's. The host looks after
 * us. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/xattr.h>

#include "tests/escape/escape.h"

#define PROGRAM "left_behind"

ESCAPE(file_capability_left_behind)
{
	/* VFS_CAP_REVISION_2 and effective; CAP_SETUID. */
	static const uint32_t caps[5] = { 0x02000001, 1u << 7, 0, 0, 0 };
	int fd = open(PROGRAM, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);

	(void)run;
	if (fd < 0)
		return untried("the workspace is not writable");
	return refused("security.capability",
	               setxattr(PROGRAM, "security.capability", caps, sizeof(caps), 0), EPERM);
}
