/* Way out: kill(-1) reaches every process of the same user. */
/* Stopped by: an own pid namespace: nobody outside is reached. Arguments: pids of the host to try.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/escape/escape.h"

/* SIGCONT harms nobody; the host holds a stopped process up to see whether it goes on. */
ESCAPE(kill_all)
{
	int status;
	pid_t pid;

	for (int i = 0; i < run->argc; i++) {
		pid_t host_pid = (pid_t)strtol(run->argv[i], NULL, 10);

		CHECK(refused("kill of a host pid", kill(host_pid, SIGCONT), ESRCH));
	}
	if (!run->open) {
		(void)kill(-1, SIGCONT);
		return HELD;
	}
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, &status, WUNTRACED);
	(void)kill(-1, SIGCONT);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? escaped("a stopped process outside went on") : HELD;
}
