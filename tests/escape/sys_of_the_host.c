/* Way out: /sys: firmware, power, devices, and what writes to them. */
/* Stopped by: there is no /sys of the host. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "tests/escape/escape.h"

ESCAPE(sys_of_the_host)
{
	static const char *const dirs[] = { "/sys/firmware", "/sys/devices", "/sys/kernel",
		                            "/sys/class",    "/sys/block",   "/sys/module" };

	(void)run;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		DIR *dir = opendir(dirs[i]);
		struct dirent *d;

		while (dir && (d = readdir(dir)))
			if (d->d_name[0] != '.')
				return escaped("%s has '%s'", dirs[i], d->d_name);
		if (dir)
			closedir(dir);
	}
	CHECK(cannot_open("/sys/power/state", O_WRONLY));
	return cannot_open("/sys/kernel/uevent_helper", O_WRONLY);
}
