/* Way out: io_uring, a second world of system calls beside seccomp (CVE-2022-29582, CVE-2023-2598).
 */
/* Stopped by: the seccomp profile, EPERM for all three calls. */
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(io_uring_setup)
{
	struct io_uring_params params = { 0 };

	(void)run;
	CHECK(refused("io_uring_setup", syscall(SYS_io_uring_setup, 4, &params), EPERM));
	CHECK(refused("io_uring_enter", syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0), EPERM));
	return refused("io_uring_register", syscall(SYS_io_uring_register, -1, 0, NULL, 0), EPERM);
}
