/* Way out: CVE-2025-31133: /dev/null of the image is a link, and what it leads to masks /proc. */
/* Stopped by: devices of our own, held against their numbers; masks that come from a descriptor of
 * ours. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tests/escape/escape.h"

static int is_device(const char *path, unsigned int maj, unsigned int min)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return untried("no %s", path);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(maj, min))
		return escaped("%s is not device %u:%u", path, maj, min);
	return HELD;
}

ESCAPE(cve_2025_31133)
{
	(void)run;
	CHECK(is_device("/dev/null", 1, 3));
	CHECK(is_device("/dev/zero", 1, 5));
	CHECK(is_device("/dev/full", 1, 7));
	CHECK(is_device("/dev/urandom", 1, 9));
	CHECK(cannot_open("/proc/sys/kernel/core_pattern", O_WRONLY));
	CHECK(cannot_read("/proc/timer_list"));
	CHECK(cannot_read("/proc/keys"));
	return cannot_read("/proc/kcore");
}
