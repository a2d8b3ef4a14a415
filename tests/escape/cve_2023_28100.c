/* Way out: CVE-2023-28100: TIOCLINUX pastes a selection into the console. */
/* Stopped by: the seccomp profile, EPERM, high bits or not. */
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2023_28100)
{
	long tty = own_terminal();
	char paste = 3;

	(void)run;
	CHECK(refused("TIOCLINUX", ioctl((int)tty, TIOCLINUX, &paste), EPERM));
	return refused("TIOCLINUX with a high bit",
	               syscall(SYS_ioctl, tty, TIOCLINUX | (1UL << 33), &paste), EPERM);
}
