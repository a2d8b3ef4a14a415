/* Way out: CVE-2019-19921: /proc of the image is a link or a file, and the masks land elsewhere. */
/* Stopped by: refused, or a real /proc with its masks where /proc is. */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2019_19921)
{
	struct statfs fs;
	struct stat st;

	(void)run;
	if (lstat("/proc", &st) == 0 && S_ISLNK(st.st_mode))
		return escaped("/proc is a link");
	if (statfs("/proc/self", &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return escaped("/proc is no proc file system");
	CHECK(cannot_open("/proc/sys/kernel/core_pattern", O_WRONLY));
	CHECK(cannot_open("/proc/sysrq-trigger", O_WRONLY));
	CHECK(cannot_read("/proc/timer_list"));
	CHECK(cannot_read("/proc/keys"));
	return cannot_read("/proc/kcore");
}
