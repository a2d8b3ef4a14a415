/* Way out: CVE-2019-10063: TIOCSTI with bits above 32 set: the kernel drops them, the filter did
 * not. */
/* Stopped by: the seccomp profile compares the low half, EPERM. */
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2019_10063)
{
	long tty = own_terminal();

	(void)run;
	for (int bit = 32; bit < 64; bit++)
		CHECK(refused("TIOCSTI with a high bit",
		              syscall(SYS_ioctl, tty, TIOCSTI | (1UL << bit), "x"), EPERM));
	return HELD;
}
