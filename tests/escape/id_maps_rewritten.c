/* Way out: write one's own id maps, or allow setgroups again (CVE-2018-18955). */
/* Stopped by: the maps are written before the guest starts, and a second time is EPERM. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int cannot_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return refused(path, fd, EACCES, EPERM, EROFS, ENOENT);
	r = refused(path, write(fd, text, strlen(text)), EPERM, EINVAL);
	close(fd);
	return r;
}

ESCAPE(id_maps_rewritten)
{
	char map[256];

	(void)run;
	if (read_text("/proc/self/uid_map", map, sizeof(map)) <= 0)
		return untried("no /proc/self/uid_map");
	if (strstr(map, "4294967295"))
		return escaped("no user namespace of its own: %s", map);
	CHECK(cannot_write("/proc/self/uid_map", "0 0 4294967295\n"));
	CHECK(cannot_write("/proc/self/gid_map", "0 0 4294967295\n"));
	CHECK(cannot_write("/proc/1/uid_map", "0 0 4294967295\n"));
	return cannot_write("/proc/self/setgroups", "allow");
}
