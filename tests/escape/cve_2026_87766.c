/* Way out: CVE-2026-87766: a workspace's link leads mount targets through the old root to the host.
 */
/* Stopped by: targets are resolved inside the new root, or refused. The host compares its
 * directory. */
#include <sys/stat.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2026_87766)
{
	static const char *const roots[] = { "/oldroot", "/old",     "/.old", "/.oldroot",
		                             "/put_old", "/newroot", "/host" };
	struct stat st;

	(void)run;
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		CHECK(refused(roots[i], stat(roots[i], &st), ENOENT));
	return HELD;
}
