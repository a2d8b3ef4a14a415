/* Way out: new namespaces by unshare: the first step of most kernel exploits of recent years. */
/* Stopped by: the seccomp profile, EPERM for each flag. */
#include <sched.h>
#include <stdio.h>

#include "tests/escape/escape.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

ESCAPE(unshare_newuser)
{
	static const int flags[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,    CLONE_NEWNET,
		                     CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWTIME };

	(void)run;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		char what[64];

		snprintf(what, sizeof(what), "unshare(0x%x)", (unsigned int)flags[i]);
		CHECK(refused(what, unshare(flags[i]), EPERM));
		snprintf(what, sizeof(what), "unshare(NEWUSER|0x%x)", (unsigned int)flags[i]);
		CHECK(refused(what, unshare(CLONE_NEWUSER | flags[i]), EPERM));
	}
	return HELD;
}
