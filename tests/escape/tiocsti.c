/* Way out: TIOCSTI types into a terminal as if its user had (CVE-2017-5226). */
/* Stopped by: the seccomp profile, EPERM; behind it a terminal of the sandbox's own. */
#include <sys/ioctl.h>

#include "tests/escape/escape.h"

ESCAPE(tiocsti)
{
	int tty = own_terminal();

	(void)run;
	CHECK(refused("TIOCSTI", ioctl(tty, TIOCSTI, "x"), EPERM));
	CHECK(refused("TIOCSTI on stdin", ioctl(0, TIOCSTI, "x"), EPERM));
	return refused("TIOCCONS", ioctl(tty, TIOCCONS), EPERM);
}
