/* Way out: the caller's terminal, which the guest writes to, stopped for good, locked, or given
 * another line discipline. */
/* Stopped by: the seccomp profile, EPERM. */
#include <sys/ioctl.h>
#include <termios.h>

#include "tests/escape/escape.h"

ESCAPE(terminal_spoiled)
{
	int tty = own_terminal(), discipline = 2;

	(void)run;
	CHECK(refused("TIOCSETD", ioctl(tty, TIOCSETD, &discipline), EPERM));
	CHECK(refused("TIOCEXCL", ioctl(tty, TIOCEXCL), EPERM));
	return refused("TCXONC", ioctl(tty, TCXONC, TCOOFF), EPERM);
}
