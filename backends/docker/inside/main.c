/*
 * corral-inside: the program of ours within a container (backends/docker/inside.h). Static, so that
 * it needs nothing of the image.
 */
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backends/docker/inside/program.h"

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	/* The guest may do to us what it likes; but not by chance, with a debugger that attaches to
	 * all it sees. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (argc == 2 && !strcmp(what, "idle"))
		_exit(inside_idle(0));
	if (argc == 3 && !strcmp(what, "idle") && !strcmp(argv[2], "tied"))
		_exit(inside_idle(1));
	if (argc == 2 && !strcmp(what, "files"))
		_exit(inside_files());
	if (argc == 2 && !strcmp(what, "run"))
		_exit(inside_run());
	if (argc == 4 && !strcmp(what, "signal"))
		_exit(inside_signal(argv[2], argv[3]));
	if (argc == 4 && !strcmp(what, "sweep"))
		_exit(inside_sweep(argv[2], argv[3]));
	_exit(2);
}
