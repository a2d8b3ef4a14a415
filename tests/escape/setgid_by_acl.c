/* Way out: a set-group-id program left in the workspace: the bit first, the group's execution after
 * it, by an ACL. */
/* Stopped by: the seccomp profile: EPERM for the bit, whoever may execute. The host looks after us.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define PROGRAM "left_behind"

/* posix_acl_xattr: version 2; owner rwx, group r-x, others r-x. No more than a mode, so it becomes
 * one. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entries[3];
} acl = { 2, { { 1, 7, ~0u }, { 4, 5, ~0u }, { 32, 5, ~0u } } };

ESCAPE(setgid_by_acl)
{
	struct stat st;
	int fd;

	(void)run;
	(void)umask(0);
	if (access(".", W_OK) < 0)
		return untried("the workspace is not writable");
	fd = open(PROGRAM, O_CREAT | O_WRONLY | O_CLOEXEC, 02745);
	if (fd >= 0 && setxattr(PROGRAM, "system.posix_acl_access", &acl, sizeof(acl), 0) == 0 &&
	    fstat(fd, &st) == 0 && (st.st_mode & 02010) == 02010)
		return escaped("%s has mode %o", PROGRAM, st.st_mode & 07777);
	CHECK(refused("open", fd, EPERM));
	CHECK(refused("mknod", mknod("node", S_IFREG | 02645, 0), EPERM));
	fd = open("plain", O_CREAT | O_WRONLY | O_CLOEXEC, 0645);
	return refused("fchmod", fchmod(fd, 02645), EPERM);
}
