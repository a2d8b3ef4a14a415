/* PID 1 of the container: whoever loses its parent comes to it. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "backends/docker/inside/program.h"

int inside_idle(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	for (;;) {
		int signo;

		/* First, as something may have died before the mask was set. */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		signo = sigwaitinfo(&all, NULL);
		if (signo == SIGTERM || signo == SIGINT)
			return 0;
		if (signo < 0 && errno != EINTR)
			return 1;
	}
}
