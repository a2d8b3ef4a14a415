/* Way out: CVE-2014-8989: drop a group that a file denies ("negative group"), or keep one of the
 * host's. */
/* Stopped by: no CAP_SETGID over the host's groups: setgroups is EPERM; no group of the caller's is
 * left. */
#include <grp.h>
#include <unistd.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2014_8989)
{
	gid_t groups[64], other = 4711;
	int n = getgroups(64, groups);

	(void)run;
	CHECK(refused("setgroups(none)", setgroups(0, NULL), EPERM));
	CHECK(refused("setgroups(4711)", setgroups(1, &other), EPERM));
	for (int i = 0; i < n; i++)
		if (groups[i] != getgid() && groups[i] != 65534)
			return escaped("group %u came along", groups[i]);
	return HELD;
}
