/* Way out: file handles name any inode of a file system, the host's root included ("Shocker"),
   and namespaces (CVE-2026-43391). */
/* Stopped by: the seccomp profile, EPERM; behind it no CAP_DAC_READ_SEARCH on the host. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(shocker_open_by_handle)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} root = { .handle = { .handle_bytes = 8, .handle_type = 1 } };
	int mount_id;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int workspace = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)run;
	root.handle.f_handle[0] = 2; /* the root of ext4, by number */
	CHECK(refused("open_by_handle_at(inode 2)",
	              open_by_handle_at(workspace, &root.handle, O_RDONLY), EPERM));
	root.handle.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(fd, "", &root.handle, &mount_id, AT_EMPTY_PATH) == 0)
		CHECK(refused("open_by_handle_at(/)", open_by_handle_at(fd, &root.handle, O_RDONLY),
		              EPERM));
	return HELD;
}
