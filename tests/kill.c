/*
 * Runs a program and kills it before its k-th system call that changes anything, or that of a
 * process it started (kill_support.h); k 0: never. Prints how many calls it came to, on standard
 * error, once all that it started has ended. Its exit status is the program's, 137 when killed.
 *
 * usage: corral-test-kill K PROGRAM [ARG...]; with "all" or a number in CORRAL_STORE_KILLS, and
 *        corral-test-kill --at CALLS FEW: at which calls to kill, one a line
 */
#include "tests/kill_support.h"

/* A program that waits for ever is no answer. */
#define DEADLINE_S 120

static void begin(void *ctx)
{
	char *const *argv = ctx;

	if (kill_calls_stop() < 0)
		_exit(122);
	(void)execvp(argv[0], argv);
	_exit(127);
}

static int print_calls(unsigned int calls, unsigned int few)
{
	unsigned int kills = kills_wanted(calls, few), from = (unsigned int)getpid();

	for (unsigned int i = 0; i < kills; i++)
		printf("%u\n", 1 + (from + i * calls / kills) % calls);
	return 0;
}

int main(int argc, char **argv)
{
	int n, status = -1;

	if (argc == 4 && !strcmp(argv[1], "--at"))
		return print_calls((unsigned int)strtoul(argv[2], NULL, 10),
		                   (unsigned int)strtoul(argv[3], NULL, 10));
	if (argc < 3)
		return 2;
	if (!kill_can_trace())
		return 77;
	/* Orphans are waited for, too. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)alarm(DEADLINE_S);
	n = kill_run(begin, argv + 2, (unsigned int)strtoul(argv[1], NULL, 10), &status);
	if (n < 0) {
		(void)fprintf(stderr, "corral-test-kill: %s\n", strerror(-n));
		return 2;
	}
	(void)fprintf(stderr, "calls %d\n", n);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
