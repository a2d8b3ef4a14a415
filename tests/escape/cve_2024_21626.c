/* Way out: CVE-2024-21626: a working directory of /proc/self/fd/N that is one of the caller's. */
/* Stopped by: no descriptor of the caller's when the directory is entered; it lies beneath our
 * root. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2024_21626)
{
	char path[4096] = "";
	struct stat root, top;

	(void)run;
	/* The raw call: libc would look for another answer by itself. */
	if (syscall(SYS_getcwd, path, sizeof(path)) < 0)
		return escaped("no name of the working directory");
	if (path[0] != '/')
		return escaped("the working directory is '%s'", path);
	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (chdir(path) == 0)
			return escaped("entered %s", path);
	}
	for (int i = 0; i < 64; i++)
		(void)chdir("..");
	if (stat("/", &root) < 0 || stat(".", &top) < 0 || root.st_ino != top.st_ino ||
	    root.st_dev != top.st_dev)
		return escaped("climbed past our root");
	return HELD;
}
