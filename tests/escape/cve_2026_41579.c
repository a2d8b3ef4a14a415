/* Way out: CVE-2026-41579: /dev of the image is a link, followed to the host before the root is
 * changed. */
/* Stopped by: refused, or /dev made inside the new root. The host compares its directory. */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2026_41579)
{
	struct stat st;

	(void)run;
	if (lstat("/dev", &st) < 0 || !S_ISDIR(st.st_mode))
		return escaped("/dev is no directory");
	if (stat("/dev/null", &st) < 0 || st.st_rdev != makedev(1, 3))
		return escaped("/dev/null is no device");
	return HELD;
}
