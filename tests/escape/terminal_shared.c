/* Way out: the caller's own terminal as controlling one: read its keys, signal its jobs. */
/* Stopped by: a session of its own: /dev/tty is no terminal, unless corral gave one. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(terminal_shared)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);

	(void)run;
	CHECK(refused("/dev/tty", fd, ENXIO, ENOENT, EACCES));
	return getsid(0) == 0 ? escaped("the session's leader is outside") : HELD;
}
