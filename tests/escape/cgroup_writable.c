/* Way out: a writable cgroup directory lifts one's own limits (CVE-2023-25809). */
/* Stopped by: no cgroup file system in the sandbox, or one that is read-only. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(cgroup_writable)
{
	char text[65536], *line, *rest = text;

	(void)run;
	if (read_text("/proc/self/mounts", text, sizeof(text)) < 0)
		return untried("no /proc/self/mounts");
	while ((line = strsep(&rest, "\n"))) {
		char target[256], type[64], options[256], path[300];

		if (sscanf(line, "%*s %255s %63s %255s", target, type, options) != 3)
			continue;
		if (strncmp(type, "cgroup", 6))
			continue;
		if (strncmp(options, "ro", 2))
			return escaped("%s is a writable %s", target, type);
		snprintf(path, sizeof(path), "%s/corral-escaped", target);
		if (mkdir(path, 0700) == 0) {
			rmdir(path);
			return escaped("made %s", path);
		}
	}
	CHECK(cannot_open("/sys/fs/cgroup/memory.max", O_WRONLY));
	return cannot_open("/sys/fs/cgroup/memory/memory.limit_in_bytes", O_WRONLY);
}
