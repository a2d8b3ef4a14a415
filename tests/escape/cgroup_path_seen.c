/* Way out: the cgroup's path tells how the host is built, and which neighbours there are. */
/* Stopped by: an own cgroup namespace: every hierarchy begins at "/". */
#include <string.h>

#include "tests/escape/escape.h"

ESCAPE(cgroup_path_seen)
{
	char text[8192], *line, *rest = text;

	(void)run;
	if (read_text("/proc/self/cgroup", text, sizeof(text)) <= 0)
		return HELD;
	while ((line = strsep(&rest, "\n"))) {
		char *path = strrchr(line, ':');

		if (path && strcmp(path + 1, "/"))
			return escaped("%s", line);
	}
	return HELD;
}
