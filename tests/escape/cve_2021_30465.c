/* Way out: CVE-2021-30465: a part of a mount's target is exchanged for a link while it is being
 * mounted. */
/* Stopped by: targets are walked by descriptor inside the new root. The host compares its
 * directory. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2021_30465)
{
	struct stat st;

	/* Outside: exchange two names as fast as we can, until killed. */
	if (run->host) {
		for (;;)
			if (renameat2(AT_FDCWD, run->argv[0], AT_FDCWD, run->argv[1],
			              RENAME_EXCHANGE) < 0)
				return untried("no exchange");
	}
	for (int i = 0; i < run->argc; i++)
		CHECK(refused(run->argv[i], stat(run->argv[i], &st), HIDDEN_ERRNOS));
	return HELD;
}
