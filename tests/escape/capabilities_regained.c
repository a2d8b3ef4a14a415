/* Way out: win back capabilities: by ids, capset, securebits, ambient set, or an exec of a setuid
 * file. */
/* Stopped by: every set is empty, the bounding set as well, no_new_privs holds. */
#include <linux/capability.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/escape/escape.h"

static int set_is_empty(const char *status, const char *name)
{
	const char *line = strstr(status, name);
	unsigned long long set;

	if (!line || sscanf(line + strlen(name), " %llx", &set) != 1)
		return untried("no %s in /proc/self/status", name);
	return set ? escaped("%s %llx", name, set) : HELD;
}

ESCAPE(capabilities_regained)
{
	static const char *const names[] = { "CapInh:", "CapPrm:", "CapEff:", "CapBnd:",
		                             "CapAmb:" };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { ~0U, ~0U, 0 }, { 0x1ff, 0x1ff, 0 } };
	char status[8192];

	(void)run;
	CHECK(refused("capset", syscall(SYS_capset, &header, data), EPERM));
	(void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	(void)setresuid(0, 0, 0);
	CHECK(refused("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0),
	              EPERM));
	if (read_text("/proc/self/status", status, sizeof(status)) < 0)
		return untried("no /proc/self/status");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK(set_is_empty(status, names[i]));
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? HELD : escaped("no_new_privs is off");
}
