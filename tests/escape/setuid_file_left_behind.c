/* Way out: a setuid-root program left in the workspace, for an accomplice on the host to start. */
/* Stopped by: the seccomp profile: EPERM for the bits, by whichever call. The host looks after us.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define FCHMODAT2_NUMBER 452
#define PROGRAM          "left_behind"

/* The kernel takes 16 bits of a mode, a filter sees 64. */
static const unsigned long modes[] = { 04755, 02755, 06755, 04755 | 1ul << 16, 04755 | 1ul << 40 };

static int cannot_set(int fd, unsigned long mode)
{
	char text[64];

	snprintf(text, sizeof(text), "mode 0%lo", mode);
	CHECK(refused(text, syscall(SYS_fchmod, fd, mode), EPERM));
	CHECK(refused(text, syscall(SYS_fchmodat, AT_FDCWD, PROGRAM, mode), EPERM));
	CHECK(refused(text, syscall(FCHMODAT2_NUMBER, AT_FDCWD, PROGRAM, mode, 0), EPERM, ENOSYS));
	CHECK(refused(text, syscall(SYS_mknodat, AT_FDCWD, "node", S_IFREG | mode, 0), EPERM));
	CHECK(refused(text, syscall(SYS_openat, AT_FDCWD, "new", O_CREAT | O_WRONLY, mode), EPERM));
#ifdef SYS_chmod
	CHECK(refused(text, syscall(SYS_chmod, PROGRAM, mode), EPERM));
	CHECK(refused(text, syscall(SYS_open, "new", O_CREAT | O_WRONLY, mode), EPERM));
	CHECK(refused(text, syscall(SYS_creat, "new", mode), EPERM));
	CHECK(refused(text, syscall(SYS_mknod, "node", S_IFREG | mode, 0), EPERM));
#endif
	return refused(text, syscall(SYS_openat, AT_FDCWD, ".", O_TMPFILE | O_WRONLY, mode), EPERM);
}

ESCAPE(setuid_file_left_behind)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(PROGRAM, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755);

	(void)run;
	if (from < 0 || to < 0)
		return untried("the workspace is not writable");
	while (sendfile(to, from, NULL, 1 << 20) > 0)
		continue;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		CHECK(cannot_set(to, modes[i]));
	return HELD;
}
