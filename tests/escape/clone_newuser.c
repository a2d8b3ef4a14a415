/* Way out: new namespaces by clone give capabilities over kernel code that few have read. */
/* Stopped by: the seccomp profile: EPERM for namespace flags in clone, ENOSYS for clone3. */
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static long clone_with(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0L);

	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid((pid_t)pid, NULL, 0);
	return pid;
}

ESCAPE(clone_newuser)
{
	static const unsigned long flags[] = { CLONE_NEWUSER,  CLONE_NEWNS,  CLONE_NEWPID,
		                               CLONE_NEWNET,   CLONE_NEWIPC, CLONE_NEWUTS,
		                               CLONE_NEWCGROUP };
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	long pid;

	(void)run;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		char what[64];

		snprintf(what, sizeof(what), "clone(0x%lx)", flags[i]);
		CHECK(refused(what, clone_with(flags[i]), EPERM));
		snprintf(what, sizeof(what), "clone(NEWUSER|0x%lx)", flags[i]);
		CHECK(refused(what, clone_with(CLONE_NEWUSER | flags[i]), EPERM));
	}
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	return refused("clone3", pid, ENOSYS);
}
