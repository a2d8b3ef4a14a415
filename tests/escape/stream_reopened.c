/* Way out: a standard stream that is a file of the host's, opened anew with rights that it was not
 * given. */
/* Stopped by: a Landlock layer of each command's own, EACCES: the file lies not beneath the
 * sandbox's
 * "/". The guest's user is the file's owner on disk, which is all that the kernel asks for. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tests/escape/escape.h"

/* Landlock's ABI 3 came with Linux 6.2; before, README tells of what is left. */
static bool landlock_can_truncate(void)
{
	struct utsname u;
	unsigned int major = 0, minor = 0;

	return uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2 || major > 6 ||
	       (major == 6 && minor >= 2);
}

ESCAPE(stream_reopened)
{
	struct stat st;

	(void)run;
	if (fstat(0, &st) < 0 || !S_ISREG(st.st_mode))
		return untried("standard input is no file");
	CHECK(refused("open standard input for writing",
	              open("/proc/self/fd/0", O_WRONLY | O_CLOEXEC), EACCES));
	CHECK(refused("open standard input for both", open("/proc/self/fd/0", O_RDWR | O_CLOEXEC),
	              EACCES));
	if (landlock_can_truncate())
		CHECK(refused("open standard input and empty it",
		              open("/proc/self/fd/0", O_RDONLY | O_TRUNC | O_CLOEXEC), EACCES));
	if (fstat(2, &st) < 0 || !S_ISREG(st.st_mode))
		return untried("standard error is no file");
	CHECK(refused("read what was written before", open("/proc/self/fd/2", O_RDONLY | O_CLOEXEC),
	              EACCES));
	return refused("overwrite what was written before",
	               open("/proc/self/fd/2", O_WRONLY | O_CLOEXEC), EACCES);
}
