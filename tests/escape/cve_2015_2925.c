/* Way out: CVE-2015-2925: while we stand in a bound directory, an accomplice moves it out of it. */
/* Stopped by: the kernel: ".." does not leave a mount. Arguments: a file above the new place, two
 * to meet by. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/escape.h"

#define PATIENCE_MS 10000

ESCAPE(cve_2015_2925)
{
	struct stat st;
	int waited = 0;

	if (run->argc < 3 || chdir("a/b/c") < 0)
		return untried("no a/b/c in the working directory");
	close(open(run->argv[1], O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	while (stat(run->argv[2], &st) < 0 && waited++ < PATIENCE_MS)
		usleep(1000);
	if (waited >= PATIENCE_MS)
		return untried("nobody moved the directory");
	for (int i = 0; i < 32; i++) {
		if (stat(run->argv[0], &st) == 0)
			return escaped("%s is in sight", run->argv[0]);
		if (chdir("..") < 0)
			return HELD;
	}
	return HELD;
}
