/* Way out: trace another process, and let it do what we may not. */
/* Stopped by: the seccomp profile, EPERM; PID 1 is not dumpable and has no privilege to give. */
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(ptrace_init)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)run, 1 };
	pid_t pid = getppid();

	CHECK(refused("ptrace(SEIZE, 1)", ptrace(PTRACE_SEIZE, 1, NULL, NULL), EPERM));
	CHECK(refused("ptrace(ATTACH, 1)", ptrace(PTRACE_ATTACH, 1, NULL, NULL), EPERM));
	CHECK(refused("ptrace(SEIZE, parent)", ptrace(PTRACE_SEIZE, pid, NULL, NULL), EPERM));
	CHECK(refused("ptrace(TRACEME)", ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM));
	CHECK(refused("process_vm_readv(1)", process_vm_readv(1, &local, 1, &remote, 1, 0), EPERM));
	return refused("process_vm_writev(1)", process_vm_writev(1, &local, 1, &remote, 1, 0),
	               EPERM);
}
