/* Way out: kill or stop the process that holds the fences. */
/* Stopped by: the kernel keeps from PID 1 what it does not handle; PID 1 goes on and reaps. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(signal_init)
{
	char text[512], *state;

	(void)run;
	/* Whoever is not in a small pid namespace would hit the host's own PID 1. */
	if (getpid() > 64)
		return escaped("no pid namespace of its own: pid %d", getpid());
	for (int signo = 1; signo <= SIGRTMAX; signo++)
		(void)kill(1, signo);
	usleep(20000);
	if (read_text("/proc/1/stat", text, sizeof(text)) < 0)
		return escaped("PID 1 is gone");
	state = strrchr(text, ')');
	if (!state || strchr("TtZX", state[2]))
		return escaped("PID 1 is stopped or dead: %s", text);
	return HELD;
}
