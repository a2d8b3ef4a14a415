/* Way out: a lease on a file of the host's: who opens it there waits for the guest, 45 seconds each
 * time. */
/* Stopped by: the seccomp profile, EPERM; the mount's map makes the guest's root its owner, which
 * is all that the kernel asks for. Argument: the file. */
#include <fcntl.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define F_SETDELEG_NUMBER 1040

ESCAPE(file_lease)
{
	const char *path = run->argc ? run->argv[0] : "/victims/file";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return untried("%s is not there", path);
	CHECK(refused("F_SETLEASE for writing", fcntl(fd, F_SETLEASE, F_WRLCK), EPERM));
	CHECK(refused("F_SETLEASE for reading", fcntl(fd, F_SETLEASE, F_RDLCK), EPERM));
	return refused("F_SETDELEG", fcntl(fd, F_SETDELEG_NUMBER, NULL), EPERM);
}
