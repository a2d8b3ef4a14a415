/* Way out: CVE-2022-29162: inheritable capabilities turn into real ones at the next exec. */
/* Stopped by: CapInh and CapAmb are empty in every mode, also when capabilities were added. */
#include <stdio.h>
#include <string.h>

#include "tests/escape/escape.h"

ESCAPE(cve_2022_29162)
{
	static const char *const names[] = { "CapInh:", "CapAmb:" };
	char status[8192];

	(void)run;
	if (read_text("/proc/self/status", status, sizeof(status)) < 0)
		return untried("no /proc/self/status");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *line = strstr(status, names[i]);
		unsigned long long set;

		if (!line || sscanf(line + strlen(names[i]), " %llx", &set) != 1)
			return untried("no %s", names[i]);
		if (set)
			return escaped("%s %llx", names[i], set);
	}
	return HELD;
}
