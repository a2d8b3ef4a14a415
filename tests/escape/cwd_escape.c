/* Way out: the caller's own working directory, kept through all of it. */
/* Stopped by: the working directory is the one asked for, inside. Argument: a file beside the
 * caller. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(cwd_escape)
{
	struct stat st;

	for (int i = 0; i < run->argc; i++) {
		char up[512];

		CHECK(refused("a file of the caller's", stat(run->argv[i], &st), ENOENT, EACCES));
		snprintf(up, sizeof(up), "../%s", run->argv[i]);
		CHECK(refused("one above it", stat(up, &st), ENOENT, EACCES));
		snprintf(up, sizeof(up), "/proc/1/cwd/%s", run->argv[i]);
		CHECK(refused("by PID 1", stat(up, &st), ENOENT, EACCES));
	}
	return HELD;
}
