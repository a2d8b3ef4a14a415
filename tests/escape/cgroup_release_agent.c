/* Way out: a release_agent or a notify_on_release within reach runs a program as the host's root.
 */
/* Stopped by: no cgroup file system in the sandbox, or one that is read-only. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/escape/escape.h"

ESCAPE(cgroup_release_agent)
{
	static const char *const names[] = { "release_agent", "notify_on_release", "cgroup.procs",
		                             "tasks", "cgroup.subtree_control" };
	char text[65536], *line, *rest = text;

	(void)run;
	if (read_text("/proc/self/mounts", text, sizeof(text)) < 0)
		return untried("no /proc/self/mounts");
	while ((line = strsep(&rest, "\n"))) {
		char target[256], type[64], path[512];

		if (sscanf(line, "%*s %255s %63s", target, type) != 2 || strncmp(type, "cgroup", 6))
			continue;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			snprintf(path, sizeof(path), "%s/%s", target, names[i]);
			CHECK(cannot_open(path, O_WRONLY));
		}
	}
	return HELD;
}
