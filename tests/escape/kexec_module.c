/* Way out: load code into the kernel, or another kernel. */
/* Stopped by: the seccomp profile and no capability, EPERM. */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(kexec_module)
{
	(void)run;
	/* Nothing here would load anything: flags and images that are refused after the check. */
	CHECK(refused("init_module", syscall(SYS_init_module, "", 0, ""), EPERM));
	CHECK(refused("finit_module", syscall(SYS_finit_module, -1, "", 0), EPERM));
	CHECK(refused("delete_module", syscall(SYS_delete_module, "no_such", O_NONBLOCK), EPERM));
	CHECK(refused("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0x8000UL), EPERM));
	return refused("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 0x8000UL),
	               EPERM);
}
