/* Way out: calls that govern the whole host: swap, accounting, reboot, quotas, ports, kernel log.
 */
/* Stopped by: the seccomp profile and no capability, EPERM. */
#include <sys/io.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define SYSLOG_SIZE_BUFFER 10
#define SYSLOG_READ_ALL    3

ESCAPE(swapon_acct_reboot)
{
	char text[64];

	(void)run;
	/* Paths and magic numbers that do nothing for those who may. */
	CHECK(refused("swapon", swapon("/no/such/file", 0), EPERM));
	CHECK(refused("swapoff", swapoff("/no/such/file"), EPERM));
	CHECK(refused("acct", acct("/no/such/file"), EPERM));
	CHECK(refused("reboot", syscall(SYS_reboot, 1, 2, 3, NULL), EPERM));
#if defined(__x86_64__)
	CHECK(refused("ioperm", ioperm(0x80, 1, 1), EPERM));
	CHECK(refused("iopl", iopl(3), EPERM));
#endif
	CHECK(refused("vhangup", syscall(SYS_vhangup), EPERM));
	CHECK(refused("syslog(SIZE_BUFFER)", syscall(SYS_syslog, SYSLOG_SIZE_BUFFER, NULL, 0),
	              EPERM));
	return refused("syslog(READ_ALL)", syscall(SYS_syslog, SYSLOG_READ_ALL, text, sizeof(text)),
	               EPERM);
}
