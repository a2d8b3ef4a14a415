/* Way out: /proc/PID/root and /proc/PID/cwd lead into another process's root, not ours. */
/* Stopped by: PID 1 is not dumpable, or its root is the same as ours; nobody else is there. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int leads_nowhere(pid_t pid, const char *link)
{
	char path[64], target[256];
	struct stat root, there;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s/.", pid, link);
	if (stat(path, &there) < 0)
		return refused(path, -1, EACCES, EPERM, ENOENT);
	if (!strcmp(link, "cwd")) {
		path[strlen(path) - 2] = 0;
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		return strstr(target, "unreachable") ? escaped("%s is %s", path, target) : HELD;
	}
	if (stat("/", &root) < 0 || root.st_dev != there.st_dev || root.st_ino != there.st_ino)
		return escaped("%s is another root", path);
	return HELD;
}

static int roots(pid_t pid)
{
	CHECK(leads_nowhere(pid, "root"));
	return leads_nowhere(pid, "cwd");
}

ESCAPE(proc_pid_root_of_init)
{
	(void)run;
	return each_process(roots);
}
