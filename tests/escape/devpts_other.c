/* Way out: the host's terminals: type into them, read from them. */
/* Stopped by: a devpts of the sandbox's own: no terminal but its own is in it, and a new one is
 * number 0 or 1. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(devpts_other)
{
	DIR *dir = opendir("/dev/pts");
	struct dirent *d;
	const char *name;
	int master;

	(void)run;
	if (!dir)
		return refused("/dev/pts", -1, ENOENT);
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.' && strcmp(d->d_name, "ptmx") && strcmp(d->d_name, "0"))
			return escaped("/dev/pts/%s is not ours", d->d_name);
	closedir(dir);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		return untried("no terminal to be had");
	name = ptsname(master);
	if (!name || (strcmp(name, "/dev/pts/0") && strcmp(name, "/dev/pts/1")))
		return escaped("a new terminal is %s: others are counted with it", name);
	return HELD;
}
